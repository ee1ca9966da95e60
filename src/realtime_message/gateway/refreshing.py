"""Expiry: connections and subscriptions that must be refreshed to go on.

Either the client brings a new token, or the callback service is asked when the time has come. A
failed call gives it another minute, as in Centrifugo.
"""

from __future__ import annotations

import random
import time

from realtime_message.centrifugo.subscription_options import decode_payload
from realtime_message.centrifugo.tokens import InvalidTokenError, TokenExpiredError
from realtime_message.gateway import codes
from realtime_message.gateway.codes import CommandError, ConnectionClose
from realtime_message.gateway.commands import RefreshCommand, SubRefreshCommand
from realtime_message.gateway.connection import Connection
from realtime_message.gateway.permissions import required_channel
from realtime_message.gateway.proxy import EventProxy, ProxyError
from realtime_message.gateway.proxy_messages import (
    RefreshOutcome,
    RefreshRequest,
    SubRefreshRequest,
)
from realtime_message.gateway.replies import Push, Reply, Validity
from realtime_message.gateway.subscription import Subscription
from realtime_message.telemetry.logs import get_logger

log = get_logger("gateway.refreshing")

_GRACE_SECONDS = 60
#: Centrifugo's protection against times that overflow.
MAX_TTL_SECONDS = 365 * 24 * 3600


def capped(expire_at: int) -> int:
    """Return an expiry that is not absurdly far away; 0 and less is never."""
    return max(min(expire_at, int(time.time()) + MAX_TTL_SECONDS), 0)


def schedule_expiry(connection: Connection) -> None:
    """See to it that the connection ends, or is refreshed, when its time has come."""
    if connection.expire_at:
        delay_seconds: float = connection.expire_at - int(time.time())
        if connection.is_client_refreshed:
            delay_seconds += connection.engine.client.expired_close_delay_seconds
        connection.set_timer("expiry", delay_seconds, lambda: _expire(connection))


def check_periodically(connection: Connection, *, is_first: bool) -> None:
    """Look after presence and expired subscriptions from time to time.

    The first time comes after a random part of the interval, which spreads the work.
    """
    delay_seconds: float = connection.engine.client.presence_update_interval_seconds
    if is_first:
        delay_seconds *= 0.5 + random.random() / 2  # noqa: S311 - spreads load, no secret
    connection.set_timer("check", delay_seconds, lambda: _check(connection))


def refresh_by_server(
    connection: Connection, *, expired: bool, expire_at: int, info: bytes
) -> None:
    """Give a connection another expiry, or end it: the server API's `refresh`."""
    now = int(time.time())
    if expired or 0 < expire_at <= now:
        connection.close(codes.CLOSE_EXPIRED)
        return
    connection.expire_at = capped(expire_at)
    if connection.expire_at:
        connection.info = info or connection.info
        delay_seconds: float = connection.expire_at - now
        delay_seconds += connection.engine.client.expired_close_delay_seconds
        connection.set_timer("expiry", delay_seconds, lambda: _expire(connection))
    connection.push(Push(refresh=_validity(connection.expire_at)))


async def handle_refresh(connection: Connection, command: RefreshCommand, id_: int) -> None:
    """Take a new connection token."""
    if not command.token or not connection.is_client_refreshed:
        raise ConnectionClose(codes.CLOSE_BAD_REQUEST)
    engine = connection.engine
    try:
        verified = await engine.tokens.verify_connection(command.token)
    except TokenExpiredError:
        raise ConnectionClose(codes.CLOSE_EXPIRED) from None
    except InvalidTokenError:
        raise ConnectionClose(codes.CLOSE_INVALID_TOKEN) from None
    for channel in verified.subs:
        engine.rules.options(channel)
    if verified.user != connection.user:
        raise ConnectionClose(codes.CLOSE_INVALID_TOKEN)
    connection.meta = verified.meta or connection.meta
    current = {name for name, one in connection.subscriptions.items() if one.terms.is_from_token}
    if (
        not verified.subs.keys() <= connection.subscriptions.keys()
        or current - verified.subs.keys()
    ):
        # Other server-side subscriptions than before: the client has to connect anew for them.
        raise ConnectionClose(codes.CLOSE_INSUFFICIENT_STATE)
    expire_at = capped(verified.expire_at)
    if expire_at:
        if expire_at <= int(time.time()):
            raise CommandError(codes.EXPIRED)
        connection.expire_at = expire_at
        connection.info = verified.info or connection.info
        schedule_expiry(connection)
    connection.reply(Reply(id=id_, refresh=_validity(expire_at)))


