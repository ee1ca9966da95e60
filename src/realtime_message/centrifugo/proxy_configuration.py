"""The options of a Centrifugo v6 configuration that say how a proxy event reaches the callback."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from realtime_message.centrifugo.durations import Seconds

Count = Annotated[int, Meta(ge=0)]
Name = Annotated[str, Meta(pattern=r"^[-a-zA-Z0-9_.]{2,}$")]


def _option_name(field_name: str) -> str:
    return field_name.removesuffix("_seconds")


class Section(msgspec.Struct, frozen=True, kw_only=True, rename=_option_name):
    """An object in the configuration file."""


class ErrorTransform(Section, frozen=True):
    """The error that a client sees in place of an HTTP status of the callback."""

    code: Count = 0
    message: str = ""
    temporary: bool = False


class DisconnectTransform(Section, frozen=True):
    """The close of the connection in place of an HTTP status of the callback."""

    code: Count = 0
    reason: str = ""


class StatusTransform(Section, frozen=True):
    """What a status other than 200 means; exactly one of the two targets is set."""

    status_code: int
    to_error: ErrorTransform = ErrorTransform()
    to_disconnect: DisconnectTransform = DisconnectTransform()


class ProxyTls(Section, frozen=True):
    """How the callback service is known over HTTPS.

    `server_ca_pem` is a PEM, the same in base64, or the path of a file with it.
    """

    enabled: bool = False
    server_ca_pem: str = ""
    server_name: str = ""


class ProxyHttp(Section, frozen=True):
    """The HTTP side of a proxy."""

    tls: ProxyTls = ProxyTls()
    static_headers: dict[str, str] = {}
    status_to_code_transforms: list[StatusTransform] = []


class Proxy(Section, frozen=True):
    """How one proxy event reaches the callback."""

    endpoint: str = ""
    timeout_seconds: Seconds = Seconds(1)
    http_headers: list[str] = []
    emulated_headers: list[str] = []
    binary_encoding: bool = False
    include_connection_meta: bool = False
    http: ProxyHttp = ProxyHttp()


class SwitchedProxy(Proxy, frozen=True):
    """A proxy that has its own switch: connect and refresh."""

    enabled: bool = False


class NamedProxy(Proxy, frozen=True, kw_only=True):
    """A proxy that namespaces choose by name."""

    name: Name
