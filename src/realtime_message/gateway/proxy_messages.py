"""The proxy events as JSON: what is posted to the callback service, and what it may answer.

Requests keep Centrifugo's order of fields and leave empty ones out, `user` excepted. In answers
`null` counts as absent, but for payloads: there it is the value `null`, as in Centrifugo. A field
of another type makes the whole answer unreadable.
"""

from __future__ import annotations

import base64
from typing import Any, Generic, TypeVar

import msgspec

from realtime_message.centrifugo.subscription_options import SubscriptionOptions, decode_payload
from realtime_message.gateway import codes
from realtime_message.gateway.codes import Close, CommandError, ConnectionClose, ErrorBody
from realtime_message.gateway.commands import Uint32
from realtime_message.gateway.replies import NO_PAYLOAD as _NONE
from realtime_message.gateway.replies import is_json

Outcome = TypeVar("Outcome", bound=msgspec.Struct)


class Request(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What every event says of the connection."""

    client: str
    transport: str
    protocol: str
    encoding: str


class ConnectRequest(Request, frozen=True, kw_only=True, omit_defaults=True):
    """A client connects without a token."""

    data: msgspec.Raw = _NONE
    b64data: str = ""
    name: str = ""
    version: str = ""
    channels: list[str] = []


class RefreshRequest(Request, frozen=True, kw_only=True, omit_defaults=True):
    """A connection reached its expiry."""

    user: str
    meta: msgspec.Raw = _NONE


class SubscribeRequest(Request, frozen=True, kw_only=True, omit_defaults=True):
    """A client subscribes without a token."""

    user: str
    channel: str
    meta: msgspec.Raw = _NONE
    data: msgspec.Raw = _NONE
    b64data: str = ""


class PublishRequest(Request, frozen=True, kw_only=True, omit_defaults=True):
    """A client publishes."""

    user: str
    channel: str
    data: msgspec.Raw = _NONE
    b64data: str = ""
    meta: msgspec.Raw = _NONE


class SubRefreshRequest(Request, frozen=True, kw_only=True, omit_defaults=True):
    """A subscription reached its expiry."""

    user: str
    channel: str
    meta: msgspec.Raw = _NONE


class RpcRequest(Request, frozen=True, kw_only=True, omit_defaults=True):
    """A client calls a method."""

    user: str
    method: str = ""
    data: msgspec.Raw = _NONE
    b64data: str = ""
    meta: msgspec.Raw = _NONE


class ConnectOutcome(msgspec.Struct, frozen=True):
    """The `result` of connect."""

    user: str | None = ""
    expire_at: int | None = 0
    info: msgspec.Raw = _NONE
    b64info: str | None = ""
    data: msgspec.Raw = _NONE
    b64data: str | None = ""
    channels: list[str] | None = None
    subs: dict[str, SubscriptionOptions] | None = None
    meta: msgspec.Raw = _NONE


class RefreshOutcome(msgspec.Struct, frozen=True):
    """The `result` of refresh and sub_refresh."""

    expired: bool | None = False
    expire_at: int | None = 0
    info: msgspec.Raw = _NONE
    b64info: str | None = ""
    meta: msgspec.Raw = _NONE


class SubscribeOutcome(SubscriptionOptions, frozen=True):
    """The `result` of subscribe."""

    expire_at: int | None = 0


class PublishOutcome(msgspec.Struct, frozen=True):
    """The `result` of publish."""

    data: msgspec.Raw = _NONE
    b64data: str | None = ""
    skip_history: bool | None = False
    tags: dict[str, str] | None = None
    idempotency_key: str | None = ""
    version: int | None = 0
    version_epoch: str | None = ""


class RpcOutcome(msgspec.Struct, frozen=True):
    """The `result` of rpc."""

    data: msgspec.Raw = _NONE
    b64data: str | None = ""


class GivenError(msgspec.Struct, frozen=True):
    """An error as an answer writes it."""

    code: Uint32 | None = 0
    message: str | None = ""
    temporary: bool | None = False

    @property
    def body(self) -> ErrorBody:
        """The error as the client sees it."""
        return ErrorBody(self.code or 0, self.message or "", temporary=bool(self.temporary))


class GivenClose(msgspec.Struct, frozen=True):
    """How a connection is to end, as an answer or a call of the server API writes it."""

    code: Uint32 | None = 0
    reason: str | None = ""

    @property
    def close(self) -> Close:
        """How the connection ends."""
        return Close(self.code or 0, self.reason or "")


class Answer(msgspec.Struct, Generic[Outcome], frozen=True):
    """The body of every answer; a close wins over an error, an error over a result."""

    error: GivenError | None = None
    disconnect: GivenClose | None = None
    result: Outcome | None = None


def answered_payload(raw: msgspec.Raw, b64: str | None) -> bytes:
    """Return a payload of an answer that goes to a client.

    Raises:
        CommandError: its base64 is broken.
        ConnectionClose: it is no JSON, and clients that speak JSON cannot receive it (3506).
    """
    try:
        data = decode_payload(raw, b64)
    except ValueError:
        raise CommandError(codes.INTERNAL) from None
    if b64 and not is_json(data):
        raise ConnectionClose(codes.CLOSE_INAPPROPRIATE_PROTOCOL)
    return data


def escape_payload(data: bytes) -> msgspec.Raw:
    """Return JSON as Centrifugo's encoder writes it: compact, `<`, `>`, `&` escaped.

    Numbers and other escapes keep their text.
    """
    if not data:
        return _NONE
    compact = msgspec.json.format(data, indent=-1)
    for character, escaped in _ESCAPES:
        # These characters occur in strings only, so they may be replaced wherever they stand.
        compact = compact.replace(character, escaped)
    return msgspec.Raw(compact)


_ESCAPES = (
    (b"<", rb"\u003c"),
    (b">", rb"\u003e"),
    (b"&", rb"\u0026"),
    ("\u2028".encode(), rb"\u2028"),
    ("\u2029".encode(), rb"\u2029"),
)


def payload_fields(data: bytes, *, binary: bool) -> dict[str, Any]:
    """Return a client's payload as the field that the proxy's encoding calls for."""
    if binary:
        return {"b64data": base64.b64encode(data).decode()}
    return {"data": escape_payload(data)}
