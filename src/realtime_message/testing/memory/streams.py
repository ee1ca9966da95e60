"""Everything that the streams offer, without a server."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from realtime_message.message import Message, encode_message
from realtime_message.partitions import partition_of
from realtime_message.settings import ChannelDurability
from realtime_message.streams.contracts import Entry, Lease
from realtime_message.streams.keys import Keys
from realtime_message.testing.memory.appender import MemoryAppender
from realtime_message.testing.memory.leases import (
    MemoryLeaseRenewer,
    MemoryLeaseStore,
    MemoryMemberStore,
)
from realtime_message.testing.memory.line import Line
from realtime_message.testing.memory.parking import MemoryChannelParker, MemoryParkedChannels
from realtime_message.testing.memory.reader import MemoryPartitionReader
from realtime_message.testing.memory.resizing import MemoryGatekeeper, MemoryResizeStore
from realtime_message.testing.memory.state import MemoryDeadLetter, MemoryServer, PartitionState
from realtime_message.testing.memory.trimming import MemoryStreamTrimmer
from realtime_message.testing.memory.views import MemoryDeadLetters, MemoryInspector


class MemoryStreams:
    """The streams of one installation as one process sees them; the same rules as on a server.

    Several workers may share one of these. To let them fail apart, give each its own with the
    `server` in common.

    Args:
        partition_count: how many partitions there are.
        clock: the server's clock, in seconds.
        server: what is shared with other processes; by default a new one.
        line: how calls get there; by default without delay or loss.

    Attributes:
        server: the state, to look at and to set.
        line: see there for how to let calls fail.
        attached: the appender; see there for how to let appends fail.
    """

    def __init__(
        self,
        partition_count: int = 8,
        clock: Callable[[], float] = time.time,
        *,
        server: MemoryServer | None = None,
        line: Line | None = None,
    ) -> None:
        self.server = server if server is not None else MemoryServer(partition_count, clock)
        self.line = line if line is not None else Line()
        self.keys = Keys("messages")
        self.leases = MemoryLeaseStore(self.server, self.line)
        self.members = MemoryMemberStore(self.server, self.line)
        self.trimmer = MemoryStreamTrimmer(self.server, self.line)
        self.dead_letters = MemoryDeadLetters(self.server)
        self.parked_channels = MemoryParkedChannels(self.server)
        self.inspect = MemoryInspector(self.server, self.keys)
        self.resizer = MemoryResizeStore(self.partition_count)
        self.attached = MemoryAppender(self.server, partition_count=self.partition_count)

    @property
    def partition_count(self) -> int:
        """How many partitions there are."""
        return len(self.server.partitions)

    @property
    def partitions(self) -> list[PartitionState]:
        """The state of each partition."""
        return self.server.partitions

    @property
    def unfinished(self) -> int:
        """How many entries are unread or pending."""
        return sum(len(p.entries) - p.read_count + len(p.pending) for p in self.partitions)

    @property
    def dead(self) -> list[MemoryDeadLetter]:
        """All dead letters."""
        return [letter for p in self.partitions for letter in p.dead]

    async def appender(self, durabilities: Iterable[ChannelDurability] = ()) -> MemoryAppender:
        """Return the appender; every durability is as good as another here."""
        del durabilities
        return self.attached

    def append(self, channel: str, text: str = "", payload: bytes | None = None) -> Entry:
        """Append a message of a channel with made-up fields, or a payload as it is."""
        partition = partition_of(channel, self.partition_count)
        if payload is None:
            message = make_message(channel, text, self.server.appended_count + 1, partition)
            payload = encode_message(message)
        return self.server.append(partition, payload)

    def append_entry(self, partition: int, entry: Entry) -> Entry:
        """Append an entry as it is to a partition."""
        return self.server.append_entry(partition, entry)

    async def find_oldest(self, partition: int) -> str | None:
        """Return the id of the oldest entry that is unread or pending; None if there is none."""

        def step() -> str | None:
            state = self.partitions[partition]
            waiting = {*state.pending, *(entry.id for entry in state.entries[state.read_count :])}
            return next((entry.id for entry in state.entries if entry.id in waiting), None)

        return await self.line.call("find_oldest", partition, step)

    def reader(self, lease: Lease, consumer: str) -> MemoryPartitionReader:
        """Return a fenced reader under a lease."""
        return MemoryPartitionReader(self.server, self.line, lease, consumer)

    async def retire_consumers(self, lease: Lease, consumer: str, *, is_leaving: bool) -> int:
        """Return 0: consumers are only names here, and nobody counts them."""
        del lease, consumer, is_leaving
        return 0

    def parker(self, lease: Lease) -> MemoryChannelParker:
        """Return what parks channels under a lease."""
        return MemoryChannelParker(self.server, self.line, lease)

    def gatekeeper(self, lease: Lease) -> MemoryGatekeeper:
        """Return what the owner of a partition does at a marker; there is none here."""
        return MemoryGatekeeper(self.server, lease)

    def renewer(self) -> MemoryLeaseRenewer:
        """Return a renewer."""
        return MemoryLeaseRenewer(self.server, self.line)

    def resume(self, channel: str) -> None:
        """Ask for a parked channel to go on, as an operator does."""
        self.partitions[partition_of(channel, self.partition_count)].parked[channel] = True

    async def close(self) -> None:
        """Do nothing."""


def make_message(channel: str, text: str = "", number: int = 0, partition: int = 0) -> Message:
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
