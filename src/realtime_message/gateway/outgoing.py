"""The queue of lines that a client has not taken yet."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from realtime_message.gateway import codes
from realtime_message.gateway.codes import Close

# As many lines share a frame in Centrifugo.
_MAX_LINES_PER_FRAME = 16


class OutgoingQueue:
    """Joins lines into frames and writes them when the socket takes them.

    Args:
        write: writes one frame.
        give_up: ends a connection whose client reads too slowly.
        max_bytes: more than this waiting means slow (3008).
        write_timeout_seconds: so long may the socket take nothing (3009).
    """

    def __init__(
        self,
        write: Callable[[bytes], None],
        give_up: Callable[[Close], None],
        *,
        max_bytes: int,
        write_timeout_seconds: float,
    ) -> None:
        self._write = write
        self._give_up = give_up
        self._max_bytes = max_bytes
        self._write_timeout_seconds = write_timeout_seconds
        self._loop = asyncio.get_running_loop()
        self._lines: list[bytes] = []
        self._bytes = 0
        self._is_scheduled = False
        self._blocked: asyncio.TimerHandle | None = None

    def add(self, line: bytes) -> None:
        """Queue a line; it is written in this turn of the event loop, with others, if possible."""
        self._lines.append(line)
        self._bytes += len(line)
        if self._bytes > self._max_bytes:
            self._give_up(codes.CLOSE_SLOW)
        elif not self._is_scheduled:
            self._is_scheduled = True
            self._loop.call_soon(self._write_soon)

    def flush(self) -> None:
        """Write what is queued, unless the socket takes nothing now."""
        while self._lines and self._blocked is None:
            lines = self._lines[:_MAX_LINES_PER_FRAME]
            del self._lines[:_MAX_LINES_PER_FRAME]
            self._bytes -= sum(map(len, lines))
            self._write(b"\n".join(lines))

    def block(self) -> None:
        """The socket takes nothing more; if that lasts, the connection ends."""
        if self._blocked is None:
            self._blocked = self._loop.call_later(
                self._write_timeout_seconds, self._give_up, codes.CLOSE_WRITE_ERROR
            )

    def unblock(self) -> None:
        """The socket takes data again."""
        if self._blocked is not None:
            self._blocked.cancel()
            self._blocked = None
            self.flush()

    def discard(self) -> None:
        """Drop what is queued; the connection is over."""
        if self._blocked is not None:
            self._blocked.cancel()
        self._lines.clear()
        self._bytes = 0

    def _write_soon(self) -> None:
        self._is_scheduled = False
        self.flush()
