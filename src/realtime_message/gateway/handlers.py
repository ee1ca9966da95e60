"""What each command does. Checks stand in Centrifugo's order: it decides which error is seen."""

from __future__ import annotations

from collections.abc import Mapping

from realtime_message.centrifugo.gateway_configuration import ChannelOptions
from realtime_message.centrifugo.subscription_options import decode_payload
from realtime_message.gateway import codes
from realtime_message.gateway.codes import CommandError, ConnectionClose
from realtime_message.gateway.commands import (
    AnyCommand,
    ChannelCommand,
    HistoryCommand,
    PublishCommand,
    RpcCommand,
)
from realtime_message.gateway.connecting import handle_connect
from realtime_message.gateway.connection import Connection, Handler
from realtime_message.gateway.history import Position
from realtime_message.gateway.permissions import may, required_channel
from realtime_message.gateway.proxy_messages import (
    PublishOutcome,
    PublishRequest,
    RpcOutcome,
    RpcRequest,
    answered_payload,
    payload_fields,
)
from realtime_message.gateway.publisher import PLAIN, PublishOptions
from realtime_message.gateway.refreshing import handle_refresh, handle_sub_refresh
from realtime_message.gateway.replies import (
    BinaryPublication,
    EmptyResult,
    HistoryResult,
    PresenceResult,
    PresenceStatsResult,
    Reply,
    RpcResult,
    is_json,
    payload,
)
from realtime_message.gateway.subscribing import handle_subscribe


async def handle_unsubscribe(connection: Connection, command: ChannelCommand, id_: int) -> None:
    """End a subscription; one that does not exist is fine."""
    connection.unsubscribe(required_channel(command.channel))
    connection.reply(Reply(id=id_, unsubscribe=EmptyResult()))


async def handle_publish(connection: Connection, command: PublishCommand, id_: int) -> None:
    """Publish, if the callback service or the channel's options allow it.

    The client need not be subscribed. When the client is gone before the callback answers, the
    publication is still broadcast.
    """
    channel = required_channel(command.channel)
    if command.type:
        raise CommandError(codes.PERMISSION_DENIED)
    engine = connection.engine
    info = connection.client_info(channel)
    rules = engine.rules.checked_options(channel)
    data = bytes(command.data)
    engine.rules.check_data(data, rules)
    options, is_valid = PLAIN, True
    if rules.publish_proxy_enabled:
        data, options, is_valid = await _ask_to_publish(connection, channel, data, rules)
    elif not may(
        rules,
        "publish",
        user=connection.user,
        is_subscribed=channel in connection.subscriptions,
    ):
        raise CommandError(codes.PERMISSION_DENIED)
    engine.publisher.publish(channel, data, rules, info=info, options=options, is_json=is_valid)
    connection.reply(Reply(id=id_, publish=EmptyResult()))


async def _ask_to_publish(
    connection: Connection, channel: str, data: bytes, rules: ChannelOptions
) -> tuple[bytes, PublishOptions, bool]:
    """Return what to publish and how, and whether it is JSON."""
    proxy = connection.engine.proxies.named("publish", rules.publish_proxy_name)
    request = PublishRequest(
        channel=channel,
        **connection.event_fields(proxy),
        **payload_fields(data, binary=proxy.is_binary),
    )
    outcome = await proxy.call(request, PublishOutcome, connection.headers)
    if outcome is None:
        return data, PLAIN, True
    is_valid = True
    if outcome.data:
        data = bytes(outcome.data)
    elif outcome.b64data:
        data = _decoded(outcome.b64data)
        is_valid = is_json(data)
    options = PublishOptions(
        skip_history=bool(outcome.skip_history),
        tags=outcome.tags or {},
        idempotency_key=outcome.idempotency_key or "",
        version=outcome.version or 0,
        version_epoch=outcome.version_epoch or "",
    )
    return data, options, is_valid


