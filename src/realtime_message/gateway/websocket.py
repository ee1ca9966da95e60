"""A WebSocket on the wire, below ASGI: handshake, frames, close.

uvicorn hands over a connection whose request asks for an upgrade. The handshake and the frames are
parsed by the websockets library; close frames are written here, because Centrifugo passes on any
code that the callback service asks for, also those that the library refuses to send.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from typing import Any, Protocol, cast
from urllib.parse import parse_qs, urlsplit

from uvicorn.server import ServerState
from websockets.exceptions import PayloadTooBig
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol

from realtime_message.gateway.codes import Close

_TEXT = 0x81
_CLOSE = 0x88
_MAX_SHORT_LENGTH = 125
_MAX_MEDIUM_LENGTH = 0xFFFF
#: A close frame holds a code and this much of a reason (RFC 6455, section 5.5).
_MAX_REASON_BYTES = 123
_MESSAGE_TOO_BIG = Close(1009, "")
_HANDSHAKE_SECONDS = 5.0
_SUBPROTOCOL = "centrifuge-json"


class Endpoint(Protocol):
    """What stands above a WebSocket."""

    def start(self, headers: dict[str, list[str]]) -> None:
        """The handshake is done; these were the request's headers, in lower case."""

    def receive(self, message: bytes) -> None:
        """A message arrived."""

    def block(self) -> None:
        """The socket takes no more data for now."""

    def unblock(self) -> None:
        """The socket takes data again."""

    def end(self) -> None:
        """Nothing more will arrive."""

    def shut_down(self) -> None:
        """The server is about to stop."""


class Admission(Protocol):
    """Who may open a WebSocket, and what stands above it."""

    message_size_limit: int

    def refuse(self, request: Request) -> tuple[int, str] | None:
        """Return the HTTP status and text that refuse a handshake, or None."""
        ...

    def make_endpoint(self, websocket: WebSocket) -> Endpoint:
        """Return what stands above a new WebSocket."""
        ...


