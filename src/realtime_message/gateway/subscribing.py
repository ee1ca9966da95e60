"""Subscribing: who may, what was missed, and what the client and the others are told."""

from __future__ import annotations

import time
from typing import NamedTuple

from realtime_message.centrifugo.gateway_configuration import ChannelOptions
from realtime_message.centrifugo.tokens import InvalidTokenError, TokenExpiredError
from realtime_message.gateway import codes
from realtime_message.gateway.codes import CommandError, ConnectionClose
from realtime_message.gateway.commands import SubscribeCommand
from realtime_message.gateway.connection import Connection
from realtime_message.gateway.history import Position
from realtime_message.gateway.permissions import may, required_channel
from realtime_message.gateway.proxy_messages import (
    SubscribeOutcome,
    SubscribeRequest,
    answered_payload,
    payload_fields,
)
from realtime_message.gateway.replies import Publication, Reply, SubscribeResult, payload
from realtime_message.gateway.subscription import Subscription, Terms, agree

_KNOWN_DELTA = "fossil"
# The client asks to be refused, not reset, when its position cannot be recovered.
_REJECT_UNRECOVERED = 2


class Recovery(NamedTuple):
    """What a client asks to recover."""

    since: Position
    must_succeed: bool = False


async def handle_subscribe(connection: Connection, command: SubscribeCommand, id_: int) -> None:
    """Subscribe, if a token, the channel's name, the callback service or its options allow it."""
    channel = required_channel(command.channel)
    if command.delta not in (None, "", _KNOWN_DELTA):
        raise ConnectionClose(codes.CLOSE_BAD_REQUEST)
    client = connection.engine.client
    if len(channel.encode()) > connection.engine.configuration.channel.max_length:
        raise CommandError(codes.BAD_REQUEST)
    if channel in connection.subscriptions:
        raise CommandError(codes.ALREADY_SUBSCRIBED)
    if len(connection.subscriptions) >= client.channel_limit:
        raise CommandError(codes.LIMIT_EXCEEDED)
    with connection.subscribing(channel):
        await _subscribe(connection, channel, command, id_)


async def _subscribe(
    connection: Connection, channel: str, command: SubscribeCommand, id_: int
) -> None:
    terms = await _decide(connection, channel, command)
    if command.tf:
        raise CommandError(codes.BAD_REQUEST)  # filters by tag are off in every namespace
    if connection.is_closed:
        return
    recovery = None
    if command.recover:
        position = Position(command.offset or 0, command.epoch or "")
        recovery = Recovery(position, bool((command.flag or 0) & _REJECT_UNRECOVERED))
    result = open_subscription(connection, channel, terms, recovery)
    connection.reply(Reply(id=id_, subscribe=result))
    announce(connection, channel)


async def _decide(connection: Connection, channel: str, command: SubscribeCommand) -> Terms:
    rules_of = connection.engine.rules
    rules = rules_of.checked_options(channel)
    if command.type:
        raise CommandError(codes.PERMISSION_DENIED)
    if rules_of.is_private(channel) and not command.token:
        raise CommandError(codes.PERMISSION_DENIED)
    is_client_refreshed = not rules.sub_refresh_proxy_enabled
    is_limited = rules_of.is_user_limited(channel, rules)
    if command.token:
        terms = await _decide_by_token(connection, channel, command.token, rules)
    elif is_limited and rules_of.is_named_in(connection.user, channel):
        terms = agree(rules, is_client_refreshed=is_client_refreshed)
    elif rules.subscribe_proxy_enabled and not is_limited:
        return await _ask_to_subscribe(connection, channel, command, rules)
    elif not is_limited and may(rules, "subscribe", user=connection.user, is_subscribed=False):
        terms = agree(rules, is_client_refreshed=is_client_refreshed)
    else:
        raise CommandError(codes.PERMISSION_DENIED)
    return _with_wishes(terms, command, rules, connection.user)


def _with_wishes(
    terms: Terms, command: SubscribeCommand, rules: ChannelOptions, user: str
) -> Terms:
    """Grant what the client itself asks for; never looked at after the callback's decision."""
    has_history = may(rules, "history", user=user, is_subscribed=True)
    has_presence = may(rules, "presence", user=user, is_subscribed=True)
    return Terms(
        presence=terms.presence,
        join_leave=terms.join_leave,
        push_join_leave=terms.push_join_leave
        or bool(command.join_leave and rules.join_leave and has_presence),
        recovery=terms.recovery
        or bool(command.recoverable and (rules.allow_recovery or has_history)),
        positioning=terms.positioning
        or bool(command.positioned and (rules.allow_positioning or has_history)),
        info=terms.info,
        data=terms.data,
        expire_at=terms.expire_at,
        is_client_refreshed=terms.is_client_refreshed,
    )


