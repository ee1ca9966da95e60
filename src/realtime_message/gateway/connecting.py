"""Connecting: who the client is, what it is subscribed to at once, what it is told."""

from __future__ import annotations

import time

import msgspec

from realtime_message.centrifugo.subscription_options import SubscriptionOptions
from realtime_message.centrifugo.tokens import InvalidTokenError, TokenExpiredError
from realtime_message.gateway import codes
from realtime_message.gateway.codes import CommandError, ConnectionClose
from realtime_message.gateway.commands import ConnectCommand
from realtime_message.gateway.connection import Connection
from realtime_message.gateway.engine import VERSION
from realtime_message.gateway.history import Position
from realtime_message.gateway.permissions import may
from realtime_message.gateway.proxy import ClientHeaders, EventProxy
from realtime_message.gateway.proxy_messages import (
    ConnectOutcome,
    ConnectRequest,
    answered_payload,
    payload_fields,
)
from realtime_message.gateway.refreshing import capped, check_periodically, schedule_expiry
from realtime_message.gateway.replies import ConnectResult, Reply, SubscribeResult, payload
from realtime_message.gateway.subscribing import Recovery, announce, open_subscription
from realtime_message.gateway.subscription import Terms, agree


class Identity(msgspec.Struct, kw_only=True):
    """What a token or the callback service says of a client.

    Attributes:
        user: the user id.
        expire_at: Unix time; 0 for never.
        info: shown to others.
        meta: sent with later proxy events.
        data: sent to the client.
        subscriptions: the terms of its server-side subscriptions.
        may_ask: whether the subscriptions that the client asks for are looked at.
    """

    user: str = ""
    expire_at: int = 0
    info: bytes = b""
    meta: bytes = b""
    data: bytes = b""
    subscriptions: dict[str, Terms] = {}
    may_ask: bool = False


async def handle_connect(connection: Connection, command: ConnectCommand, id_: int) -> None:
    """Establish the connection.

    Raises:
        CommandError: the client is refused; it is then not listened to any more.
        ConnectionClose: the connection ends.
    """
    if connection.is_authenticated:
        raise ConnectionClose(codes.CLOSE_BAD_REQUEST)
    engine = connection.engine
    identity = await _identify(connection, command)
    if connection.is_closed:
        return
    if identity is None and engine.client.allow_anonymous_connect_without_token:
        identity = Identity(may_ask=True)
    if identity is not None and identity.may_ask:
        _grant_wishes(connection, command, identity)
    if identity is not None and len(identity.subscriptions) > engine.client.channel_limit:
        raise ConnectionClose(codes.CLOSE_CHANNEL_LIMIT)
    if identity is None:
        raise ConnectionClose(codes.CLOSE_BAD_REQUEST)
    _adopt(connection, identity)
    subs = _open_server_side(connection, identity, command)
    connection.reply(Reply(id=id_, connect=_result(connection, identity, subs)))
    for channel in subs:
        announce(connection, channel)
    schedule_expiry(connection)
    check_periodically(connection, is_first=True)
    connection.heartbeat.start()


async def _identify(connection: Connection, command: ConnectCommand) -> Identity | None:
    if command.token:
        return await _identify_by_token(connection, command.token)
    proxy = connection.engine.proxies.connect
    if proxy is None:
        return None
    connection.headers = ClientHeaders(connection.headers.handshake, command.headers or {})
    outcome = await _ask_to_connect(connection, proxy, command)
    return None if outcome is None else _identify_by_outcome(connection, outcome)


async def _identify_by_token(connection: Connection, token: str) -> Identity:
    engine = connection.engine
    try:
        verified = await engine.tokens.verify_connection(token)
    except TokenExpiredError:
        raise CommandError(codes.TOKEN_EXPIRED) from None
    except InvalidTokenError:
        raise ConnectionClose(codes.CLOSE_INVALID_TOKEN) from None
    if not verified.user and engine.client.disallow_anonymous_connection_tokens:
        raise ConnectionClose(codes.CLOSE_PERMISSION_DENIED)
    return Identity(
        user=verified.user,
        expire_at=verified.expire_at,
        info=verified.info,
        meta=verified.meta,
        subscriptions={
            channel: _agree_server_side(connection, channel, options, is_from_token=True)
            for channel, options in verified.subs.items()
        },
        may_ask=True,
    )


