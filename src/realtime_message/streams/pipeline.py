"""Batches on one connection: appends that arrive while a write is under way form the next one.

One batch is in flight at a time. Each batch has one deadline, counted from its first entry, so
every append has its outcome within the command time-out. When a batch in flight misses it, the
connection is cut and exactly this batch fails; those that wait go out on the next connection.

While a connection is being opened again, appends wait for that attempt. Once an attempt has failed
they fail at once, until one succeeds: nobody waits for a server that is known to be down.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from realtime_message.errors import StreamsError, StreamsUnavailableError
from realtime_message.streams.append_outcome import outcome_of, tell
from realtime_message.streams.batch import Batch
from realtime_message.streams.connection import Connector
from realtime_message.streams.contracts import Appended, OnAppended
from realtime_message.streams.durability import Barrier, barrier_timeout_ms
from realtime_message.streams.scripts import Script, make_known
from realtime_message.streams.server_errors import ReadOnlyServerError, ScriptMissingError
from realtime_message.streams.wire import Command, Wire, pack
from realtime_message.telemetry.logs import get_logger

#: No batch is begun while more than this waits for an outcome.
MAX_QUEUED_ENTRIES = 16_384
MAX_QUEUED_BYTES = 64 * 1024 * 1024
MAX_BATCH_ENTRIES = 512
#: A barrier takes its time, whatever stands before it: what gathers meanwhile goes together.
MAX_BARRIER_BATCH_ENTRIES = 8192
RECONNECT_INITIAL_SECONDS = 0.05
RECONNECT_MAX_SECONDS = 1.0

#: Makes a new connection known as one that appends, or closes it and raises.
Introduce = Callable[[Wire], Awaitable[None]]

#: Takes one append: `Pipeline.enqueue`.
Enqueue = Callable[[bytes, OnAppended, Command | None], None]

_CLOSED = "the streams are closed"

_log = get_logger("streams.append")


class Pipeline:
    """Sends packed appends and tells their outcomes.

    Args:
        connector: opens the connection.
        key: a key that will be used, for the choice of the server.
        script: what appends may call; it is known to the server before the first batch.
        timeout_seconds: within which an append has its outcome.
        barrier: what each batch must reach before it is confirmed; None: nothing.
        introduce: called with each new connection before anything is appended on it.
    """

    def __init__(
        self,
        connector: Connector,
        key: str,
        script: Script,
        timeout_seconds: float,
        barrier: Barrier | None = None,
        *,
        introduce: Introduce,
    ) -> None:
        self._connector = connector
        self._key = key
        self._script = script
        self._timeout_seconds = timeout_seconds
        self._barrier = barrier
        self._introduce = introduce
        self._max_batch_entries = MAX_BARRIER_BATCH_ENTRIES if barrier else MAX_BATCH_ENTRIES
        self._loop = asyncio.get_running_loop()
        self._wire: Wire | None = None
        self._batches: deque[Batch] = deque()
        self._in_flight: Batch | None = None
        #: The last of the batches, while appends may join it.
        self._gathering: Batch | None = None
        #: Why appends fail at once; None while they are taken.
        self._refusal: str | None = "not connected yet"
        self._is_closed = False
        self._reconnecting: asyncio.Task[None] | None = None
        self._emptied = asyncio.Event()

    @property
    def is_connected(self) -> bool:
        """Whether the connection is open."""
        return self._wire is not None and self._wire.is_open

    async def connect(self, streams: Iterable[str]) -> None:
        """Open the connection; it is opened again by itself whenever it is lost.

        Args:
            streams: those that will be appended to; one connection serves them all.

        Raises:
            StreamsError: it cannot be opened.
        """
        del streams
        self._attach(await self._open())

    def one_for_each_server(self) -> list[str]:
        """Return streams by which every server is reached that appends go to."""
        return [self._key]

    def enqueuer(self, stream: str) -> Enqueue:
        """Return what takes the appends to a stream."""
        del stream  # one connection for all
        return self.enqueue

    def enqueue(
        self, command: bytes, on_appended: OnAppended, script_call: Command | None = None
    ) -> None:
        """Send a command with the next batch.

        Args:
            command: packed.
            on_appended: told the outcome exactly once, never before this returns.
            script_call: for EVALSHA, its arguments after the hash.
        """
        batch = self._gathering
        if batch is None:
            refusal = self._refusal or self._overload()
            if refusal is not None:
                error = StreamsUnavailableError(f"not appended: {refusal}")
                self._loop.call_soon(on_appended, error)
                return
            batch = self._gathering = self._new_batch(self._loop.time() + self._timeout_seconds)
            self._batches.append(batch)
            self._loop.call_soon(self._flush)
        if not batch.add(command, on_appended, script_call):
            self._gathering = None

    def fail_waiting(self, error: StreamsUnavailableError) -> None:
        """Tell an error to all that was not sent yet."""
        while self._batches:
            self._finish(self._take_oldest(), [], error)

    async def close(self) -> None:
        """Take no more, wait for what was taken, and close the connection."""
        self._is_closed = True
        self._refusal = _CLOSED
        self._gathering = None
        while self._batches or self._in_flight is not None:
            self._emptied.clear()
            await self._emptied.wait()  # ends: every batch has a deadline
        if self._reconnecting is not None:
            self._reconnecting.cancel()
            await asyncio.gather(self._reconnecting, return_exceptions=True)
        if self._wire is not None:
            self._wire.close()

    def _overload(self) -> str | None:
        """Return why no batch may begin: too much waits already."""
        waiting = [*self._batches, self._in_flight] if self._in_flight else self._batches
        if (
            sum(len(batch.waiting) for batch in waiting) >= MAX_QUEUED_ENTRIES
            or sum(batch.size_bytes for batch in waiting) >= MAX_QUEUED_BYTES
        ):
            return "too many appends wait for Redis"
        return None

    def _take_oldest(self) -> Batch:
        batch = self._batches.popleft()
        if batch is self._gathering:
            self._gathering = None
        return batch

    def _new_batch(self, deadline_at: float) -> Batch:
        timer = self._loop.call_at(deadline_at, self._expire_oldest)
        return Batch(deadline_at, timer, self._max_batch_entries)

    def _flush(self) -> None:
        """Send the next batch, unless one is in flight."""
        if self._in_flight is not None or not self._batches or not self.is_connected:
            return
        assert self._wire is not None  # noqa: S101 - is_connected says so
        batch = self._in_flight = self._take_oldest()
        data, expected = batch.take_commands(), len(batch.waiting)
        if self._barrier is not None:
            left_seconds = batch.deadline_at - self._loop.time()
            data += pack(self._barrier.command(barrier_timeout_ms(left_seconds)))
            expected += 1
        self._wire.send(data, expected, self._on_replies)

    def _expire_oldest(self) -> None:
        """A deadline has passed: it is that of the oldest batch, for all have the same time-out."""
        if self._in_flight is not None and self._wire is not None:
            self._wire.drop(f"gave no answer within {self._timeout_seconds:g} s")
        elif self._batches:
            text = f"not appended: no connection to Redis within {self._timeout_seconds:g} s"
            self._finish(self._take_oldest(), [], StreamsUnavailableError(text))

    def _on_replies(self, replies: list[Any], error: StreamsUnavailableError | None) -> None:
        batch, self._in_flight = self._in_flight, None
        assert batch is not None  # noqa: S101 - it was sent
        shortfall = None
        if self._barrier is not None:
            shortfall = error or self._barrier.shortfall(replies.pop())
        self._finish(batch, replies, error, shortfall)
        if self._wire is not None and any(isinstance(r, ReadOnlyServerError) for r in replies):
            self._wire.drop("leads to a server that is read-only")
        self._flush()

    def _finish(
        self,
        batch: Batch,
        replies: list[Any],
        error: StreamsUnavailableError | None,
        shortfall: StreamsUnavailableError | None = None,
    ) -> None:
        """Tell everyone in a batch.

        Args:
            batch: the batch.
            replies: those that came.
            error: for those whose reply did not come.
            shortfall: for those that were stored, but not as durably as they should be.
        """
        batch.timer.cancel()
        missing = [error] * (len(batch.waiting) - len(replies))
        unknown: list[tuple[OnAppended, Command]] = []
        for (on_appended, script_call), reply in zip(batch.waiting, replies + missing, strict=True):
            if script_call is not None and isinstance(reply, ScriptMissingError):
                unknown.append((on_appended, script_call))
                continue
            outcome = outcome_of(reply)
            if shortfall is not None and isinstance(outcome, Appended):
                outcome = shortfall
            tell(on_appended, outcome)
        if unknown:
            self._send_scripts_again(unknown, batch.deadline_at)
        if not self._batches:
            self._emptied.set()

    def _send_scripts_again(
        self, unknown: list[tuple[OnAppended, Command]], deadline_at: float
    ) -> None:
        """Send with the script's text what the server could not run by its hash."""
        again = self._new_batch(deadline_at)
        for on_appended, script_call in unknown:
            again.add(pack(("EVAL", self._script.text, *script_call)), on_appended, None)
        self._batches.appendleft(again)

    def _attach(self, wire: Wire) -> None:
        if not wire.is_open:
            raise StreamsUnavailableError(
                f"Redis at {wire.where}: lost as soon as it was connected"
            )
        self._wire = wire
        self._refusal = _CLOSED if self._is_closed else None
        wire.on_lost = self._on_lost
        self._flush()

    def _on_lost(self) -> None:
        _log.warning("append.connection_lost", redis=self._connector.where)
        self._reconnecting = self._loop.create_task(self._reconnect(), name="append.reconnect")

    async def _reconnect(self) -> None:
        delay_seconds = RECONNECT_INITIAL_SECONDS
        while True:
            try:
                self._attach(await self._open())
            except StreamsError as error:
                self._go_down(error)
                spread = random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, guards nothing
                await asyncio.sleep(delay_seconds * spread)
                delay_seconds = min(delay_seconds * 2, RECONNECT_MAX_SECONDS)
            else:
                _log.info("append.reconnected", redis=self._connector.where)
                return

    def _go_down(self, error: StreamsError) -> None:
        """An attempt to connect has failed: fail what waits, and all that comes, at once."""
        self._refusal = _CLOSED if self._is_closed else str(error)
        self.fail_waiting(StreamsUnavailableError(f"not appended: {error}"))

    async def _open(self) -> Wire:
        """Connect, and make sure that the script is known before the first batch needs it."""
        wire = await self._connector.connect(self._key)
        await make_known(self._script, wire, self._timeout_seconds)
        await self._introduce(wire)
        return wire
