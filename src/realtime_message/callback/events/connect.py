"""Who a client is: the hook says it, else the token in the client's data, else it is anonymous.

Nothing else that the client sends is believed. A client whose token goes into the connect command
itself never comes here: Centrifugo verifies that one alone.
"""

from __future__ import annotations

from typing import Any

import msgspec

from realtime_message.callback.bound_hooks import BoundHook
from realtime_message.callback.exchange import Exchange
from realtime_message.callback.hooks import HookRunner
from realtime_message.centrifugo.events import (
    UNREADABLE,
    ConnectEvent,
    MalformedEventError,
    event_decoder,
    why_unreadable,
)
from realtime_message.centrifugo.replies import (
    Code,
    ConnectReply,
    Override,
    SubscriptionOptions,
    encode_result,
)
from realtime_message.centrifugo.subscription_options import SubscriptionOptions as TokenOptions
from realtime_message.centrifugo.subscription_options import decode_payload
from realtime_message.centrifugo.tokens import (
    ConnectionToken,
    InvalidTokenError,
    KeysUnavailableError,
    TokenExpiredError,
)
from realtime_message.errors import Refuse
from realtime_message.key_sets import connection_verifier
from realtime_message.settings import Settings
from realtime_message.telemetry.callback_metrics import Outcome
from realtime_message.telemetry.logs import get_logger

_log = get_logger("callback.connect")
_decode = event_decoder(ConnectEvent)


class _TokenData(msgspec.Struct, frozen=True):
    """The one field of the client's data that counts."""

    token: str | None = None


_decode_token = msgspec.json.Decoder(_TokenData).decode
_decode_object = msgspec.json.Decoder(dict[str, Any]).decode


class ConnectHandler:
    """The event handler of connect.

    Raises:
        ConfigurationError: a key of tokens is none, or the library for it is missing.
    """

    def __init__(self, settings: Settings, hook: BoundHook | None, runner: HookRunner) -> None:
        self._hook = hook
        self._runner = runner
        self._allow_anonymous = settings.callback.allow_anonymous
        self._verifier = connection_verifier(settings)

    def handle(self, body: bytes, exchange: Exchange) -> None:
        """Answer one connect event."""
        try:
            event = _decode(body)
        except MalformedEventError as error:
            exchange.refuse(Code.INVALID_PAYLOAD, str(error))
            return

        def go_on(reply: ConnectReply | None) -> None:
            if reply is None:
                exchange.run(self._answer_by_token(event, exchange))
            else:
                exchange.answer(Outcome.accepted, encode_result(reply))

        if self._hook is None:
            go_on(None)
        else:
            # The headers are the handshake's, never what the body may say of them.
            event = msgspec.structs.replace(event, headers=dict(exchange.headers))
            self._runner.run(exchange, self._hook, event, ConnectReply, go_on)

    async def _answer_by_token(self, event: ConnectEvent, exchange: Exchange) -> None:
        try:
            reply = await self._identify(event)
        except KeysUnavailableError as error:
            _log.warning("token.not_verified", client=event.client, reason=str(error))
            exchange.fail(Code.UNAVAILABLE, "the token cannot be verified now; try again")
        except Refuse as refusal:
            exchange.obey(refusal)
        else:
            exchange.answer(Outcome.accepted, encode_result(reply))

    async def _identify(self, event: ConnectEvent) -> ConnectReply:
        try:
            token = _token(event)
            if token:
                return _reply(await self._verifier.verify_connection(token))
        except KeysUnavailableError:
            raise
        except (TokenExpiredError, InvalidTokenError) as error:
            raise Refuse(Code.UNAUTHENTICATED, f"data.token: {error}") from None
        except MalformedEventError as error:
            raise Refuse(Code.INVALID_PAYLOAD, str(error)) from None
        if self._allow_anonymous:
            return ConnectReply()
        raise Refuse(
            Code.UNAUTHENTICATED,
            "no token: give the client one (its `token` option, or `token` in its connect data)",
        )


def _token(event: ConnectEvent) -> str:
    """Return the token in the client's data; empty when there is none.

    Raises:
        InvalidTokenError: it is no string.
        MalformedEventError: the data is not JSON.
    """
    data = event.data_bytes
    if not data.lstrip().startswith(b"{"):
        return ""
    try:
        return _decode_token(data).token or ""
    except msgspec.ValidationError:
        raise InvalidTokenError("the token must be a string") from None
    except UNREADABLE as error:
        raise MalformedEventError(f"the data is not JSON: {why_unreadable(error)}") from None


def _reply(token: ConnectionToken) -> ConnectReply:
    """Return what a token says, as a connect reply.

    Raises:
        InvalidTokenError: its `meta` is not an object. Every later event of the client would
            carry it, and be refused.
    """
    try:
        meta = _decode_object(token.meta) if _says_something(token.meta) else {}
    except UNREADABLE:
        raise InvalidTokenError("the meta claim must be an object") from None
    return ConnectReply(
        user=token.user,
        expire_at=token.expire_at,
        info=_raw(token.info),
        subs={channel: _subscription(options) for channel, options in token.subs.items()},
        meta=meta,
    )


def _subscription(options: TokenOptions) -> SubscriptionOptions:
    switches = options.override
    return SubscriptionOptions(
        info=_raw(decode_payload(options.info, options.b64info)),
        data=_raw(decode_payload(options.data, options.b64data)),
        override=None
        if switches is None
        else Override(
            **{
                name: switch.value
                for name in switches.__struct_fields__
                if (switch := getattr(switches, name)) is not None
            }
        ),
    )


def _says_something(value: bytes) -> bool:
    return value not in {b"", b"null"}


def _raw(value: bytes) -> Any:
    # An invented null would reach other clients as null.
    return msgspec.Raw(value) if _says_something(value) else msgspec.UNSET
