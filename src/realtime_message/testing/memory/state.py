"""What a server would hold, and the steps that it would do at once. No waiting, no faults."""

from __future__ import annotations

import asyncio
import threading
import time
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from realtime_message.errors import LeaseLostError
from realtime_message.streams.contracts import Entry, Lease
from realtime_message.streams.trace_contracts import TracedEntry
from realtime_message.telemetry.trace_context import TraceContext


@dataclass(slots=True)
class Pending:
    """An entry that was read and is not acknowledged."""

    entry: Entry
    place: int
    consumer: str
    attempts: int = 0


@dataclass(slots=True)
class MemoryDeadLetter:
    """An entry that was given up."""

    entry: Entry
    reason: str
    error: str
    attempts: int
    id: str = ""
    buried_at: float = 0.0
    worker: str = ""


@dataclass(slots=True)
class PartitionState:
    """One stream with its consumer group, lease, dead letters and parked channels.

    Attributes:
        entries: the stream.
        places: where each entry stands; they only grow, also over a loss of data.
        read_count: how many of `entries` the group has read.
        read_to: the place of the last one that it has read.
        pending: read and not acknowledged, by entry id.
        acknowledged: the ids of acknowledged entries, in that order.
        dead: the dead letters.
        epoch: that of the last take; the fence.
        holder: who holds the lease, unless it ran out.
        held_until: when it runs out, by the streams' clock.
        acquired_at: when it was taken.
        is_released: whether the last holder gave it back, or there was none.
        parked: the parked channels, each with whether it is being resumed.
        parked_notes: since when and why each of them is parked.
        aside: what was set aside of each.
    """

    entries: list[Entry] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    read_count: int = 0
    read_to: int = 0
    pending: dict[str, Pending] = field(default_factory=dict)
    acknowledged: list[str] = field(default_factory=list)
    dead: list[MemoryDeadLetter] = field(default_factory=list)
    epoch: int = 0
    holder: str | None = None
    held_until: float = 0.0
    acquired_at: float = 0.0
    is_released: bool = True
    parked: dict[str, bool] = field(default_factory=dict)
    parked_notes: dict[str, tuple[float, str]] = field(default_factory=dict)
    aside: dict[str, list[Entry]] = field(default_factory=dict)

    def check(self, lease: Lease) -> None:
        """The fence: refuse whatever is done under an epoch that has passed."""
        if self.epoch != lease.epoch:
            raise LeaseLostError(lease.partition, lease.epoch)

    def acknowledge(self, entry_ids: Sequence[str]) -> None:
        """Take entries out of the pending ones."""
        for entry_id in entry_ids:
            if self.pending.pop(entry_id, None) is not None:
                self.acknowledged.append(entry_id)

    def read(self, consumer: str, count: int) -> list[Pending]:
        """Read the next unread entries of the group."""
        begin = self.read_count
        found = [
            Pending(entry, place, consumer)
            for entry, place in zip(
                self.entries[begin : begin + count],
                self.places[begin : begin + count],
                strict=True,
            )
        ]
        if found:
            self.read_count += len(found)
            self.read_to = found[-1].place
            self.pending.update((p.entry.id, p) for p in found)
        return found

    def claim(self, consumer: str, after: int, count: int) -> list[Pending]:
        """Make the next pending entries after a place a consumer's own, in the stream's order."""
        found = [p for p in self.pending.values() if p.place > after]
        found.sort(key=lambda p: p.place)
        for pending in found[:count]:
            pending.consumer = consumer
        return found[:count]

    def has_after(self, place: int) -> bool:
        """Whether the stream has an entry after a place."""
        return bool(self.places) and self.places[-1] > place

    def trim(self, before_ms: float, max_length: int) -> int:
        """Remove handled entries that are older, or beyond a length; return how many."""
        kept = min((p.place for p in self.pending.values()), default=self.read_to + 1)
        limit = min(self.read_count, bisect_right(self.places, kept - 1))
        removed = 0
        while removed < limit and int(self.entries[removed].id.partition("-")[0]) < before_ms:
            removed += 1
        if max_length:
            removed = max(removed, min(limit, len(self.entries) - max_length))
        del self.entries[:removed], self.places[:removed]
        self.read_count -= removed
        return removed


class MemoryServer:
    """All that the processes of one installation share.

    Args:
        partition_count: how many partitions there are.
        clock: the server's clock, in seconds.

    Attributes:
        partitions: each partition's state.
        lives: until when each member lives.
        assignment: as stored last.
        version: of the stored assignment.
        lock: held by whoever touches any of it.
        appended_count: how many entries were appended.
    """

    def __init__(
        self, partition_count: int = 8, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.clock = clock
        self.partitions = [PartitionState() for _ in range(partition_count)]
        self.lives: dict[str, float] = {}
        self.assignment: dict[int, str] = {}
        self.version = 0
        self.lock = threading.RLock()
        self.appended_count = 0
        self._last_place = 0
        self._waiters: dict[int, set[asyncio.Future[None]]] = {}

    def next_id(self) -> str:
        """Return an entry id that comes after all others."""
        self._last_place += 1
        return f"{int(self.clock() * 1000)}-{self._last_place}"

    def append(
        self, partition: int, payload: bytes | None, trace: TraceContext | None = None
    ) -> Entry:
        """Append an entry, and wake who waits for one."""
        entry = Entry(self.next_id(), payload)
        if trace is not None:
            entry = TracedEntry(entry.id, payload, trace=trace)
        return self.append_entry(partition, entry)

    def append_entry(self, partition: int, entry: Entry) -> Entry:
        """Append an entry that has its id already."""
        self._last_place += 1
        self.appended_count += 1
        state = self.partitions[partition]
        state.entries.append(entry)
        state.places.append(self._last_place)
        for waiter in self._waiters.pop(partition, ()):
            if not waiter.done():
                waiter.set_result(None)
        return entry

    def bury(self, lease: Lease, entry: Entry, reason: str, error: str, attempts: int) -> None:
        """Put an entry among the dead letters of the partition that a lease is for."""
        letter = MemoryDeadLetter(
            entry, reason, error, attempts, self.next_id(), self.clock(), lease.holder
        )
        self.partitions[lease.partition].dead.append(letter)

    def wait_for_append(self, partition: int) -> asyncio.Future[None]:
        """Return a future that is done at the partition's next append; it may be cancelled."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiters = self._waiters.setdefault(partition, set())
        waiters.add(waiter)
        waiter.add_done_callback(waiters.discard)
        return waiter

    def live_members(self) -> tuple[str, ...]:
        """Return the members whose life has not ended, sorted, and forget the others."""
        now = self.clock()
        self.lives = {name: until for name, until in self.lives.items() if until > now}
        return tuple(sorted(self.lives))