async def handle_sub_refresh(connection: Connection, command: SubRefreshCommand, id_: int) -> None:
    """Take a new subscription token.

    An expired token is answered with success and ends the subscription's expiry, because
    Centrifugo v6 does so.
    """
    channel = required_channel(command.channel)
    subscription = connection.subscriptions.get(channel)
    if subscription is None:
        raise CommandError(codes.PERMISSION_DENIED)
    if not subscription.terms.is_client_refreshed:
        raise ConnectionClose(codes.CLOSE_BAD_REQUEST)
    if not command.token:
        raise CommandError(codes.BAD_REQUEST)
    expire_at, info = 0, b""
    try:
        verified = await connection.engine.subscription_tokens.verify_subscription(command.token)
    except TokenExpiredError:
        pass
    except InvalidTokenError:
        raise ConnectionClose(codes.CLOSE_INVALID_TOKEN) from None
    else:
        connection.engine.rules.options(verified.channel)
        if (
            verified.channel != channel
            or verified.user != connection.user
            or verified.client not in ("", connection.id)
        ):
            raise ConnectionClose(codes.CLOSE_INVALID_TOKEN)
        expire_at, info = capped(verified.expire_at), verified.info
        if 0 < expire_at < int(time.time()):
            raise CommandError(codes.EXPIRED)
    subscription.expire_at = expire_at
    subscription.info = info
    connection.reply(Reply(id=id_, sub_refresh=_validity(expire_at)))


def _validity(expire_at: int) -> Validity:
    return Validity(expires=True, ttl=expire_at - int(time.time())) if expire_at else Validity()


def _expire(connection: Connection) -> None:
    proxy = connection.engine.proxies.refresh
    if proxy is not None and not connection.is_client_refreshed:
        connection.engine.spawn(_ask_to_refresh(connection, proxy))
    else:
        _end_if_expired(connection)


def _end_if_expired(connection: Connection) -> None:
    if not connection.expire_at:
        return
    if connection.expire_at <= int(time.time()):
        connection.close(codes.CLOSE_EXPIRED)
    else:
        schedule_expiry(connection)


async def _ask_to_refresh(connection: Connection, proxy: EventProxy) -> None:
    request = RefreshRequest(**connection.event_fields(proxy))
    try:
        answer = await proxy.ask(request, RefreshOutcome, connection.headers)
    except ProxyError:
        connection.expire_at = int(time.time()) + _GRACE_SECONDS
        schedule_expiry(connection)
        return
    # An error or a disconnect is ignored here, and so is the absence of a result not forgiven.
    outcome = answer.result if answer else None
    if outcome is None or outcome.expired:
        connection.close(codes.CLOSE_EXPIRED)
        return
    try:
        info = decode_payload(outcome.info, outcome.b64info)
    except ValueError:
        connection.close(codes.CLOSE_INTERNAL)
        return
    connection.meta = bytes(outcome.meta) or connection.meta
    if outcome.expire_at:
        connection.expire_at = capped(outcome.expire_at)
        connection.info = info or connection.info
    _end_if_expired(connection)


def _check(connection: Connection) -> None:
    engine = connection.engine
    now = int(time.time())
    for channel, subscription in list(connection.subscriptions.items()):
        if subscription.terms.presence:
            engine.presence.add(channel, connection.client_info(channel))
        delay_seconds = engine.client.expired_sub_close_delay_seconds
        if subscription.expire_at and now > subscription.expire_at + delay_seconds:
            _expire_subscription(connection, subscription)
    check_periodically(connection, is_first=False)


def _expire_subscription(connection: Connection, subscription: Subscription) -> None:
    engine = connection.engine
    rules = engine.rules.options(subscription.channel)
    if subscription.terms.is_client_refreshed or not rules.sub_refresh_proxy_enabled:
        subscription.end_expired()
        return
    proxy = engine.proxies.named("sub_refresh", rules.sub_refresh_proxy_name)
    engine.spawn(_ask_to_refresh_subscription(connection, subscription, proxy))


async def _ask_to_refresh_subscription(
    connection: Connection, subscription: Subscription, proxy: EventProxy
) -> None:
    now = int(time.time())
    request = SubRefreshRequest(channel=subscription.channel, **connection.event_fields(proxy))
    try:
        answer = await proxy.ask(request, RefreshOutcome, connection.headers)
    except ProxyError:
        subscription.expire_at = now + _GRACE_SECONDS
        return
    if connection.subscriptions.get(subscription.channel) is not subscription:
        return
    outcome = answer.result if answer else None
    expire_at = capped(outcome.expire_at or 0) if outcome else 0
    if outcome is None or outcome.expired or 0 < expire_at < now:
        subscription.end_expired()
        return
    try:
        info = decode_payload(outcome.info, outcome.b64info)
    except ValueError:
        subscription.end_expired()
        return
    subscription.expire_at = expire_at
    subscription.info = info or subscription.info
