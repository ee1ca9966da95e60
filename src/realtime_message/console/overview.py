"""What is to be seen of the whole system at one moment, and how it is taken from Redis."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from realtime_message.streams import Streams
from realtime_message.streams.flow import FlowCount, FlowView
from realtime_message.streams.inspect import MemoryView, PartitionView
from realtime_message.streams.layout_view import LayoutView
from realtime_message.streams.member_contracts import MemberView
from realtime_message.streams.parked import ParkedChannel
from realtime_message.streams.worker_views import WorkerView, worker_views

#: So many parked channels are named at most; more would make a look expensive.
MAX_PARKED = 200


class PartitionRow(msgspec.Struct, frozen=True):
    """One partition with what moves in it.

    Attributes:
        view: what is in it, and who holds it.
        flow: rates and the age of the oldest message.
    """

    view: PartitionView
    flow: FlowView

    @property
    def owner(self) -> str | None:
        """The member that holds it; None if nobody does."""
        return self.view.owner.holder if self.view.owner else None

    @property
    def unhandled(self) -> int:
        """Entries that are unread or pending, as far as the server can tell."""
        return self.view.pending + (self.view.lag or 0)


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    """The system at one moment.

    Attributes:
        layout: how many partitions there are, and how far a resize is.
        partitions: each partition.
        members: the live members and the stored assignment.
        workers: each worker.
        parked: channels that are held back, MAX_PARKED at most.
        has_more_parked: whether there are more of them.
        memory: of the servers.
    """

    layout: LayoutView
    partitions: tuple[PartitionRow, ...]
    members: MemberView
    workers: tuple[WorkerView, ...]
    parked: tuple[ParkedChannel, ...]
    has_more_parked: bool
    memory: MemoryView

    @property
    def unhandled(self) -> int:
        """Entries that are unread or pending, as far as the server can tell."""
        return sum(row.unhandled for row in self.partitions)

    @property
    def dead_letters(self) -> int:
        """How many messages were given up."""
        return sum(row.view.dead_letters for row in self.partitions)

    @property
    def set_aside(self) -> int:
        """Entries of the parked channels that are named."""
        return sum(channel.entry_count for channel in self.parked)

    @property
    def appended_per_second(self) -> float | None:
        """Entries that came; None if it was measured nowhere."""
        return _sum(row.flow.appended_per_second for row in self.partitions)

    @property
    def handled_per_second(self) -> float | None:
        """Entries that the workers were done with; None if it was measured nowhere."""
        return _sum(row.flow.handled_per_second for row in self.partitions)

    @property
    def oldest_seconds(self) -> float | None:
        """How long the oldest message that is not handled has waited; None if there is none."""
        ages = (row.flow.oldest_seconds for row in self.partitions)
        return max((age for age in ages if age is not None), default=None)


class OverviewTaker:
    """Takes overviews; rates are those between two of them.

    One look costs Redis: per partition nine commands of constant time or of the number of its
    consumer groups and consumers (XLEN twice, XINFO GROUPS twice, XINFO STREAM, XPENDING's summary,
    HMGET and PTTL of the lease, ZRANGE of its parked channels), and one XRANGE of one entry where
    something is unread and nothing pending; per parked channel, up to MAX_PARKED, one XLEN and its
    part of an HMGET; one INFO per server; four more commands for layout, members and time. They go
    in eight writes. No key is searched for, and nothing is read but the first and last entry of a
    stream, which XINFO STREAM brings along.

    Args:
        streams: where to look; nothing is changed.
    """

    def __init__(self, streams: Streams) -> None:
        self._streams = streams
        self._counts: Sequence[FlowCount | None] = ()

    async def take(self) -> Overview:
        """Look once. The first look, and the first one after a failure, has no rates.

        Raises:
            StreamsError: the server did not answer, or refused.
        """
        before, self._counts = self._counts, ()
        streams = self._streams
        layout = await streams.layout.read()
        counts = await streams.flow.counts()
        flows = await streams.flow.views(before, counts)
        partitions = await streams.inspect.partitions()
        members = await streams.inspect.members()
        parked = await streams.parked_channels.list_all(MAX_PARKED + 1)
        memory = await streams.inspect.memory()
        self._counts = counts
        return Overview(
            layout=layout,
            partitions=tuple(map(PartitionRow, partitions, flows)),
            members=members,
            workers=tuple(worker_views(partitions, members)),
            parked=tuple(parked[:MAX_PARKED]),
            has_more_parked=len(parked) > MAX_PARKED,
            memory=memory,
        )


def _sum(rates: Iterable[float | None]) -> float | None:
    known = [rate for rate in rates if rate is not None]
    return sum(known) if known else None