async def _decide_by_token(
    connection: Connection, channel: str, token: str, rules: ChannelOptions
) -> Terms:
    try:
        verified = await connection.engine.subscription_tokens.verify_subscription(token)
    except TokenExpiredError:
        raise CommandError(codes.TOKEN_EXPIRED) from None
    except InvalidTokenError:
        raise CommandError(codes.PERMISSION_DENIED) from None
    if (
        verified.channel != channel
        or verified.user != connection.user
        or verified.client not in ("", connection.id)
    ):
        raise ConnectionClose(codes.CLOSE_INVALID_TOKEN)
    return agree(
        rules,
        verified.override,
        info=verified.info,
        data=verified.data,
        expire_at=verified.expire_at,
        is_client_refreshed=not rules.sub_refresh_proxy_enabled,
    )


async def _ask_to_subscribe(
    connection: Connection, channel: str, command: SubscribeCommand, rules: ChannelOptions
) -> Terms:
    proxy = connection.engine.proxies.named("subscribe", rules.subscribe_proxy_name)
    request = SubscribeRequest(
        channel=channel,
        **connection.event_fields(proxy),
        **payload_fields(bytes(command.data), binary=proxy.is_binary),
    )
    outcome = await proxy.call(request, SubscribeOutcome, connection.headers)
    outcome = outcome or SubscribeOutcome()
    return agree(
        rules,
        outcome.override,
        info=answered_payload(outcome.info, outcome.b64info),
        data=answered_payload(outcome.data, outcome.b64data),
        expire_at=outcome.expire_at or 0,
        is_client_refreshed=not rules.sub_refresh_proxy_enabled,
    )


def open_subscription(
    connection: Connection,
    channel: str,
    terms: Terms,
    recovery: Recovery | None = None,
    *,
    is_server_side: bool = False,
) -> SubscribeResult:
    """Make a subscription; from here on its channel's pushes reach the client.

    The caller sends the result before anything else happens, then calls `announce`.

    Raises:
        CommandError: it has expired already (110), or what must be recovered cannot be (112).
    """
    ttl = terms.expire_at - int(time.time()) if terms.expire_at else 0
    if terms.expire_at and ttl <= 0:
        raise CommandError(codes.EXPIRED)
    expires = terms.expire_at > 0 and terms.is_client_refreshed
    position, publications, recovered = _catch_up(connection, channel, terms, recovery)
    subscription = Subscription(
        connection, channel, terms, is_server_side=is_server_side, position=position
    )
    engine = connection.engine
    if earlier := connection.subscriptions.get(channel):
        engine.hub.remove_subscription(earlier)
    connection.subscriptions[channel] = subscription
    engine.hub.add_subscription(subscription)
    if terms.presence:
        engine.presence.add(channel, connection.client_info(channel))
    return SubscribeResult(
        expires=expires,
        ttl=ttl if expires else 0,
        recoverable=terms.recovery,
        epoch=position.epoch,
        publications=publications,
        recovered=recovered,
        # A client that recovers counts on from where it stood, one publication at a time.
        offset=recovery.since.offset if recovered and recovery else position.offset,
        positioned=terms.positioning or terms.recovery,
        data=payload(terms.data),
        was_recovering=recovery is not None,
    )


def announce(connection: Connection, channel: str) -> None:
    """Tell the channel that the client came, if it is to know."""
    subscription = connection.subscriptions.get(channel)
    if subscription is not None and subscription.terms.join_leave:
        connection.engine.hub.broadcast_join(channel, connection.client_info(channel))


def _catch_up(
    connection: Connection, channel: str, terms: Terms, recovery: Recovery | None
) -> tuple[Position, list[Publication], bool]:
    """Return the channel's position, what the client missed, and whether that is all of it."""
    if not (terms.recovery or terms.positioning):
        return Position(), [], False
    engine = connection.engine
    meta_ttl_seconds = engine.publisher.meta_ttl_seconds(engine.rules.options(channel))
    if recovery is None or not terms.recovery:
        return engine.history.position(channel, meta_ttl_seconds), [], False
    try:
        publications, position = engine.history.read(
            channel,
            since=recovery.since,
            limit=engine.client.recovery_max_publication_limit or -1,
            meta_ttl_seconds=meta_ttl_seconds,
        )
    except CommandError:
        if recovery.must_succeed:
            raise
        return engine.history.position(channel, meta_ttl_seconds), [], False
    if publications:
        first, last = publications[0].offset, publications[-1].offset
        recovered = first == recovery.since.offset + 1 and last == position.offset
    else:
        recovered = recovery.since.offset == position.offset
    if not recovered and recovery.must_succeed:
        raise CommandError(codes.UNRECOVERABLE_POSITION)
    return position, publications if recovered else [], recovered
