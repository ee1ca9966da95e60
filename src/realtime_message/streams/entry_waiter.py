"""Waiting for unread entries, on a connection that does nothing else."""

from __future__ import annotations

import asyncio
from typing import Any

from realtime_message.errors import StreamsError, StreamsUnavailableError
from realtime_message.streams.connection import Connector
from realtime_message.streams.server_errors import RedirectError
from realtime_message.streams.wire import Wire, pack

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

    A message to an idle worker passes here, so what it brings goes from the connection to whoever
    waits without a task in between.

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
        #: Whether a blocking read is under way or brought what nobody has looked at. It outlives a
        #: wait that is cancelled or runs out: the next wait takes it over, so neither costs a
        #: connection.
        self._is_blocked = False
        self._brought: tuple[list[Any], StreamsUnavailableError | None] | None = None
        self._waiting: asyncio.Future[None] | None = None

    async def wait(self, after: str, timeout_seconds: float) -> bool:
        """Return True once the stream has an entry after the given id, False on time-out.

        Raises:
            StreamsUnavailableError: no connection, or the server is silent.
            StreamsRefusedError: the server refused.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + timeout_seconds
        while (remaining := until - loop.time()) > 0:
            if not self._is_blocked:
                await self._block(after, remaining)
            if self._brought is None:
                await self._wait_for_reply(remaining)
            if self._brought is None:
                return False
            found = self._found()
            if found is not None and is_after(found, after):
                return True
        return False

    async def close(self) -> None:
        """Close the connection; a wait under way raises StreamsUnavailableError."""
        if self._wire is not None:
            self._wire.close()

    async def _block(self, after: str, timeout_seconds: float) -> None:
        """Ask for the first entry after an id, and for an answer only when there is one."""
        wire = self._wire
        if wire is None or not wire.is_open:
            wire = self._wire = await self._connector.connect(self._stream)
        block_seconds = min(timeout_seconds, MAX_BLOCK_SECONDS)
        block_ms = max(1, int(block_seconds * 1000))  # 0 would mean for ever
        command = ("XREAD", "COUNT", 1, "BLOCK", block_ms, "STREAMS", self._stream, after)
        self._is_blocked = True
        wire.send_within(block_seconds + self._grace_seconds, pack(command), 1, self._came)

    def _came(self, replies: list[Any], error: StreamsUnavailableError | None) -> None:
        self._brought = (replies, error)
        self._go_on()

    def _go_on(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    async def _wait_for_reply(self, timeout_seconds: float) -> None:
        loop = asyncio.get_running_loop()
        self._waiting = loop.create_future()
        timer = loop.call_later(timeout_seconds, self._go_on)
        try:
            await self._waiting
        finally:
            timer.cancel()
            self._waiting = None

    def _found(self) -> str | None:
        """Return the id of the entry that the read brought, or None if it brought none in time."""
        assert self._brought is not None and self._wire is not None  # noqa: S101, PT018 - a reply came
        (replies, error), self._brought, self._is_blocked = self._brought, None, False
        if error is not None:
            raise error
        (reply,) = replies
        if isinstance(reply, RedirectError):
            self._connector.follow(reply, self._wire.address)
        if isinstance(reply, StreamsUnavailableError):
            # Among them that the server is no primary any more: look for it again.
            self._wire.drop("leads to a server that does not serve the stream now")
        if isinstance(reply, StreamsError):
            raise reply
        return None if reply is None else str(reply[0][1][0][0], "ascii")
