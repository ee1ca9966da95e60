"""The hot route: publish, answered from the HTTP parser's callbacks, below ASGI.

A publish is the one request that comes thousands of times a second, and ASGI costs several times
what its decision costs: a scope, a task and several awaits for each request. Here the parser's
callbacks hand the body to the dispatcher, and the dispatcher's answer is written; there is no task
and no future in between. Everything else on the connection is left to uvicorn and the ASGI
application, which answers the publish route as well if it is written in another form.

The two kinds cannot overtake each other on one connection: a request that arrives while the other
kind is being worked on is not taken, and the connection closes after that answer, which says so.
Centrifugo sends one request at a time on a connection.
"""

from __future__ import annotations

import asyncio
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from realtime_message.callback.authenticate import FORWARDED_HEADER, SECRET_HEADER
from realtime_message.callback.hot_queue import HotQueue, HotRequest, HotRoute
from realtime_message.callback.known_head import KnownHead
from realtime_message.callback.routes import MAX_DISCARDED_TIMES

MAX_HEAD_BYTES = 65_536
MAX_LEARNINGS = 8

_SECRET_HEADER = SECRET_HEADER.lower().encode()
_FORWARDED_HEADER = FORWARDED_HEADER.lower().encode()
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

# What the request being parsed is. Undecided until its target is whole, that is, until its first
# header. Ignored: it came after the connection's last request.
_UNDECIDED, _HOT, _COLD, _IGNORED = range(4)