async def handle_presence(connection: Connection, command: ChannelCommand, id_: int) -> None:
    """Say who is in a channel."""
    channel = _channel_with_presence(connection, command)
    clients = connection.engine.presence.clients(channel)
    connection.reply(Reply(id=id_, presence=PresenceResult(clients)))


async def handle_presence_stats(connection: Connection, command: ChannelCommand, id_: int) -> None:
    """Say how many are in a channel."""
    channel = _channel_with_presence(connection, command)
    clients, users = connection.engine.presence.counts(channel)
    connection.reply(Reply(id=id_, presence_stats=PresenceStatsResult(clients, users)))


def _channel_with_presence(connection: Connection, command: ChannelCommand) -> str:
    channel = required_channel(command.channel)
    rules = connection.engine.rules.checked_options(channel)
    if not rules.presence:
        raise CommandError(codes.NOT_AVAILABLE)
    is_subscribed = channel in connection.subscriptions
    if not may(rules, "presence", user=connection.user, is_subscribed=is_subscribed):
        raise CommandError(codes.PERMISSION_DENIED)
    return channel


async def handle_history(connection: Connection, command: HistoryCommand, id_: int) -> None:
    """Read a channel's history."""
    channel = required_channel(command.channel)
    engine = connection.engine
    rules = engine.rules.checked_options(channel)
    if not rules.has_history:
        raise CommandError(codes.NOT_AVAILABLE)
    is_subscribed = channel in connection.subscriptions
    if not may(rules, "history", user=connection.user, is_subscribed=is_subscribed):
        raise CommandError(codes.PERMISSION_DENIED)
    limit, most = command.limit or 0, engine.client.history_max_publication_limit
    if most and (limit < 0 or limit > most):
        limit = most
    since = command.since
    publications, position = engine.history.read(
        channel,
        since=Position(since.offset or 0, since.epoch or "") if since else None,
        limit=limit,
        reverse=bool(command.reverse),
        meta_ttl_seconds=engine.publisher.meta_ttl_seconds(rules),
    )
    if any(isinstance(publication, BinaryPublication) for publication in publications):
        raise ConnectionClose(codes.CLOSE_INAPPROPRIATE_PROTOCOL)
    result = HistoryResult(publications, position.epoch, position.offset)
    connection.reply(Reply(id=id_, history=result))


async def handle_rpc(connection: Connection, command: RpcCommand, id_: int) -> None:
    """Let the callback service answer a call."""
    engine = connection.engine
    method = command.method or ""
    options = engine.rules.rpc_options(method)
    if not options.proxy_enabled:
        raise CommandError(codes.NOT_AVAILABLE)
    proxy = engine.proxies.named("rpc", options.proxy_name)
    request = RpcRequest(
        method=method,
        **connection.event_fields(proxy),
        **payload_fields(bytes(command.data), binary=proxy.is_binary),
    )
    outcome = await proxy.call(request, RpcOutcome, connection.headers)
    data = answered_payload(outcome.data, outcome.b64data) if outcome is not None else b""
    connection.reply(Reply(id=id_, rpc=RpcResult(payload(data))))


async def handle_send(connection: Connection, command: AnyCommand, id_: int) -> None:  # noqa: ARG001 - as all handlers
    """Refuse a message without reply: nothing here could take it."""
    raise ConnectionClose(codes.CLOSE_NOT_AVAILABLE)


def _decoded(b64: str) -> bytes:
    try:
        return decode_payload(_NO_JSON, b64)
    except ValueError:
        raise CommandError(codes.INTERNAL) from None


_NO_JSON = payload(b"")

#: By the command's field, in the order in which they are looked for.
HANDLERS: Mapping[str, Handler] = {
    "connect": handle_connect,
    "subscribe": handle_subscribe,
    "unsubscribe": handle_unsubscribe,
    "publish": handle_publish,
    "presence": handle_presence,
    "presence_stats": handle_presence_stats,
    "history": handle_history,
    "rpc": handle_rpc,
    "send": handle_send,
    "refresh": handle_refresh,
    "sub_refresh": handle_sub_refresh,
}
