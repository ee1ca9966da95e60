"""What each method of the server API does; none of them asks the callback service."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from realtime_message.centrifugo.gateway_configuration import ChannelOptions
from realtime_message.centrifugo.subscription_options import decode_payload
from realtime_message.gateway import codes
from realtime_message.gateway.api_messages import (
    ApiError,
    BroadcastRequest,
    BroadcastResult,
    ChannelCount,
    ChannelRequest,
    ChannelsRequest,
    ChannelsResult,
    ClientRequest,
    DisconnectRequest,
    EmptyResult,
    HistoryRequest,
    HistoryResult,
    InfoRequest,
    InfoResult,
    Metrics,
    NodeInfo,
    Outcome,
    PresenceResult,
    PresenceStatsResult,
    PublishRequest,
    PublishResult,
    RefreshRequest,
    SubscribeRequest,
    UnsubscribeRequest,
)
from realtime_message.gateway.codes import CommandError
from realtime_message.gateway.connection import Connection
from realtime_message.gateway.engine import VERSION, Engine
from realtime_message.gateway.history import Position
from realtime_message.gateway.publisher import PublishOptions
from realtime_message.gateway.refreshing import refresh_by_server
from realtime_message.gateway.replies import Push, SubscribePush, is_json
from realtime_message.gateway.subscribing import Recovery, announce, open_subscription
from realtime_message.gateway.subscription import agree


def publish(engine: Engine, request: PublishRequest) -> PublishResult:
    """Publish into one channel."""
    return _publish(engine, request.channel or "", request)


def broadcast(engine: Engine, request: BroadcastRequest) -> BroadcastResult:
    """Publish into several channels; each has its own outcome."""
    if not request.channels:
        raise CommandError(codes.BAD_REQUEST)
    _payload(request)
    responses = []
    for channel in request.channels:
        try:
            responses.append(Outcome(result=_publish(engine, channel, request)))
        except CommandError as refused:
            responses.append(Outcome(error=ApiError(refused.body.code, refused.body.message)))
    return BroadcastResult(responses)


def _publish(
    engine: Engine, channel: str, request: PublishRequest | BroadcastRequest
) -> PublishResult:
    if not channel:
        raise CommandError(codes.BAD_REQUEST)
    data, is_json = _payload(request)
    rules = engine.rules.options(channel)
    engine.rules.check_data(data, rules)
    options = PublishOptions(
        skip_history=bool(request.skip_history),
        tags=request.tags or {},
        idempotency_key=request.idempotency_key or "",
        version=request.version or 0,
        version_epoch=request.version_epoch or "",
    )
    position = engine.publisher.publish(channel, data, rules, options=options, is_json=is_json)
    return PublishResult(position.offset, position.epoch)


def _payload(request: PublishRequest | BroadcastRequest) -> tuple[bytes, bool]:
    """Return what is to be published, and whether it is JSON."""
    data = _decoded(request.data, request.b64data)
    return data, not request.b64data or is_json(data)


def subscribe(engine: Engine, request: SubscribeRequest) -> EmptyResult:
    """Subscribe a user's connections, from the server's side."""
    channel = _required(request.channel)
    rules = engine.rules.options(channel)
    terms = agree(
        rules,
        request.override,
        info=_decoded(request.info, request.b64info),
        data=_decoded(request.data, request.b64data),
        expire_at=request.expire_at or 0,
    )
    since = request.recover_since
    recovery = Recovery(Position(since.offset or 0, since.epoch or "")) if since else None
    for connection in _connections(engine, request):
        if len(connection.subscriptions) >= engine.client.channel_limit:
            connection.close(codes.CLOSE_CHANNEL_LIMIT)
            continue
        try:
            result = open_subscription(connection, channel, terms, recovery, is_server_side=True)
        except CommandError:
            raise CommandError(codes.INTERNAL) from None
        push = SubscribePush(
            recoverable=result.recoverable,
            epoch=result.epoch,
            offset=result.offset,
            positioned=result.positioned,
            data=result.data,
        )
        connection.push(Push(channel=channel, subscribe=push))
        announce(connection, channel)
    return EmptyResult()


def unsubscribe(engine: Engine, request: UnsubscribeRequest) -> EmptyResult:
    """End a subscription of a user's connections; they are told even if they had none."""
    channel = request.channel or ""
    if channel:
        engine.rules.options(channel)
    for connection in _connections(engine, request):
        connection.unsubscribe(channel, codes.UNSUBSCRIBED_BY_SERVER)
    return EmptyResult()


def disconnect(engine: Engine, request: DisconnectRequest) -> EmptyResult:
    """Close a user's connections."""
    close = request.disconnect.close if request.disconnect else codes.CLOSE_FORCED
    for connection in _connections(engine, request):
        if connection.id not in (request.whitelist or ()):
            connection.close(close)
    return EmptyResult()


