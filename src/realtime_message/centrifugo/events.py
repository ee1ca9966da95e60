"""The proxy events: what Centrifugo v6 posts to the callback service.

Field names, and which of them are left out when empty, are Centrifugo's (its proxy protocol's JSON
form). Unknown fields are ignored, so that a newer Centrifugo is understood; so are unknown values
of `transport`, `protocol` and `encoding`.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from enum import StrEnum
from typing import Any, TypeVar

import msgspec

_EMPTY = msgspec.Raw(b"")


class EventKind(StrEnum):
    """The proxy events, named as in the URLs that `rtm centrifugo config` writes."""

    connect = "connect"
    refresh = "refresh"
    subscribe = "subscribe"
    sub_refresh = "sub_refresh"
    publish = "publish"
    rpc = "rpc"


class MalformedEventError(ValueError):
    """A body is not the proxy event that its URL says; the text names the field."""


#: What decoding JSON of unknown origin may raise: broken JSON and wrong types, text that is not
#: UTF-8, and nesting beyond what the decoder takes (about a thousand levels).
UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


def why_unreadable(error: Exception) -> str:
    """Return what is wrong with JSON that raised one of UNREADABLE, for the one who sent it."""
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8"
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return str(error)


class ProxyEvent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What every proxy event carries.

    Attributes:
        client: the id of the client's connection.
        transport: `websocket`, `sse`, `http_stream`, …
        protocol: `json` or `protobuf`: what the client speaks.
        encoding: `json`, or `binary` where the proxy has binary_encoding on.
    """

    client: str
    transport: str = ""
    protocol: str = "json"
    encoding: str = "json"


class WithData(ProxyEvent, frozen=True, kw_only=True, gc=False):
    """A proxy event with data of the client, as JSON or as base64."""

    raw_data: msgspec.Raw = msgspec.field(name="data", default=_EMPTY)
    b64data: str = ""

    @property
    def data_bytes(self) -> bytes:
        """The client's data as bytes; empty when there is none.

        Raises:
            MalformedEventError: `b64data` is not base64.
        """
        if self.b64data:
            try:
                return base64.b64decode(self.b64data, validate=True)
            except ValueError as error:  # binascii.Error, and non-ASCII text
                raise MalformedEventError(f"b64data is not base64: {error}") from None
        return bytes(self.raw_data)

    @property
    def data(self) -> Any:
        """The client's data decoded from JSON, anew at each use; None when there is none.

        Raises:
            MalformedEventError: the data is not JSON.
        """
        data = self.data_bytes
        try:
            return msgspec.json.decode(data) if data else None
        except UNREADABLE as error:
            raise MalformedEventError(f"the data is not JSON: {why_unreadable(error)}") from None


class ConnectEvent(WithData, frozen=True, kw_only=True, gc=False):
    """A client connects without a token of its own.

    Attributes:
        name: the client library's name, if it says one.
        version: the client's version, if it says one.
        channels: the server-side subscriptions that it asks for.
        headers: headers of the client's handshake that the gateway passes on, by their names in
            lower case. No other event has them; put what its hooks need into the reply's `meta`.
    """

    name: str = ""
    version: str = ""
    channels: list[str] = []
    headers: dict[str, str] = {}


class UserEvent(WithData, frozen=True, kw_only=True, gc=False):
    """A proxy event of a client that is connected.

    Attributes:
        user: the user id that Centrifugo authenticated; empty for an anonymous one.
        meta: what the connection token or the connect reply attached to the connection; {} if
            nothing. Clients never see it.
    """

    user: str = ""
    meta: dict[str, Any] = {}


class SubscribeEvent(UserEvent, frozen=True, kw_only=True, gc=False):
    """A client subscribes to a channel without a subscription token."""

    channel: str
    token: str = ""


class PublishEvent(UserEvent, frozen=True, kw_only=True, gc=False):
    """A client publishes to a channel; it need not be subscribed to it."""

    channel: str


class RefreshEvent(UserEvent, frozen=True, kw_only=True, gc=False):
    """A connection reached its expiry."""


class SubRefreshEvent(UserEvent, frozen=True, kw_only=True, gc=False):
    """A subscription reached its expiry."""

    channel: str


class RpcEvent(UserEvent, frozen=True, kw_only=True, gc=False):
    """A client calls a method."""

    method: str = ""


E = TypeVar("E", bound=ProxyEvent)


def event_decoder(kind: type[E]) -> Callable[[bytes], E]:
    """Return a function that decodes the body of one kind of proxy event.

    It raises MalformedEventError for a body that is no such event.
    """
    decode_json = msgspec.json.Decoder(kind).decode

    def decode(body: bytes) -> E:
        try:
            return decode_json(body)
        except UNREADABLE as error:
            raise MalformedEventError(
                f"the body is no {kind.__name__}: {why_unreadable(error)}"
            ) from None

    return decode