class CallbackProtocol(HttpToolsProtocol):
    """One connection; see the top of this module."""

    parser: Any  # uvicorn sets it to None when the connection is lost, after which nothing comes

    def __init__(self, *args: Any, hot_route: HotRoute, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._shared = hot_route
        self._max_body_bytes = hot_route.dispatcher.max_body_bytes
        self._hot: HotQueue
        #: How many requests were begun on this connection.
        self.begun = 0
        # Of the request being parsed:
        self._kind = _UNDECIDED
        self._is_in_message = False
        self._is_in_head = False
        self._head_size = 0
        self._target = b""
        self._secret: bytes | None = None
        self._forwarded_for: bytes | None = None
        self._headers: dict[str, str] | None = None
        self._has_wishes = False
        self._body: bytes | bytearray = b""
        self._body_size = 0
        # Of the requests before:
        self._known_head: KnownHead | None = None
        self._learnings_left = MAX_LEARNINGS
        self._is_usual = False

    @property
    def is_busy(self) -> bool:
        """Whether a request is being worked on."""
        return self._hot.is_busy or self._is_cold_busy

    def begin_drain(self) -> None:
        """Make the answer that is being worked on the connection's last."""
        if self._is_cold_busy:
            self.cycle.keep_alive = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin a connection."""
        super().connection_made(transport)
        host = self.client[0] if self.client else None
        self._hot = HotQueue(self._shared, transport, self.flow, host)

    def connection_lost(self, exc: Exception | None) -> None:
        """End a connection; what is being worked on goes on, its answer is dropped."""
        self._hot.drop()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what arrived, unless it is a publish whose head was parsed before."""
        known_head = self._known_head
        if known_head is not None and not self._is_in_message and not self._hot.is_closing:
            body = known_head.body_of(data)
            if body is not None and len(body) <= self._max_body_bytes:
                self._shared.begun += 1
                self.begun += 1
                self._hot.take_known(body)
                return
        self._parse(data)

    def _parse(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        was_in_head, was_in_message, begun = self._is_in_head, self._is_in_message, self.begun
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass  # an offer that is not taken
        except httptools.HttpParserError as error:
            self.send_400_response(f"this is not HTTP/1.1: {error}")
        if self._is_in_head:
            if was_in_head:
                self._limit_head(len(data))
        elif self._is_usual and not was_in_message and self.begun == begun + 1:
            self._learn(data)

    def _limit_head(self, size: int) -> None:
        self._head_size += size
        if self._head_size > MAX_HEAD_BYTES:
            self._break_off(
                b"431 Request Header Fields Too Large",
                f"the head is larger than {MAX_HEAD_BYTES} bytes",
            )

    def _learn(self, data: bytes) -> None:
        """Remember the head of the one request that the data are."""
        # Where every head differs, remembering them would cost more than it saves. A request that
        # waits for others was not authenticated yet.
        if self._learnings_left and not self._hot.is_closing and not self._hot.has_waiting:
            self._learnings_left -= 1
            self._known_head = KnownHead.learn(data, self._body_size)

    def on_message_begin(self) -> None:
        """Begin a request of a kind still unknown."""
        self._kind = _IGNORED if self._hot.is_closing else _UNDECIDED
        self._is_in_message = self._is_in_head = True
        self._is_usual = False
        self._head_size = 0
        self._target = b""

    def on_url(self, url: bytes) -> None:
        """Take a part of the request's target."""
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header: of a hot request only what matters."""
        if self._kind == _UNDECIDED:
            self._decide()
        if self._kind == _COLD:
            super().on_header(name, value)
        elif self._kind == _HOT:
            self._on_hot_header(name.lower(), value)

    def _on_hot_header(self, name: bytes, value: bytes) -> None:
        if name == _SECRET_HEADER:
            self._secret = value
        elif name == _FORWARDED_HEADER:
            before = self._forwarded_for
            self._forwarded_for = value if before is None else b"%b, %b" % (before, value)
        elif name == b"connection":
            self._has_wishes = True
        elif name == b"expect":
            self._has_wishes = True
            if not self._hot.is_busy:
                self.transport.write(_CONTINUE)

    def on_headers_complete(self) -> None:
        """Let a cold request begin."""
        if self._kind == _UNDECIDED:
            self._decide()
        self._is_in_head = False
        if self._kind == _COLD:
            super().on_headers_complete()
            if self._shared.is_draining:
                self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """Take a part of the body, as long as it is not too large."""
        if self._kind == _COLD:
            super().on_body(body)
        elif self._kind == _HOT:
            self._body_size += len(body)
            if self._body_size <= self._max_body_bytes:
                self._keep_body(body)
            elif self._body_size > self._max_body_bytes * MAX_DISCARDED_TIMES:
                self._break_off(b"413 Content Too Large", "the body is far too large")

    def on_message_complete(self) -> None:
        """Let a hot request begin: its body is there."""
        self._is_in_message = False
        if self._kind == _COLD:
            super().on_message_complete()
        elif self._kind == _HOT:
            keep_alive = self.parser.should_keep_alive()
            if self._has_wishes:
                if self.parser.should_upgrade():
                    self._break_off(b"400 Bad Request", "only HTTP/1.1 is spoken here")
                    return
                # HTTP/1.0 keeps a connection open only where the answer says so; ours does not.
                keep_alive = keep_alive and self.parser.get_http_version() != "1.0"
            self._is_usual = keep_alive and not self._has_wishes
            is_too_large = self._body_size > self._max_body_bytes
            body = b"" if is_too_large else bytes(self._body)
            self._hot.take(
                HotRequest(
                    body,
                    needs_authentication=True,
                    secret=self._secret,
                    forwarded_for=self._forwarded_for,
                    is_too_large=is_too_large,
                    keep_alive=keep_alive,
                    headers=self._headers,
                )
            )

    def send_400_response(self, msg: str) -> None:
        """Answer what cannot be parsed."""
        self._break_off(b"400 Bad Request", msg)

    def pause_writing(self) -> None:
        """Stop reading from a client that does not read."""
        super().pause_writing()
        self.flow.pause_reading()

    def resume_writing(self) -> None:
        """Go on reading once the client reads again."""
        super().resume_writing()
        self.flow.resume_reading()

    @property
    def _is_cold_busy(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _decide(self) -> None:
        """Find out which kind the request is; its target is whole."""
        is_hot = self._target == self._shared.target and self.parser.get_method() == b"POST"
        if self._is_cold_busy if is_hot else self._hot.is_busy:
            self._break_off(b"400 Bad Request", "one request at a time, please")
            return
        self._shared.begun += 1
        self.begun += 1
        if is_hot:
            self._kind = _HOT
            self._secret = None
            self._forwarded_for = None
            self._has_wishes = False
            self._body = b""
            self._body_size = 0
        else:
            self._kind = _COLD
            # What is remembered is looked at before the kinds are.
            self._known_head = None
            super().on_message_begin()
            super().on_url(self._target)

    def _keep_body(self, body: bytes) -> None:
        if not self._body:
            self._body = body
            return
        if isinstance(self._body, bytes):
            self._body = bytearray(self._body)
        self._body += body

    def _break_off(self, status: bytes, text: str) -> None:
        """Take no more requests; the answer that is due is the last, else this one is."""
        # A cold request whose own body breaks off will not be answered by anyone else.
        is_its_own_body = self._kind == _COLD and self._is_in_message
        self._kind = _IGNORED
        if self._is_cold_busy and not is_its_own_body:
            self.cycle.keep_alive = False
            self._hot.is_closing = True
        else:
            self._hot.break_off(status, text)
