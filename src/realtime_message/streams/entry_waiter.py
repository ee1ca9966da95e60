"""Waiting for unread entries, on a connection that does nothing else."""

from __future__ import annotations

import asyncio

from realtime_message.errors import StreamsError, StreamsUnavailableError
from realtime_message.streams.connection import Connector
from realtime_message.streams.server_errors import RedirectError
from realtime_message.streams.wire import Wire

#: A longer wait is made of several reads, so that a lost connection is noticed within this time.
MAX_BLOCK_SECONDS = 30.0


def is_after(entry_id: str, other: str) -> bool:
    """Whether an entry stands after another one in the stream's order."""
    return id_parts(entry_id) > id_parts(other)


def id_parts(entry_id: str) -> tuple[int, int]:
    """Return the milliseconds and the number of an entry id."""
    milliseconds, _, number = entry_id.partition("-")
    return int(milliseconds), int(number or 0)


class EntryWaiter:
    """Blocks on one stream.

    Args:
        connector: opens the connection, at the first wait and after each loss.
        stream: the stream's key.
        grace_seconds: how much later than asked for the server may answer before the connection
            counts as dead.
    """

    def __init__(self, connector: Connector, stream: str, grace_seconds: float) -> None:
        self._connector = connector
        self._stream = stream
        self._grace_seconds = grace_seconds
        self._wire: Wire | None = None
        #: The blocking read under way. It outlives a wait that is cancelled or runs out: the next
        #: wait takes it over, so neither costs a connection.
        self._blocked: asyncio.Task[str | None] | None = None

    async def wait(self, after: str, timeout_seconds: float) -> bool:
        """Return True once the stream has an entry after the given id, False on time-out.

        Raises:
            StreamsUnavailableError: no connection, or the server is silent.
            StreamsRefusedError: the server refused.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + timeout_seconds
        while (remaining := until - loop.time()) > 0:
            if self._blocked is None:
                self._blocked = loop.create_task(self._block(after, remaining))
            done, _ = await asyncio.wait({self._blocked}, timeout=remaining)
            if not done:
                return False
            finished, self._blocked = self._blocked, None
            found = finished.result()
            if found is not None and is_after(found, after):
                return True
        return False

    async def close(self) -> None:
        """Close the connection; a wait under way raises StreamsUnavailableError."""
        if self._wire is not None:
            self._wire.close()
        if self._blocked is not None:
            self._blocked.cancel()
            await asyncio.gather(self._blocked, return_exceptions=True)
            self._blocked = None

    async def _block(self, after: str, timeout_seconds: float) -> str | None:
        """Return the id of the first entry after the given one, or None if none came in time."""
        if self._wire is None or not self._wire.is_open:
            self._wire = await self._connector.connect(self._stream)
        block_seconds = min(timeout_seconds, MAX_BLOCK_SECONDS)
        block_ms = max(1, int(block_seconds * 1000))  # 0 would mean for ever
        command = ("XREAD", "COUNT", 1, "BLOCK", block_ms, "STREAMS", self._stream, after)
        (reply,) = await self._wire.call([command], block_seconds + self._grace_seconds)
        if isinstance(reply, RedirectError):
            self._connector.follow(reply, self._wire.address)
        if isinstance(reply, StreamsUnavailableError):
            # Among them that the server is no primary any more: look for it again.
            self._wire.drop("leads to a server that does not serve the stream now")
        if isinstance(reply, StreamsError):
            raise reply
        return None if reply is None else str(reply[0][1][0][0], "ascii")
