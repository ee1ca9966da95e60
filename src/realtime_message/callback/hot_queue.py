"""The publish requests of one connection: answered one after the other, in their order."""

from __future__ import annotations

import asyncio
from collections import deque

from uvicorn.protocols.http.flow_control import FlowControl

from realtime_message.callback.authenticate import Authentication
from realtime_message.callback.dispatch import Dispatcher
from realtime_message.callback.routes import EVENT_PATH, json_message
from realtime_message.centrifugo.events import EventKind
from realtime_message.telemetry.callback_metrics import Outcome

#: The request target of publish.
HOT_TARGET = (EVENT_PATH + EventKind.publish).encode()

# A client that sends ahead is read again once its queue is shorter.
MAX_QUEUED_REQUESTS = 16

_OK = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
_LAST = (
    b"HTTP/1.1 %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\n"
    b"connection: close\r\n\r\n%b"
)


class HotRoute:
    """What all connections of one server share.

    Args:
        dispatcher: answers the publish events.
        authentication: whom to serve.
        target: the target of the requests that are hot.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        authentication: Authentication,
        target: bytes = HOT_TARGET,
    ) -> None:
        self.target = target
        self.dispatcher = dispatcher
        self.authentication = authentication
        #: Whether each answer is its connection's last.
        self.is_draining = False
        #: How many requests were begun, on the hot route and others.
        self.begun = 0


class HotRequest:
    """A publish request that is whole.

    Attributes:
        body: its body; empty when it was too large.
        needs_authentication: false if its secret is known to be right.
        secret: what its secret header held; None without one.
        forwarded_for: what its X-Forwarded-For header held; None without one.
        is_too_large: whether the body was larger than allowed, and dropped.
        keep_alive: whether the client wants the connection to stay open.
        headers: those that are kept of it; None for nearly all.
    """

    __slots__ = (
        "body",
        "forwarded_for",
        "headers",
        "is_too_large",
        "keep_alive",
        "needs_authentication",
        "secret",
    )

    def __init__(
        self,
        body: bytes,
        *,
        needs_authentication: bool = False,
        secret: bytes | None = None,
        forwarded_for: bytes | None = None,
        is_too_large: bool = False,
        keep_alive: bool = True,
        headers: dict[str, str] | None = None,
    ) -> None:
        self.body = body
        self.needs_authentication = needs_authentication
        self.secret = secret
        self.forwarded_for = forwarded_for
        self.is_too_large = is_too_large
        self.keep_alive = keep_alive
        self.headers = headers


class HotQueue:
    """Works on the requests of one connection and writes their answers.

    Args:
        shared: what all connections share.
        transport: where the answers go.
        flow: stops the reading from a client that sends ahead.
        host: the client's address.
    """

    def __init__(
        self,
        shared: HotRoute,
        transport: asyncio.Transport,
        flow: FlowControl,
        host: str | None,
    ) -> None:
        self._shared = shared
        self._transport = transport
        self._flow = flow
        self._host = host
        self._waiting: deque[HotRequest] = deque()
        self._keep_alive = True
        self._is_serving = False
        #: Whether a request is being worked on.
        self.is_busy = False
        #: Whether no more requests are taken: the next answer is the last, or the last was written.
        self.is_closing = False

    @property
    def has_waiting(self) -> bool:
        """Whether requests wait for the one that is being worked on."""
        return bool(self._waiting)

    def take(self, request: HotRequest) -> None:
        """Work on a request now, or after the ones before it."""
        if self.is_busy or self._is_serving:
            self._waiting.append(request)
            if len(self._waiting) >= MAX_QUEUED_REQUESTS:
                self._flow.pause_reading()
            return
        self._begin(request)

    def take_known(self, body: bytes) -> None:
        """Take a request of which nothing is to be looked at but its body."""
        if self.is_busy or self._is_serving:
            self.take(HotRequest(body))
            return
        self.is_busy = True
        self._keep_alive = True
        self._shared.dispatcher.dispatch(EventKind.publish, body, self._on_answered)

    def break_off(self, status: bytes, text: str) -> None:
        """Take no more requests, and close the connection.

        If an answer is due, it is the last one; else this status and text are.
        """
        if not self.is_busy:
            self._write_last(status, json_message(text))
        self.is_closing = True

    def drop(self) -> None:
        """The connection is lost: forget what waits. What is being worked on goes on."""
        self.is_closing = True
        self._waiting.clear()

    def _begin(self, request: HotRequest) -> None:
        shared = self._shared
        if request.needs_authentication:
            refusal = shared.authentication.refusal(
                self._host, request.secret, request.forwarded_for
            )
            if refusal is not None:
                self._write_last(b"401 Unauthorized", json_message(refusal))
                return
        self.is_busy = True
        self._keep_alive = request.keep_alive
        if request.is_too_large:
            shared.dispatcher.refuse_large(EventKind.publish, self._on_answered)
        else:
            shared.dispatcher.dispatch(
                EventKind.publish, request.body, self._on_answered, request.headers
            )

    def _on_answered(self, _outcome: Outcome, body: bytes) -> None:
        """Write an answer and go on. Called by whoever answers, so it must not raise."""
        self.is_busy = False
        if self._transport.is_closing():
            return
        if self._keep_alive and not self.is_closing and not self._shared.is_draining:
            self._transport.write(_OK % (len(body), body))
            if self._waiting and not self._is_serving:
                self._serve_waiting()
        else:
            self._write_last(b"200 OK", body)

    def _serve_waiting(self) -> None:
        """Begin what waits, as long as it is answered at once.

        A loop and no recursion: a client may send hundreds of bad requests in one packet.
        """
        self._is_serving = True
        while self._waiting and not self.is_busy:
            self._begin(self._waiting.popleft())
        self._is_serving = False
        if len(self._waiting) < MAX_QUEUED_REQUESTS and not self._flow.write_paused:
            self._flow.resume_reading()

    def _write_last(self, status: bytes, body: bytes) -> None:
        self.drop()
        if not self._transport.is_closing():
            self._transport.write(_LAST % (status, len(body), body))
            self._transport.close()
