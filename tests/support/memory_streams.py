"""The streams' contracts in memory, with a clock of the test's own and faults on demand."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from realtime_message.errors import LeaseLostError, StreamsUnavailableError
from realtime_message.message import Message, encode_message
from realtime_message.partitions import partition_of
from realtime_message.streams.contracts import Entry, Lease, MemberView


@dataclass
class Pending:
    """An entry that was read and is not acknowledged."""

    entry: Entry
    consumer: str
    attempts: int = 0


@dataclass
class DeadLetter:
    """An entry that was given up."""

    entry: Entry
    reason: str
    error: str
    attempts: int


@dataclass
class Partition:
    """One stream with its group, lease and dead letters."""

    entries: list[Entry] = field(default_factory=list)
    read_count: int = 0
    pending: dict[str, Pending] = field(default_factory=dict)
    acknowledged: list[str] = field(default_factory=list)
    dead: list[DeadLetter] = field(default_factory=list)
    epoch: int = 0
    holder: str | None = None
    held_until: float = 0.0
    is_released: bool = True
    parked: dict[str, bool] = field(default_factory=dict)
    aside: dict[str, list[Entry]] = field(default_factory=dict)


class MemoryStreams:
    """All partitions of one installation; several workers may share it.

    Args:
        partition_count: how many partitions there are.
        clock: the server's clock.
    """

    def __init__(
        self, partition_count: int = 8, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.partition_count = partition_count
        self.clock = clock
        self.partitions = [Partition() for _ in range(partition_count)]
        self.lives: dict[str, float] = {}
        self.assignment: dict[int, str] = {}
        self.version = 0
        #: Raised by every call while set: the server is away.
        self.outage: Exception | None = None
        #: Called with each call's name and partition, before it is done; may raise.
        self.on_call: Callable[[str, int], None] = lambda call, partition: None
        self.lock = threading.RLock()
        self._sequence = 0
        self._changed = asyncio.Event()
        self.leases = MemoryLeases(self)
        self.members = MemoryMembers(self)
        self.trimmer = MemoryTrimmer(self)

    def enter(self, call: str, partition: int = -1) -> None:
        """What every call does first."""
        self.on_call(call, partition)
        if self.outage is not None:
            raise self.outage

    def go_away(self) -> None:
        """Let every call fail from now on."""
        self.outage = StreamsUnavailableError("the server is away")

    def come_back(self) -> None:
        """Answer again."""
        self.outage = None

    def append(self, channel: str, text: str = "", payload: bytes | None = None) -> Entry:
        """Append a message of a channel, or a payload as it is."""
        self._sequence += 1
        partition = partition_of(channel, self.partition_count)
        if payload is None:
            payload = encode_message(message(channel, text, self._sequence, partition))
        entry = Entry(f"{int(self.clock() * 1000)}-{self._sequence}", payload)
        return self.append_entry(partition, entry)

    def append_entry(self, partition: int, entry: Entry) -> Entry:
        """Append an entry to a partition."""
        self.partitions[partition].entries.append(entry)
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
        return entry

    async def wait_for_change(self) -> None:
        """Wait until something is appended."""
        await self._changed.wait()

    def reader(self, lease: Lease, consumer: str) -> MemoryReader:
        """Open a fenced reader."""
        return MemoryReader(self, lease, consumer)

    def parker(self, lease: Lease) -> MemoryParker:
        """Return what parks channels under a lease."""
        return MemoryParker(self, lease)

    def resume(self, channel: str) -> None:
        """Ask for a parked channel to go on, as an operator does."""
        self.partitions[partition_of(channel, self.partition_count)].parked[channel] = True

    def renewer(self) -> MemoryRenewer:
        """Open a renewer."""
        return MemoryRenewer(self)

    @property
    def unfinished(self) -> int:
        """How many entries are unread or pending."""
        return sum(len(p.entries) - p.read_count + len(p.pending) for p in self.partitions)

    @property
    def dead(self) -> list[DeadLetter]:
        """All dead letters."""
        return [letter for p in self.partitions for letter in p.dead]


class MemoryLeases:
    """See contracts.LeaseStore."""

    def __init__(self, streams: MemoryStreams) -> None:
        self._streams = streams

    async def acquire(self, partition: int, holder: str, duration_seconds: float) -> Lease | None:
        await asyncio.sleep(0)
        streams = self._streams
        with streams.lock:
            streams.enter("acquire", partition)
            state = streams.partitions[partition]
            now = streams.clock()
            if state.holder not in (None, holder) and state.held_until > now:
                return None
            lease = Lease(partition, holder, state.epoch + 1, state.is_released)
            state.epoch, state.is_released = lease.epoch, False
            state.holder, state.held_until = holder, now + duration_seconds
            return lease

    async def release(self, lease: Lease) -> bool:
        await asyncio.sleep(0)
        streams = self._streams
        with streams.lock:
            streams.enter("release", lease.partition)
            state = streams.partitions[lease.partition]
            if state.epoch != lease.epoch or state.holder != lease.holder:
                return False
            state.holder, state.is_released = None, True
            return True


class MemoryRenewer:
    """See contracts.LeaseRenewer."""

    def __init__(self, streams: MemoryStreams) -> None:
        self._streams = streams

    def renew(self, leases: Sequence[Lease], duration_seconds: float) -> list[bool]:
        streams = self._streams
        with streams.lock:
            streams.enter("renew")
            answers = []
            for lease in leases:
                state = streams.partitions[lease.partition]
                is_ours = state.epoch == lease.epoch and state.holder == lease.holder
                if is_ours:
                    state.held_until = streams.clock() + duration_seconds
                answers.append(is_ours)
            return answers

    def close(self) -> None:
        pass


class MemoryReader:
    """See contracts.PartitionReader."""

    def __init__(self, streams: MemoryStreams, lease: Lease, consumer: str) -> None:
        self._streams = streams
        self._state = streams.partitions[lease.partition]
        self._lease = lease
        self._consumer = consumer
        self._claimed: set[str] = set()

    def _enter(self, call: str) -> None:
        self._streams.enter(call, self._lease.partition)
        if self._state.epoch != self._lease.epoch:
            raise LeaseLostError(self._lease.partition, self._lease.epoch)

    async def claim_pending(self, count: int) -> list[Entry]:
        await asyncio.sleep(0)
        self._enter("claim_pending")
        order = {entry.id: place for place, entry in enumerate(self._state.entries)}
        waiting = sorted(self._state.pending.keys() - self._claimed, key=order.__getitem__)[:count]
        self._claimed.update(waiting)
        claimed = [self._state.pending[entry_id] for entry_id in waiting]
        for pending in claimed:
            pending.consumer = self._consumer
        return [Entry(p.entry.id, p.entry.payload, p.attempts) for p in claimed]

    async def cycle(self, acknowledged: Sequence[str], count: int) -> list[Entry]:
        await asyncio.sleep(0)
        self._enter("cycle")
        for entry_id in acknowledged:
            if self._state.pending.pop(entry_id, None) is not None:
                self._state.acknowledged.append(entry_id)
        begin = self._state.read_count
        entries = self._state.entries[begin : begin + count]
        self._state.read_count += len(entries)
        for entry in entries:
            self._state.pending[entry.id] = Pending(entry, self._consumer)
            self._claimed.add(entry.id)
        return entries

    async def reread(self, entry_ids: Sequence[str]) -> list[Entry]:
        await asyncio.sleep(0)
        self._streams.enter("reread", self._lease.partition)
        known = {entry.id: entry for entry in self._state.entries}
        return [known[entry_id] for entry_id in entry_ids if entry_id in known]

    async def wait_for_entries(self, timeout_seconds: float) -> bool:
        self._streams.enter("wait_for_entries", self._lease.partition)
        try:
            async with asyncio.timeout(timeout_seconds):
                while self._state.read_count >= len(self._state.entries):
                    await self._streams.wait_for_change()
        except TimeoutError:
            return False
        return True

    async def record_attempt(self, entry_id: str, attempts: int) -> None:
        await asyncio.sleep(0)
        self._enter("record_attempt")
        if entry_id in self._state.pending:
            self._state.pending[entry_id].attempts = attempts

    async def bury(self, entry: Entry, *, reason: str, error: str, attempts: int) -> None:
        await asyncio.sleep(0)
        self._enter("bury")
        if self._state.pending.pop(entry.id, None) is not None:
            self._state.dead.append(DeadLetter(entry, reason, error, attempts))

    async def close(self) -> None:
        pass


class MemoryParker:
    """See worker.parking.ChannelParker."""

    def __init__(self, streams: MemoryStreams, lease: Lease) -> None:
        self._streams = streams
        self._lease = lease
        self._state = streams.partitions[lease.partition]

    async def _enter(self, call: str, *, is_fenced: bool = True) -> None:
        await asyncio.sleep(0)
        self._streams.enter(call, self._lease.partition)
        if is_fenced and self._state.epoch != self._lease.epoch:
            raise LeaseLostError(self._lease.partition, self._lease.epoch)

    async def states(self) -> dict[str, bool]:
        await self._enter("states", is_fenced=False)
        return dict(self._state.parked)

    async def park(self, channel: str) -> None:
        await self._enter("park")
        self._state.parked[channel] = False

    async def unpark(self, channel: str) -> bool:
        await self._enter("unpark")
        if self._state.aside.get(channel):
            return False
        self._state.parked.pop(channel, None)
        return True

    async def set_aside(self, channel: str, entry: Entry) -> None:
        await self._enter("set_aside")
        if self._state.pending.pop(entry.id, None) is not None:
            self._state.aside.setdefault(channel, []).append(Entry(f"9{entry.id}", entry.payload))

    async def read(self, channel: str, count: int) -> list[Entry]:
        await self._enter("read", is_fenced=False)
        return self._state.aside.get(channel, [])[:count]

    async def finish(self, channel: str, entry_id: str) -> None:
        await self._enter("finish")
        aside = self._state.aside.get(channel, [])
        place = next((n for n, entry in enumerate(aside) if entry.id == entry_id), None)
        if place is not None:
            del aside[: place + 1]

    async def bury(
        self, channel: str, entry_id: str, *, reason: str, error: str, attempts: int
    ) -> None:
        await self._enter("bury")
        aside = self._state.aside.get(channel, [])
        for entry in [entry for entry in aside if entry.id == entry_id]:
            self._state.dead.append(DeadLetter(entry, reason, error, attempts))
            del aside[: aside.index(entry) + 1]


class MemoryTrimmer:
    """See contracts.StreamTrimmer."""

    def __init__(self, streams: MemoryStreams) -> None:
        self._streams = streams

    async def trim(self, partition: int, retention_seconds: float) -> int:
        await asyncio.sleep(0)
        self._streams.enter("trim", partition)
        state = self._streams.partitions[partition]
        oldest_ms = (self._streams.clock() - retention_seconds) * 1000
        removed = 0
        while removed < state.read_count:
            entry_id = state.entries[removed].id
            if entry_id in state.pending or int(entry_id.split("-")[0]) >= oldest_ms:
                break
            removed += 1
        del state.entries[:removed]
        state.read_count -= removed
        return removed


class MemoryMembers:
    """See contracts.MemberStore."""

    def __init__(self, streams: MemoryStreams) -> None:
        self._streams = streams

    async def heartbeat(self, member: str, ttl_seconds: float) -> MemberView:
        await asyncio.sleep(0)
        streams = self._streams
        streams.enter("heartbeat")
        now = streams.clock()
        streams.lives[member] = now + ttl_seconds
        streams.lives = {name: until for name, until in streams.lives.items() if until > now}
        return MemberView(tuple(sorted(streams.lives)), dict(streams.assignment), streams.version)

    async def leave(self, member: str) -> None:
        await asyncio.sleep(0)
        self._streams.enter("leave")
        self._streams.lives.pop(member, None)

    async def store_assignment(self, assignment: dict[int, str], version: int) -> bool:
        await asyncio.sleep(0)
        streams = self._streams
        streams.enter("store_assignment")
        if version != streams.version:
            return False
        streams.assignment, streams.version = dict(assignment), version + 1
        return True


def message(channel: str, text: str = "", number: int = 0, partition: int = 0) -> Message:
    """Return a message with made-up fields."""
    return Message(
        id=f"m{number}",
        channel=channel,
        partition_id=partition,
        user_id="u",
        user_name="User",
        text=text,
        timestamp="2026-01-01T00:00:00.000Z",
        raw=f'{{"text":"{text}"}}',
        client_id="c",
    )
