"""The pipeliner: appends that arrive while a write is under way go out together as the next one.

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
from hashlib import blake2b
from typing import Any

from realtime_message.errors import StreamsError, StreamsRefusedError, StreamsUnavailableError
from realtime_message.streams.batch import Batch
from realtime_message.streams.connection import Connector
from realtime_message.streams.contracts import Appended, Dedup, OnAppended
from realtime_message.streams.keys import Keys
from realtime_message.streams.scripts import load_script
from realtime_message.streams.server_errors import ReadOnlyServerError, ScriptMissingError
from realtime_message.streams.wire import Command, Wire, pack
from realtime_message.telemetry.logs import get_logger

MAX_QUEUED_ENTRIES = 16_384
MAX_QUEUED_BYTES = 64 * 1024 * 1024
RECONNECT_INITIAL_SECONDS = 0.05
RECONNECT_MAX_SECONDS = 1.0

_log = get_logger("streams.append")


class PipelinedAppender:
    """Appends entries to the partitions' streams. See contracts.EntryAppender.

    Args:
        connector: opens the connection.
        keys: the key names.
        partition_count: how many partitions there are.
        timeout_seconds: within which an append has its outcome.
    """

    def __init__(
        self, connector: Connector, keys: Keys, partition_count: int, timeout_seconds: float
    ) -> None:
        self._connector = connector
        self._keys = keys
        self._timeout_seconds = timeout_seconds
        self._loop = asyncio.get_running_loop()
        self._script = load_script("entry_append")
        self._streams = [keys.stream(partition) for partition in range(partition_count)]
        # All of a plain append but the payload: packing it anew would cost more than the rest.
        self._heads = [
            pack(("XADD", stream, "*", "payload", "")).removesuffix(b"0\r\n\r\n")
            for stream in self._streams
        ]
        self._wire: Wire | None = None
        self._batches: deque[Batch] = deque()
        self._in_flight: Batch | None = None
        self._queued_entries = 0
        self._queued_bytes = 0
        #: Why appends fail at once; None while they are taken.
        self._refusal: str | None = "not connected yet"
        self._is_closed = False
        self._reconnecting: asyncio.Task[None] | None = None
        self._emptied = asyncio.Event()

    @property
    def is_connected(self) -> bool:
        """Whether the connection is open."""
        return self._wire is not None and self._wire.is_open

    async def connect(self) -> None:
        """Open the connection; it is opened again by itself whenever it is lost.

        Raises:
            StreamsError: it cannot be opened.
        """
        self._attach(await self._open())

    def submit(
        self, partition: int, payload: bytes, on_appended: OnAppended, dedup: Dedup | None = None
    ) -> None:
        """Append without a coroutine.

        Args:
            partition: where to.
            payload: the `payload` field.
            on_appended: told the outcome exactly once, never before this returns.
            dedup: how to recognise a resend; None appends in any case.
        """
        if dedup is None:
            command = b"%b%d\r\n%b\r\n" % (self._heads[partition], len(payload), payload)
            self._enqueue(command, on_appended, None)
            return
        digest = blake2b(dedup.key.encode(), digest_size=16).hexdigest()
        key = self._keys.dedup(partition, digest)
        call = (2, self._streams[partition], key, payload, dedup.reply, dedup.window_ms)
        self._enqueue(pack(("EVALSHA", self._script.sha, *call)), on_appended, call)

    async def append(self, partition: int, payload: bytes, dedup: Dedup | None = None) -> Appended:
        """Append and wait. See contracts.EntryAppender.append."""
        outcome, on_appended = self._outcome_future()
        self.submit(partition, payload, on_appended, dedup)
        return await outcome

    async def check(self) -> None:
        """Ask whether the server would take an append now; nothing is stored.

        Raises:
            StreamsError: as an append would: unreachable, full, read-only, no right.
        """
        outcome, on_appended = self._outcome_future()
        # With NOMKSTREAM and a key that does not exist this stores nothing, yet the server refuses
        # it whenever it refuses writes.
        command = pack(("XADD", self._keys.probe, "NOMKSTREAM", "*", "payload", ""))
        self._enqueue(command, on_appended, None)
        await outcome

    async def close(self) -> None:
        """Take no more, wait for what was taken, and close the connection."""
        self._is_closed = True
        while self._batches or self._in_flight is not None:
            self._emptied.clear()
            await self._emptied.wait()  # ends: every batch has a deadline
        if self._reconnecting is not None:
            self._reconnecting.cancel()
            await asyncio.gather(self._reconnecting, return_exceptions=True)
        if self._wire is not None:
            self._wire.close()

    def _outcome_future(self) -> tuple[asyncio.Future[Appended], OnAppended]:
        future: asyncio.Future[Appended] = self._loop.create_future()

        def on_appended(outcome: Appended | Exception) -> None:
            if future.done():  # the caller was cancelled
                return
            if isinstance(outcome, Exception):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)

        return future, on_appended

    def _enqueue(
        self, command: bytes, on_appended: OnAppended, script_call: Command | None
    ) -> None:
        refusal = "the streams are closed" if self._is_closed else self._refusal
        if self._queued_entries >= MAX_QUEUED_ENTRIES or self._queued_bytes >= MAX_QUEUED_BYTES:
            refusal = "too many appends wait for Redis"
        if refusal is not None:
            error = StreamsUnavailableError(f"not appended: {refusal}")
            self._loop.call_soon(on_appended, error)
            return
        self._queued_entries += 1
        self._queued_bytes += len(command)
        if not self._batches or self._batches[-1].is_full:
            self._batches.append(self._new_batch(self._loop.time() + self._timeout_seconds))
            self._loop.call_soon(self._flush)
        self._batches[-1].add(command, on_appended, script_call)

    def _new_batch(self, deadline_at: float) -> Batch:
        timer = self._loop.call_at(deadline_at, self._expire_oldest)
        return Batch(deadline_at, timer)

    def _flush(self) -> None:
        """Send the next batch, unless one is in flight."""
        if self._in_flight is not None or not self._batches or not self.is_connected:
            return
        assert self._wire is not None  # noqa: S101 - is_connected says so
        batch = self._in_flight = self._batches.popleft()
        self._wire.send(batch.take_commands(), len(batch.waiting), self._on_replies)

    def _expire_oldest(self) -> None:
        """A deadline has passed: it is that of the oldest batch, for all have the same time-out."""
        if self._in_flight is not None and self._wire is not None:
            self._wire.drop(f"gave no answer within {self._timeout_seconds:g} s")
        elif self._batches:
            text = f"not appended: no connection to Redis within {self._timeout_seconds:g} s"
            self._finish(self._batches.popleft(), [], StreamsUnavailableError(text))

    def _on_replies(self, replies: list[Any], error: StreamsUnavailableError | None) -> None:
        batch, self._in_flight = self._in_flight, None
        assert batch is not None  # noqa: S101 - it was sent
        self._finish(batch, replies, error)
        if self._wire is not None and any(isinstance(r, ReadOnlyServerError) for r in replies):
            self._wire.drop("leads to a server that is read-only")
        self._flush()

    def _finish(
        self, batch: Batch, replies: list[Any], error: StreamsUnavailableError | None
    ) -> None:
        """Tell everyone in a batch; those whose reply did not come get the error."""
        batch.timer.cancel()
        self._queued_entries -= len(batch.waiting)
        self._queued_bytes -= batch.size_bytes
        missing = [error] * (len(batch.waiting) - len(replies))
        unknown: list[tuple[OnAppended, Command]] = []
        for (on_appended, script_call), reply in zip(batch.waiting, replies + missing, strict=True):
            if script_call is not None and isinstance(reply, ScriptMissingError):
                unknown.append((on_appended, script_call))
            else:
                self._tell(on_appended, _outcome(reply))
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
        self._queued_entries += len(again.waiting)
        self._queued_bytes += again.size_bytes
        self._batches.appendleft(again)

    def _tell(self, on_appended: OnAppended, outcome: Appended | Exception) -> None:
        try:
            on_appended(outcome)
        except Exception:  # noqa: BLE001 - logged; a user's hook may raise anything
            # One broken caller must not stall the pipeline that all the others share.
            _log.exception("append.callback_failed")

    def _attach(self, wire: Wire) -> None:
        if not wire.is_open:
            raise StreamsUnavailableError(
                f"Redis at {wire.where}: lost as soon as it was connected"
            )
        self._wire = wire
        self._refusal = None
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
        self._refusal = str(error)
        while self._batches:
            waiting = StreamsUnavailableError(f"not appended: {error}")
            self._finish(self._batches.popleft(), [], waiting)

    async def _open(self) -> Wire:
        """Connect, and make sure that the script is known before the first batch needs it."""
        wire = await self._connector.connect(self._streams[0])
        try:
            command = ("SCRIPT", "LOAD", self._script.text)
            (reply,) = await wire.call([command], self._timeout_seconds)
        except BaseException:
            wire.close()
            raise
        if isinstance(reply, StreamsUnavailableError):  # such as LOADING
            wire.close()
            raise reply
        return wire


def _outcome(reply: Any) -> Appended | Exception:
    if isinstance(reply, bytes):
        return Appended(str(reply, "ascii"))
    if isinstance(reply, list):  # of the script: the first entry's id and what was kept beside it
        entry_id, stored_reply = reply
        return Appended(str(entry_id, "ascii"), stored_reply)
    if reply is None:  # of `check`
        return Appended("")
    if isinstance(reply, Exception):
        return reply
    return StreamsRefusedError(f"Redis answered {reply!r} to an append")
