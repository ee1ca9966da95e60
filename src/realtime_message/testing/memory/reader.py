"""The fenced reader of one partition in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec

from realtime_message.streams.contracts import Entry, Lease
from realtime_message.testing.memory.fenced_line import FencedLine
from realtime_message.testing.memory.line import Line
from realtime_message.testing.memory.state import MemoryServer, Pending


class MemoryPartitionReader:
    """See contracts.PartitionReader.

    It keeps the same two positions as the reader of a real server: up to where pending entries of
    former owners were taken over, and up to where new ones were returned. What is pending beyond
    the second one was carried by a lost reply.
    """

    def __init__(self, server: MemoryServer, line: Line, lease: Lease, consumer: str) -> None:
        self._server = server
        self._line = line
        self._fenced = FencedLine(server, line, lease)
        self._state = server.partitions[lease.partition]
        self._lease = lease
        self._consumer = consumer
        self._claimed_to = 0
        self._read_to: int | None = None
        self._has_lost_reply = False
        self._was_woken = False

    async def claim_pending(self, count: int) -> list[Entry]:
        """Take over entries of former owners. See contracts.PartitionReader.claim_pending."""
        await self._find_position()
        after = self._claimed_to
        found = await self._fenced.call("claim_pending", lambda: self._claim(after, count))
        if found:
            self._claimed_to = found[-1].place
        return _entries(found)

    async def cycle(self, acknowledged: Sequence[str], count: int) -> list[Entry]:
        """Acknowledge and read in one fenced step. See contracts.PartitionReader.cycle."""
        if self._has_lost_reply and count > 0:
            missed = await self._missed(acknowledged, count)
            if missed:
                return _entries(missed)
            acknowledged = ()
        position = await self._find_position()
        self._has_lost_reply = self._has_lost_reply or count > 0
        found = await self._fenced.call("cycle", lambda: self._step(acknowledged, count))
        if count > 0:
            self._has_lost_reply = False
        if found:
            self._read_to = found[-1].place
        elif self._was_woken and count > 0:
            self._read_to = max(position, self._state.read_to)
        self._was_woken = False
        return [pending.entry for pending in found]

    async def reread(self, entry_ids: Sequence[str]) -> list[Entry]:
        """Return entries once more. See contracts.PartitionReader.reread."""

        def step() -> list[Entry]:
            known = {entry.id: entry for entry in self._state.entries}
            return [known[entry_id] for entry_id in entry_ids if entry_id in known]

        return await self._line.call("reread", self._lease.partition, step)

    async def wait_for_entries(self, timeout_seconds: float) -> bool:
        """Wait until there are unread entries. See contracts.PartitionReader.wait_for_entries."""
        position = await self._find_position()
        await self._line.call("wait_for_entries", self._lease.partition, _nothing)
        loop = asyncio.get_running_loop()
        until = loop.time() + timeout_seconds
        while not self._state.has_after(position):
            waiter = self._server.wait_for_append(self._lease.partition)
            timer = loop.call_at(until, _end, waiter)
            try:
                await waiter
            finally:
                timer.cancel()
                waiter.cancel()
            if loop.time() >= until:
                break
        self._was_woken = self._state.has_after(position)
        return self._was_woken

    async def record_attempt(self, entry_id: str, attempts: int) -> None:
        """Keep the number of attempts. See contracts.PartitionReader.record_attempt."""

        def step() -> None:
            if entry_id in self._state.pending:
                self._state.pending[entry_id].attempts = attempts

        await self._fenced.call("record_attempt", step)

    async def bury(self, entry: Entry, *, reason: str, error: str, attempts: int) -> None:
        """Move an entry to the dead letters. See contracts.PartitionReader.bury."""

        def step() -> None:
            if self._state.pending.pop(entry.id, None) is not None:
                self._server.bury(self._lease, entry, reason, error, attempts)

        await self._fenced.call("bury", step)

    async def set_aside(self, channel: str, entry: Entry) -> None:
        """Move an entry to its parked channel's. See contracts.PartitionReader.set_aside."""

        def step() -> None:
            if self._state.pending.pop(entry.id, None) is not None:
                moved = msgspec.structs.replace(
                    entry, id=self._server.next_id(), attempts=0, aside_of=entry.id
                )
                self._state.aside.setdefault(channel, []).append(moved)

        await self._fenced.call("set_aside", step)

    def forget(self, entry_id: str) -> None:
        """Do nothing: what is pending is known only to the server."""

    async def close(self) -> None:
        """Do nothing."""

    def _claim(self, after: int, count: int) -> list[Pending]:
        return self._state.claim(self._consumer, after, count)

    def _step(self, acknowledged: Sequence[str], count: int) -> list[Pending]:
        self._state.acknowledge(acknowledged)
        return self._state.read(self._consumer, count) if count > 0 else []

    async def _missed(self, acknowledged: Sequence[str], count: int) -> list[Pending]:
        """Acknowledge, then return what a read delivered to us without our getting its reply."""
        await self._fenced.call("cycle", lambda: self._step(acknowledged, 0))
        after = self._read_to or 0
        found = await self._fenced.call("claim_pending", lambda: self._claim(after, count))
        if found:
            self._read_to = found[-1].place
        else:
            self._has_lost_reply = False
        return found

    async def _find_position(self) -> int:
        """Return up to where was read; at first, up to where the group had read before us."""
        if self._read_to is None:
            self._read_to = await self._line.call(
                "find_position", self._lease.partition, lambda: self._state.read_to
            )
        return self._read_to


def _entries(found: Sequence[Pending]) -> list[Entry]:
    return [msgspec.structs.replace(p.entry, attempts=p.attempts) for p in found]


def _nothing() -> None:
    """Stand for what only shows whether the server is there."""


def _end(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