async def _ask_to_connect(
    connection: Connection, proxy: EventProxy, command: ConnectCommand
) -> ConnectOutcome | None:
    request = ConnectRequest(
        **connection.transport_fields(proxy),
        **payload_fields(bytes(command.data), binary=proxy.is_binary),
        name=command.name or "",
        version=command.version or "",
        channels=list(command.subs or ()),
    )
    return await proxy.call(request, ConnectOutcome, connection.headers)


def _identify_by_outcome(connection: Connection, outcome: ConnectOutcome) -> Identity:
    subscriptions = {
        channel: _agree_server_side(connection, channel, SubscriptionOptions())
        for channel in outcome.channels or ()
    }
    for channel, options in (outcome.subs or {}).items():
        subscriptions[channel] = _agree_server_side(connection, channel, options)
    return Identity(
        user=outcome.user or "",
        expire_at=outcome.expire_at or 0,
        info=answered_payload(outcome.info, outcome.b64info),
        meta=bytes(outcome.meta),
        data=answered_payload(outcome.data, outcome.b64data),
        subscriptions=subscriptions,
    )


def _agree_server_side(
    connection: Connection,
    channel: str,
    options: SubscriptionOptions,
    *,
    is_from_token: bool = False,
) -> Terms:
    return agree(
        connection.engine.rules.options(channel),
        options.override,
        info=answered_payload(options.info, options.b64info),
        data=answered_payload(options.data, options.b64data),
        is_from_token=is_from_token,
    )


def _grant_wishes(connection: Connection, command: ConnectCommand, identity: Identity) -> None:
    """Subscribe the client to what it asks for, as far as it could do so by itself."""
    rules_of = connection.engine.rules
    for channel in command.subs or ():
        try:
            rules = rules_of.options(channel)
        except CommandError:
            raise ConnectionClose(codes.CLOSE_BAD_REQUEST) from None
        if (
            rules_of.is_private(channel)
            or rules.subscribe_proxy_enabled
            or not rules_of.is_valid_name(channel, rules)
        ):
            continue
        if rules_of.is_user_limited(channel, rules):
            is_allowed = bool(identity.user) and rules_of.is_named_in(identity.user, channel)
        else:
            is_allowed = may(rules, "subscribe", user=identity.user, is_subscribed=False)
        if is_allowed:
            identity.subscriptions.setdefault(channel, agree(rules))


def _adopt(connection: Connection, identity: Identity) -> None:
    """Give the connection its identity and make it known."""
    engine = connection.engine
    expire_at = capped(identity.expire_at)
    limit = engine.client.user_connection_limit
    if limit and identity.user and len(engine.hub.connections_of(identity.user)) >= limit:
        raise ConnectionClose(codes.CLOSE_CONNECTION_LIMIT)
    if 0 < expire_at < int(time.time()):
        raise CommandError(codes.EXPIRED)
    connection.user = identity.user
    connection.info = identity.info
    connection.meta = identity.meta
    connection.expire_at = expire_at
    connection.is_client_refreshed = engine.proxies.refresh is None
    connection.is_authenticated = True
    engine.hub.add_connection(connection)


def _open_server_side(
    connection: Connection, identity: Identity, command: ConnectCommand
) -> dict[str, SubscribeResult]:
    known = command.subs or {}
    results: dict[str, SubscribeResult] = {}
    for channel, terms in identity.subscriptions.items():
        if not channel:
            continue
        recovery = None
        asked = known.get(channel)
        if asked is not None and asked.recover:
            recovery = Recovery(Position(asked.offset or 0, asked.epoch or ""))
        results[channel] = open_subscription(
            connection, channel, terms, recovery, is_server_side=True
        )
    return results


def _result(
    connection: Connection, identity: Identity, subs: dict[str, SubscribeResult]
) -> ConnectResult:
    client = connection.engine.client
    # With the refresh proxy the server sees to the expiry, and the client need not know.
    expires = connection.expire_at > 0 and connection.is_client_refreshed
    return ConnectResult(
        client=connection.id,
        version=VERSION,
        expires=expires,
        ttl=connection.expire_at - int(time.time()) if expires else 0,
        data=payload(identity.data),
        subs=subs,
        ping=int(client.ping_interval_seconds),
        pong=client.pong_timeout_seconds > 0,
        time=int(time.time() * 1000) if client.connect_include_server_time else 0,
    )
