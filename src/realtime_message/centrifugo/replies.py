"""What the callback service may answer, and the codes that a client can see.

Centrifugo takes a 200 without `error` and `disconnect` as permission, even `{}`: a reply is
therefore always built here, never left to a default. A `null` in `data`, `info` or `meta` would be
broadcast as `null`, so empty fields are left out.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import msgspec

from realtime_message.errors import Disconnect, Refuse

#: The media type of every reply.
JSON = "application/json"


class Code(IntEnum):
    """The error codes that a client can see, all in Centrifugo's custom range 400-1999.

    Temporary ones may be tried again unchanged; the others need another request.
    """

    INVALID_PAYLOAD = 400
    UNAUTHENTICATED = 401
    FORBIDDEN = 403
    UNKNOWN_METHOD = 404
    PAYLOAD_TOO_LARGE = 413
    INVALID_CHANNEL = 414
    RATE_LIMITED = 429
    INTERNAL_ERROR = 500
    UNAVAILABLE = 503
    TIMED_OUT = 504
    BACKLOG_FULL = 507

    @property
    def is_temporary(self) -> bool:
        """Whether the same request may succeed later."""
        return self in _TEMPORARY


_TEMPORARY = frozenset(
    {Code.RATE_LIMITED, Code.INTERNAL_ERROR, Code.UNAVAILABLE, Code.TIMED_OUT, Code.BACKLOG_FULL}
)


class Override(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Options of one subscription that differ from its namespace's; None leaves them."""

    presence: bool | None = None
    join_leave: bool | None = None
    force_recovery: bool | None = None
    force_positioning: bool | None = None
    force_push_join_leave: bool | None = None


class SubscriptionOptions(msgspec.Struct, frozen=True, kw_only=True):
    """A server-side subscription in a connect reply; arguments as in SubscribeReply."""

    info: Any = msgspec.UNSET
    data: Any = msgspec.UNSET
    override: Override | None = None


class ConnectReply(msgspec.Struct, frozen=True, kw_only=True):
    """Let a client connect.

    Attributes:
        user: the user id; empty for an anonymous user.
        expire_at: Unix time in whole seconds at which the connection must be refreshed; 0 never.
        info: shown to others in presence, join and leave.
        data: sent to this client in the connect reply.
        channels: server-side subscriptions.
        subs: server-side subscriptions with options.
        meta: attached to the connection, sent with every later event, never shown to clients.
            `meta["name"]` becomes the user name of its messages.
    """

    user: str = ""
    expire_at: int = 0
    info: Any = msgspec.UNSET
    data: Any = msgspec.UNSET
    channels: list[str] = []
    subs: dict[str, SubscriptionOptions] = {}
    meta: dict[str, Any] = {}


class SubscribeReply(msgspec.Struct, frozen=True, kw_only=True):
    """Let a client subscribe.

    Attributes:
        expire_at: Unix time in whole seconds at which the subscription must be refreshed; 0 never.
        info: shown to others in this channel's presence, join and leave.
        data: sent to this client in the subscribe reply.
        override: options of this subscription that differ from the namespace's.
    """

    expire_at: int = 0
    info: Any = msgspec.UNSET
    data: Any = msgspec.UNSET
    override: Override | None = None