class WebSocket(asyncio.Protocol):
    """One WebSocket, as uvicorn's `ws` class.

    Args:
        config: uvicorn's, not needed.
        server_state: uvicorn's; it waits for the connections and tasks noted there when it stops.
        app_state: uvicorn's, not needed.
        admission: who may connect.
    """

    def __init__(
        self,
        config: Any,  # noqa: ARG002 - uvicorn passes it
        server_state: ServerState,
        app_state: Any,  # noqa: ARG002 - uvicorn passes it
        *,
        admission: Admission,
    ) -> None:
        self._admission = admission
        self._connections = server_state.connections
        self.tasks = server_state.tasks
        self._parser = ServerProtocol(max_size=admission.message_size_limit)
        self._transport: asyncio.Transport | None = None
        self._endpoint: Endpoint | None = None
        self._fragments: list[bytes] = []
        self._is_closing = False
        self._abort_timer: asyncio.TimerHandle | None = None

    # asyncio.Protocol, and shutdown() as uvicorn calls it

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take over a connection from the HTTP protocol."""
        # Not checked at run time: uvloop's transports are no subclass.
        self._transport = cast("asyncio.Transport", transport)
        self._connections.add(self)  # type: ignore[arg-type]  # it names its own classes only

    def data_received(self, data: bytes) -> None:
        """Parse what arrived: first the handshake, then frames."""
        self._parser.receive_data(data)
        for event in self._parser.events_received():
            if isinstance(event, Request):
                self._handshake(event)
            elif isinstance(event, Frame):
                self._take_frame(event)
        error = self._parser.parser_exc
        if error is not None and not self._is_closing:
            if isinstance(error, PayloadTooBig):
                self.close(_MESSAGE_TOO_BIG)
                self._finish_sending()
            else:
                self._write(b"".join(self._parser.data_to_send()))
                self._disconnect()
            self._end()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """The TCP connection is gone."""
        self._connections.discard(self)
        self._is_closing = True
        if self._abort_timer is not None:
            self._abort_timer.cancel()
        self._end()

    def pause_writing(self) -> None:
        """The peer does not read."""
        if self._endpoint is not None:
            self._endpoint.block()

    def resume_writing(self) -> None:
        """The peer reads again."""
        if self._endpoint is not None:
            self._endpoint.unblock()

    def shutdown(self) -> None:
        """The server stops."""
        if self._endpoint is not None:
            self._endpoint.shut_down()
        else:
            self._disconnect()

    # For the endpoint

    def send(self, message: bytes) -> None:
        """Send a text message."""
        if not self._is_closing:
            self._write(_frame(_TEXT, message))

    def close(self, close: Close) -> None:
        """Send a close frame; the connection ends when the peer answers, or after 5 s.

        A reason that is too long for a close frame drops the connection instead, as Centrifugo's
        WebSocket does.
        """
        reason = close.reason.encode()
        if self._is_closing or len(reason) > _MAX_REASON_BYTES:
            self.abort()
            return
        self._write(_frame(_CLOSE, struct.pack("!H", close.code & 0xFFFF) + reason))
        self._is_closing = True
        self._abort_later()

    def abort(self) -> None:
        """Drop the connection without a close frame."""
        if self._transport is not None:
            self._transport.abort()

    def pause_reading(self) -> None:
        """Take no more messages for now; TCP holds the peer back."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Take messages again."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    # Handshake and frames

    def _handshake(self, request: Request) -> None:
        refusal = self._admission.refuse(request)
        response = self._parser.reject(*refusal) if refusal else self._parser.accept(request)
        is_accepted = response.status_code == 101  # noqa: PLR2004 - Switching Protocols
        if is_accepted and _SUBPROTOCOL in offered_subprotocols(request):
            response.headers["Sec-WebSocket-Protocol"] = _SUBPROTOCOL
        self._parser.send_response(response)
        self._write(b"".join(self._parser.data_to_send()))
        if not is_accepted:
            self._disconnect()
            return
        headers: dict[str, list[str]] = {}
        for name, value in request.headers.raw_items():
            headers.setdefault(name.lower(), []).append(value)
        self._endpoint = self._admission.make_endpoint(self)
        self._endpoint.start(headers)

    def _take_frame(self, frame: Frame) -> None:
        if frame.opcode is Opcode.CLOSE:
            if not self._is_closing:
                self._write(b"".join(self._parser.data_to_send()))
            self._is_closing = True
            self._disconnect()
            self._end()
        elif frame.opcode is Opcode.PING:
            if not self._is_closing:
                self._write(b"".join(self._parser.data_to_send()))
        elif frame.opcode is not Opcode.PONG:
            self._fragments.append(bytes(frame.data))
            if frame.fin:
                message = b"".join(self._fragments)
                self._fragments.clear()
                if self._endpoint is not None and not self._is_closing:
                    self._endpoint.receive(message)

    def _write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def _finish_sending(self) -> None:
        """Send FIN: what the peer still sends is not parsed, so its answer would go unseen."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write_eof()

    def _disconnect(self) -> None:
        """Close TCP once everything written has left; a peer that does not read is dropped."""
        if self._transport is not None:
            self._transport.close()
            self._abort_later()

    def _abort_later(self) -> None:
        if self._abort_timer is None:
            loop = asyncio.get_running_loop()
            self._abort_timer = loop.call_later(_HANDSHAKE_SECONDS, self.abort)

    def _end(self) -> None:
        endpoint, self._endpoint = self._endpoint, None
        if endpoint is not None:
            endpoint.end()


def offered_subprotocols(request: Request) -> list[str]:
    """Return the subprotocols that a handshake offers."""
    values = request.headers.get_all("Sec-WebSocket-Protocol")
    return [name.strip() for value in values for name in value.split(",")]


def query_of(request: Request) -> dict[str, list[str]]:
    """Return the parameters of a handshake's query."""
    return parse_qs(urlsplit(request.path).query)


def path_of(request: Request) -> str:
    """Return a handshake's path without its query."""
    return urlsplit(request.path).path


def _frame(first_byte: int, content: bytes) -> bytes:
    """Return an unmasked frame, as servers send them (RFC 6455, section 5.2)."""
    length = len(content)
    if length <= _MAX_SHORT_LENGTH:
        head = struct.pack("!BB", first_byte, length)
    elif length <= _MAX_MEDIUM_LENGTH:
        head = struct.pack("!BBH", first_byte, 126, length)
    else:
        head = struct.pack("!BBQ", first_byte, 127, length)
    return head + content


#: What uvicorn makes a WebSocket with.
WebSocketFactory = Callable[..., WebSocket]
