"""The proxy events: what Centrifugo v6 posts to the callback service.

Field names, and which of them are left out when empty, are Centrifugo's (its proxy protocol's JSON
form). Unknown fields are ignored, so that a newer Centrifugo is understood.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

import msgspec

_EMPTY = msgspec.Raw(b"")


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
            ValueError: `b64data` is not base64.
        """
        if self.b64data:
            try:
                return base64.b64decode(self.b64data, validate=True)
            except binascii.Error as error:
                raise ValueError(f"b64data is not base64: {error}") from None
        return bytes(self.raw_data)

    @property
    def data(self) -> Any:
        """The client's data decoded from JSON; None when there is none.

        Raises:
            ValueError: the data is not JSON.
        """
        data = self.data_bytes
        return msgspec.json.decode(data) if data else None


class ConnectEvent(WithData, frozen=True, kw_only=True, gc=False):
    """A client connects without a token of its own.

    Attributes:
        name: the client library's name, if it says one.
        version: the client's version, if it says one.
        channels: the server-side subscriptions that it asks for.
    """

    name: str = ""
    version: str = ""
    channels: list[str] = []


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
