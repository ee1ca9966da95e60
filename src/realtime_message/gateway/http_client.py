"""HTTP/1.1 POST requests to the callback service, over connections that are kept alive.

Written on httptools because a general client costs more than the rest of a publication together.
The rules are those of Centrifugo's client: a pool per proxy without an upper bound, one deadline
for the whole exchange, no retry, redirects followed (301, 302 and 303 as a GET without a body, 307
and 308 as the same POST), here only on the same server.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from typing import cast
from urllib.parse import SplitResult, urljoin, urlsplit

import httptools

_MAX_REDIRECTS = 9
_BECOMES_GET = frozenset({301, 302, 303})
_STAYS_POST = frozenset({307, 308})


class HttpError(Exception):
    """No answer: refused, closed, cut short, malformed, or too late. The text says which."""


class HttpAnswer:
    """An answer: its status, its body and where a redirect leads."""

    __slots__ = ("body", "location", "status")

    def __init__(self) -> None:
        self.status = 0
        self.body = b""
        self.location = ""


class HttpClient:
    """Posts to one endpoint.

    Args:
        endpoint: an http:// or https:// URL.
        timeout_seconds: for a whole exchange, from connecting to the last byte.
        authorities: the certificates (PEM) by which the server is known; empty: the machine's.
        server_name: the name that the server's certificate has; empty: the URL's host.

    Raises:
        ValueError: the authorities are no certificates.
    """

    def __init__(
        self,
        endpoint: str,
        timeout_seconds: float,
        *,
        authorities: str = "",
        server_name: str = "",
    ) -> None:
        self._timeout_seconds = timeout_seconds
        self._url = urlsplit(endpoint)
        self._ssl = _tls_context(authorities) if self._url.scheme == "https" else None
        self._server_name = (server_name or self._url.hostname) if self._ssl else None
        self._idle: list[_Exchange] = []

    async def post(self, headers: Mapping[str, str], body: bytes) -> HttpAnswer:
        """Post a JSON body and return the answer, whatever its status.

        Raises:
            HttpError: there was no complete answer in time.
        """
        try:
            async with asyncio.timeout(self._timeout_seconds):
                return await self._follow(headers, body)
        except TimeoutError:
            raise HttpError(f"no answer within {self._timeout_seconds} s") from None
        except OSError as error:
            raise HttpError(str(error) or type(error).__name__) from None

    def close(self) -> None:
        """Close the connections that are idle."""
        for exchange in self._idle:
            exchange.abort()
        self._idle.clear()

    async def _follow(self, headers: Mapping[str, str], body: bytes) -> HttpAnswer:
        url, method, content = self._url, "POST", body
        for _ in range(_MAX_REDIRECTS + 1):
            answer = await self._exchange(_request(method, url, headers, content))
            if not answer.location or answer.status not in _BECOMES_GET | _STAYS_POST:
                return answer
            url = urlsplit(urljoin(url.geturl(), answer.location))
            if (url.scheme, url.netloc) != (self._url.scheme, self._url.netloc):
                raise HttpError(f"redirected to another server: {answer.location}")
            if answer.status in _BECOMES_GET:
                method, content = "GET", b""
        raise HttpError("redirected too often")

    async def _exchange(self, request: bytes) -> HttpAnswer:
        exchange = self._take_idle() or await self._connect()
        try:
            answer = await exchange.send(request)
        except BaseException:
            exchange.abort()
            raise
        if exchange.is_reusable:
            self._idle.append(exchange)
        return answer

    def _take_idle(self) -> _Exchange | None:
        while self._idle:
            exchange = self._idle.pop()
            if exchange.is_open:
                return exchange
        return None

    async def _connect(self) -> _Exchange:
        loop = asyncio.get_running_loop()
        port = self._url.port or (443 if self._ssl else 80)
        _, exchange = await loop.create_connection(
            lambda: _Exchange(self._idle),
            self._url.hostname or "",
            port,
            ssl=self._ssl,
            server_hostname=self._server_name,
        )
        return exchange


def _tls_context(authorities: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cadata=authorities or None)
    except ssl.SSLError as error:
        raise ValueError(f"these are no certificates ({error.reason})") from None


def _request(method: str, url: SplitResult, headers: Mapping[str, str], body: bytes) -> bytes:
    target = (url.path or "/") + (f"?{url.query}" if url.query else "")
    lines = [f"{method} {target} HTTP/1.1", f"Host: {url.netloc.rpartition('@')[2]}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if method == "POST":
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace") + body


class _Exchange(asyncio.Protocol):
    """One connection, with one request at a time."""

    def __init__(self, idle: list[_Exchange]) -> None:
        self._idle = idle
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[HttpAnswer] | None = None
        self._answer = HttpAnswer()
        self._parser = httptools.HttpResponseParser(self)
        self._chunks: list[bytes] = []
        self._has_length = False
        self.is_reusable = False

    async def send(self, request: bytes) -> HttpAnswer:
        assert self._transport is not None  # noqa: S101 - create_connection has set it
        self.is_reusable = False
        self._waiter = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._waiter

    @property
    def is_open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    def abort(self) -> None:
        self.is_reusable = False
        if self._transport is not None:
            self._transport.abort()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not checked at run time: uvloop's transports are no subclass.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if self._waiter is None:
            self.abort()  # the server speaks though nothing was asked
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(f"not an HTTP answer: {error}")
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_reusable = False
        if self in self._idle:
            self._idle.remove(self)
        if self._waiter is not None and self._answer.status and not self._has_length:
            self.on_message_complete()  # a body without a length ends with its connection
        else:
            self._fail(str(exc) if exc else "the connection was closed without a complete answer")

    # httptools

    def on_message_begin(self) -> None:
        self._answer = HttpAnswer()
        self._chunks = []
        self._has_length = False

    def on_header(self, name: bytes, value: bytes) -> None:
        lower = name.lower()
        if lower == b"location":
            self._answer.location = value.decode("latin-1")
        elif lower in (b"content-length", b"transfer-encoding"):
            self._has_length = True

    def on_headers_complete(self) -> None:
        self._answer.status = self._parser.get_status_code()

    def on_body(self, body: bytes) -> None:
        self._chunks.append(body)

    def on_message_complete(self) -> None:
        self._answer.body = b"".join(self._chunks)
        waiter, self._waiter = self._waiter, None
        self.is_reusable = self._has_length and self._parser.should_keep_alive()
        if waiter is not None and not waiter.done():
            waiter.set_result(self._answer)
        if not self.is_reusable:
            self.abort()

    def _fail(self, reason: str) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_exception(HttpError(reason))
