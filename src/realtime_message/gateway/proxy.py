"""Calls to the callback service, with Centrifugo's meaning of every outcome.

Only a 200 with a readable body is an answer: `{"disconnect": …}` ends the connection,
`{"error": …}` is the client's error, anything else permits, `{}` and `null` included. Every other
outcome (refused, closed, late, another status, unreadable) is a failure; it is never tried again.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from realtime_message.centrifugo.gateway_configuration import GatewayConfiguration
from realtime_message.centrifugo.proxy_configuration import Proxy, ProxyTls
from realtime_message.errors import ConfigurationError
from realtime_message.gateway import codes
from realtime_message.gateway.codes import CommandError, ConnectionClose
from realtime_message.gateway.http_client import HttpAnswer, HttpClient, HttpError
from realtime_message.gateway.proxy_messages import (
    Answer,
    ConnectOutcome,
    GivenClose,
    GivenError,
    Outcome,
    PublishOutcome,
    RefreshOutcome,
    Request,
    RpcOutcome,
    SubscribeOutcome,
)
from realtime_message.telemetry.logs import get_logger

log = get_logger("gateway.proxy")

_HTTP_OK = 200
_UNSENDABLE = ("\r", "\n", "\0")

_encoder = msgspec.json.Encoder()
_decoders: dict[type, msgspec.json.Decoder[Any]] = {
    outcome: msgspec.json.Decoder(Answer[outcome] | None)  # type: ignore[valid-type]
    for outcome in (ConnectOutcome, RefreshOutcome, SubscribeOutcome, PublishOutcome, RpcOutcome)
}


class ProxyError(CommandError):
    """The callback service gave no answer; the client sees a temporary internal error."""

    def __init__(self, reason: str) -> None:
        super().__init__(codes.INTERNAL)
        self.reason = reason


class ClientHeaders(msgspec.Struct, frozen=True):
    """The headers of a client that a proxy may forward.

    Attributes:
        handshake: of its HTTP request; names in lower case, values in the order received.
        emulated: from its connect command, where the client may write anything.
    """

    handshake: Mapping[str, list[str]]
    emulated: Mapping[str, str] = {}


class EventProxy:
    """One configured proxy.

    Args:
        event: the proxy event, for the log.
        options: the proxy's configuration.

    Raises:
        ConfigurationError: the certificates that it names cannot be read, or are none.
    """

    def __init__(self, event: str, options: Proxy) -> None:
        self._event = event
        self._options = options
        self._http = _http_client(event, options)
        self.is_binary = options.binary_encoding
        self.includes_meta = options.include_connection_meta

    @property
    def encoding(self) -> str:
        """What the `encoding` field of a request says."""
        return "binary" if self.is_binary else "json"

    async def call(
        self, request: Request, outcome: type[Outcome], headers: ClientHeaders
    ) -> Outcome | None:
        """Post an event and return the answer's `result`; None when it has none.

        Raises:
            ProxyError: there is no answer.
            CommandError: the callback answered with an error.
            ConnectionClose: the callback ends the connection.
        """
        answer = await self.ask(request, outcome, headers)
        if answer is None:
            return None
        if answer.disconnect is not None:
            raise ConnectionClose(answer.disconnect.close)
        if answer.error is not None:
            raise CommandError(answer.error.body)
        return answer.result

    async def ask(
        self, request: Request, outcome: type[Outcome], headers: ClientHeaders
    ) -> Answer[Outcome] | None:
        """Post an event and return the whole answer; None when it is `null`.

        Raises:
            ProxyError: there is no answer.
        """
        try:
            return await self._post(request, outcome, headers)
        except ProxyError as failure:
            # Not a traceback: the reason is the whole story.
            log.error(  # noqa: TRY400
                "proxy_call.failed",
                proxy_event=self._event,
                client=request.client,
                reason=failure.reason,
            )
            raise

    def close(self) -> None:
        """Close the connections that are idle."""
        self._http.close()

    async def _post(
        self, request: Request, outcome: type[Outcome], headers: ClientHeaders
    ) -> Answer[Outcome] | None:
        try:
            answer = await self._http.post(self._headers(headers), _encoder.encode(request))
        except HttpError as error:
            raise ProxyError(str(error)) from None
        if answer.status != _HTTP_OK:
            return self._transformed(answer)
        try:
            decoded: Answer[Outcome] | None = _decoders[outcome].decode(answer.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ProxyError(f"unreadable answer: {error}") from None
        return decoded

    def _transformed(self, answer: HttpAnswer) -> Answer[Any]:
        for transform in self._options.http.status_to_code_transforms:
            if transform.status_code == answer.status:
                error, close = transform.to_error, transform.to_disconnect
                if error.code:
                    given = GivenError(error.code, error.message, error.temporary)
                    return Answer(error=given)
                return Answer(disconnect=GivenClose(close.code, close.reason))
        raise ProxyError(f"status {answer.status}")

    def _headers(self, client: ClientHeaders) -> dict[str, str]:
        """Return the request's headers.

        The client's handshake wins over what it emulated, and both over the configured ones,
        wherever the configuration lets that header through.
        """
        http = {name.lower() for name in self._options.http_headers}
        emulated = {name.lower() for name in self._options.emulated_headers}
        headers = {name.title(): value for name, value in self._options.http.static_headers.items()}
        for name, value in client.emulated.items():
            if name.lower() in emulated:
                headers[name.title()] = value.encode().decode("latin-1")
        for name, values in client.handshake.items():
            if name in http:
                headers[name.title()] = ", ".join(values)
        headers.setdefault("User-Agent", "realtime-message-gateway")
        headers["Content-Type"] = "application/json"
        if any(mark in value for value in headers.values() for mark in _UNSENDABLE):
            raise ProxyError("a header of the client holds a line break")
        return headers


def _http_client(event: str, options: Proxy) -> HttpClient:
    tls = options.http.tls if options.http.tls.enabled else ProxyTls()
    try:
        return HttpClient(
            options.endpoint,
            options.timeout_seconds,
            authorities=_read_pem(tls.server_ca_pem),
            server_name=tls.server_name,
        )
    except ValueError as error:
        raise ConfigurationError(f"http.tls.server_ca_pem of the {event} proxy: {error}") from None


def _read_pem(source: str) -> str:
    """Return a PEM that is given as text, in base64, or as the path of a file.

    Raises:
        ValueError: it is the path of nothing that can be read.
    """
    if "-----BEGIN" in source or not source:
        return source
    try:
        return base64.b64decode(source, validate=True).decode("ascii")
    except ValueError:  # a path
        pass
    try:
        return Path(source).read_text("ascii")
    except OSError as error:
        raise ValueError(f"{source} cannot be read ({error.strerror})") from None


class Proxies:
    """All proxies of a configuration.

    Args:
        configuration: the gateway's configuration.
    """

    def __init__(self, configuration: GatewayConfiguration) -> None:
        client, channel = configuration.client, configuration.channel
        self.connect = self._switched("connect", client.proxy.connect)
        self.refresh = self._switched("refresh", client.proxy.refresh)
        self._named: dict[tuple[str, str], EventProxy] = {}
        for event, default in (
            ("subscribe", channel.proxy.subscribe),
            ("publish", channel.proxy.publish),
            ("sub_refresh", channel.proxy.sub_refresh),
            ("rpc", configuration.rpc.proxy),
        ):
            if default.endpoint:
                self._named[event, "default"] = EventProxy(event, default)
            for proxy in configuration.proxies:
                self._named[event, proxy.name] = EventProxy(event, proxy)

    def named(self, event: str, name: str) -> EventProxy:
        """Return the proxy that a namespace chose for an event; the configuration was checked."""
        return self._named[event, name]

    def close(self) -> None:
        """Close the connections that are idle."""
        for proxy in (self.connect, self.refresh, *self._named.values()):
            if proxy is not None:
                proxy.close()

    @staticmethod
    def _switched(event: str, proxy: Proxy) -> EventProxy | None:
        return EventProxy(event, proxy) if getattr(proxy, "enabled", False) else None