class RefreshReply(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of a connection that reached its expiry.

    Attributes:
        expire_at: Unix time in whole seconds at which it must be refreshed again; 0 never.
        expired: end it. The client connects again, with a new token if it can get one.
        info: replaces what others are shown in presence, join and leave.
        meta: replaces what is attached to the connection.
    """

    expire_at: int = 0
    expired: bool = False
    info: Any = msgspec.UNSET
    meta: dict[str, Any] | None = None


class SubRefreshReply(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of a subscription that reached its expiry.

    Attributes:
        expire_at: Unix time in whole seconds at which it must be refreshed again; 0 never.
        expired: end it. The client subscribes again.
        info: replaces what others in the channel are shown.
    """

    expire_at: int = 0
    expired: bool = False
    info: Any = msgspec.UNSET


class RpcReply(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a client's call.

    Attributes:
        data: any JSON value; unset answers with nothing.
    """

    data: Any = msgspec.UNSET


class PublishReply(msgspec.Struct, frozen=True, kw_only=True):
    """Let a publication through, perhaps changed.

    Attributes:
        data: what is stored and broadcast in place of the client's data; unset keeps it.
        skip_history: keep it out of Centrifugo's channel history.
        tags: shown to subscribers beside the data (Centrifugo 6.8.0 and later).
    """

    data: Any = msgspec.UNSET
    skip_history: bool = False
    tags: dict[str, str] = {}


_encode = msgspec.json.Encoder().encode


def encode_error(code: int, message: str, *, temporary: bool) -> bytes:
    """Return the body of a reply that refuses, with Centrifugo's three fields."""
    error: dict[str, Any] = {"code": int(code), "message": message}
    if temporary:
        error["temporary"] = True
    return _encode({"error": error})


def encode_code(code: Code, message: str) -> bytes:
    """Return the body of a reply that refuses with one of our codes."""
    return encode_error(code, message, temporary=code.is_temporary)


def encode_signal(signal: Refuse | Disconnect) -> bytes:
    """Return the body of the reply that a hook's signal asks for."""
    if isinstance(signal, Disconnect):
        return _encode({"disconnect": {"code": signal.code, "reason": signal.reason}})
    return encode_error(signal.code, signal.message, temporary=signal.temporary)


Reply = ConnectReply | RefreshReply | SubscribeReply | SubRefreshReply | PublishReply | RpcReply

#: Ends a connection or a subscription. Centrifugo obeys neither an error nor a disconnect in the
#: answer to a refresh; without a result it takes it as expired, too, so this is only plainer.
EXPIRED = b'{"result":{"expired":true}}'


def encode_result(reply: Reply) -> bytes:
    """Return the body of a reply that permits; fields at their defaults are left out.

    Raises:
        TypeError: a field has another type than it says, which Centrifugo would not understand.
    """
    return _encode({"result": filled_fields(reply)})


def encode_publish_result(
    reply: PublishReply, data: Any = msgspec.UNSET, *, idempotency_key: str = ""
) -> bytes:
    """Return the body of a reply that lets a publication through.

    Args:
        reply: what the hook returned, or its default.
        data: what is broadcast; unset leaves it to the reply, or to the client's own data.
        idempotency_key: Centrifugo 6.8.0 and later broadcast what has the same key once.

    Raises:
        TypeError: a field of the reply has another type than it says.
    """
    fields = {} if reply is PERMIT_PUBLISH else filled_fields(reply)
    if data is not msgspec.UNSET:
        fields["data"] = data
    if idempotency_key:
        fields["idempotency_key"] = idempotency_key
    return _encode({"result": fields})


#: A publish reply that says nothing but yes.
PERMIT_PUBLISH = PublishReply()


def filled_fields(reply: msgspec.Struct) -> dict[str, Any]:
    """Return the fields of a reply that say something, in Centrifugo's form.

    Raises:
        TypeError: a field has another type than it says.
    """
    fields = msgspec.structs.fields(reply)
    said = {
        field.name: value
        for field in fields
        if (value := getattr(reply, field.name)) is not msgspec.UNSET and value is not None
    }
    # One field of a wrong type (a user id that is a number, a time with a fraction) makes
    # Centrifugo throw the whole reply away, and only its log would say why.
    try:
        checked = msgspec.convert(said, type(reply))
    except msgspec.ValidationError as error:
        raise TypeError(f"{type(reply).__name__}: {error}") from None
    return {
        field.name: _wire_form(value)
        for field in fields
        # A user id is stated even when empty: "anonymous" is an answer, its absence is none.
        if field.name in said
        and ((value := getattr(checked, field.name)) != _default(field) or field.name == "user")
    }


def _default(field: msgspec.structs.FieldInfo) -> Any:
    return field.default_factory() if callable(field.default_factory) else field.default


def _wire_form(value: Any) -> Any:
    if isinstance(value, Override):
        return {name: {"value": on} for name, on in filled_fields(value).items()}
    if isinstance(value, SubscriptionOptions):
        return filled_fields(value)
    if isinstance(value, dict) and any(isinstance(v, SubscriptionOptions) for v in value.values()):
        return {channel: _wire_form(options) for channel, options in value.items()}
    return value