def refresh(engine: Engine, request: RefreshRequest) -> EmptyResult:
    """Give a user's connections another expiry, or end them."""
    for connection in _connections(engine, request):
        refresh_by_server(
            connection,
            expired=bool(request.expired),
            expire_at=request.expire_at or 0,
            info=bytes(request.info),
        )
    return EmptyResult()


def presence(engine: Engine, request: ChannelRequest) -> PresenceResult:
    """Say who is in a channel."""
    channel = _with_presence(engine, request)
    return PresenceResult(engine.presence.clients(channel))


def presence_stats(engine: Engine, request: ChannelRequest) -> PresenceStatsResult:
    """Say how many are in a channel."""
    channel = _with_presence(engine, request)
    return PresenceStatsResult(*engine.presence.counts(channel))


def _with_presence(engine: Engine, request: ChannelRequest) -> str:
    channel = _required(request.channel)
    if not engine.rules.options(channel).presence:
        raise CommandError(codes.NOT_AVAILABLE)
    return channel


def history(engine: Engine, request: HistoryRequest) -> HistoryResult:
    """Read a channel's history."""
    channel, rules = _with_history(engine, request)
    since = request.since
    try:
        publications, position = engine.history.read(
            channel,
            since=Position(since.offset or 0, since.epoch or "") if since else None,
            limit=request.limit or 0,
            reverse=bool(request.reverse),
            meta_ttl_seconds=engine.publisher.meta_ttl_seconds(rules),
        )
    except CommandError as refused:
        if refused.body == codes.UNRECOVERABLE_POSITION:
            raise
        raise CommandError(codes.INTERNAL) from None
    shown = [replace(one, version=0) if one.version else one for one in publications]
    return HistoryResult(shown, position.epoch, position.offset)


def history_remove(engine: Engine, request: ChannelRequest) -> EmptyResult:
    """Forget a channel's publications; its position stays."""
    channel, _ = _with_history(engine, request)
    engine.history.remove(channel)
    return EmptyResult()


def _with_history(
    engine: Engine, request: ChannelRequest | HistoryRequest
) -> tuple[str, ChannelOptions]:
    channel = _required(request.channel)
    rules = engine.rules.options(channel)
    if not rules.has_history:
        raise CommandError(codes.NOT_AVAILABLE)
    return channel, rules


def channels(engine: Engine, request: ChannelsRequest) -> ChannelsResult:
    """List the channels that have subscribers."""
    counts = engine.hub.channels(request.pattern or "")
    return ChannelsResult({name: ChannelCount(count) for name, count in counts.items()})


def info(engine: Engine, request: InfoRequest) -> InfoResult:  # noqa: ARG001 - as all methods
    """Describe the gateway as a cluster of one node."""
    configuration = engine.configuration
    name = configuration.node.name or f"{socket.gethostname()}_{configuration.http_server.port}"
    node = NodeInfo(
        uid=engine.node_id,
        name=name,
        version=VERSION,
        num_clients=engine.hub.connection_count,
        num_users=engine.hub.user_count,
        num_channels=len(engine.hub.channels()),
        uptime=int(time.monotonic() - engine.started_at),
        metrics=Metrics(),
        num_subs=engine.hub.subscription_count,
    )
    return InfoResult([node])


def _connections(engine: Engine, request: ClientRequest) -> list[Connection]:
    """Return the connections that a call is about."""
    if request.session:
        return []
    return engine.hub.connections_of(request.user or "", request.client or "")


def _required(channel: str | None) -> str:
    if not channel:
        raise CommandError(codes.BAD_REQUEST)
    return channel


def _decoded(raw: msgspec.Raw, b64: str | None) -> bytes:
    try:
        return decode_payload(raw, b64)
    except ValueError:
        raise CommandError(codes.BAD_REQUEST) from None


class Method(NamedTuple):
    """A method: the form of its request, and what it does."""

    request: type[msgspec.Struct]
    run: Callable[[Engine, Any], msgspec.Struct]


#: By the last part of the path.
METHODS = {
    "publish": Method(PublishRequest, publish),
    "broadcast": Method(BroadcastRequest, broadcast),
    "subscribe": Method(SubscribeRequest, subscribe),
    "unsubscribe": Method(UnsubscribeRequest, unsubscribe),
    "disconnect": Method(DisconnectRequest, disconnect),
    "refresh": Method(RefreshRequest, refresh),
    "presence": Method(ChannelRequest, presence),
    "presence_stats": Method(ChannelRequest, presence_stats),
    "history": Method(HistoryRequest, history),
    "history_remove": Method(ChannelRequest, history_remove),
    "channels": Method(ChannelsRequest, channels),
    "info": Method(InfoRequest, info),
}
