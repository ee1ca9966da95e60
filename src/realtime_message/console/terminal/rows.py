"""The tables of the monitor: columns, and what stands in each row. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import Enum

from realtime_message.ages import shown_seconds, shown_time
from realtime_message.console.overview import Overview, PartitionRow
from realtime_message.partitions import shown_partitions
from realtime_message.streams.dead_letters import DeadLetter
from realtime_message.streams.parked import ParkedChannel
from realtime_message.streams.worker_views import WorkerView

PARTITION_COLUMNS = (
    *("partition", "length", "unread", "pending", "dead"),
    *("oldest", "in/s", "done/s", "owner"),
)
WORKER_COLUMNS = ("worker", "alive", "holds", "assigned", "unread", "pending")
PARKED_COLUMNS = ("channel", "partition", "state", "since", "set aside", "reason")
LETTER_COLUMNS = ("id", "channel", "given up", "reason")

#: A row's cells; None is shown as a dash.
Row = tuple[object, ...]


class Order(Enum):
    """By what partitions are sorted; the value says it in words."""

    number = "number"
    oldest = "oldest message"
    unhandled = "most unhandled"

    @property
    def next(self) -> Order:
        """The one after this."""
        members = list(Order)
        return members[(members.index(self) + 1) % len(members)]


def partition_rows(overview: Overview, order: Order = Order.number) -> list[Row]:
    """Return a row for each partition."""
    return [
        (
            row.view.partition,
            row.view.length,
            row.view.lag,
            row.view.pending,
            row.view.dead_letters,
            shown_seconds(row.flow.oldest_seconds),
            shown_rate(row.flow.appended_per_second),
            shown_rate(row.flow.handled_per_second),
            row.owner,
        )
        for row in _sorted(overview.partitions, order)
    ]


def worker_rows(workers: Iterable[WorkerView]) -> list[Row]:
    """Return a row for each worker."""
    return [
        (
            worker.name,
            "yes" if worker.is_alive else "no",
            shown_partitions(worker.holds) or None,
            shown_partitions(worker.assigned) or None,
            worker.lag,
            worker.pending,
        )
        for worker in workers
    ]


def parked_rows(channels: Iterable[ParkedChannel]) -> list[Row]:
    """Return a row for each parked channel."""
    return [
        (
            channel.channel,
            channel.partition,
            "resuming" if channel.is_resuming else "parked",
            None if channel.parked_at is None else _day_and_time(channel.parked_at),
            channel.entry_count,
            channel.reason or None,
        )
        for channel in channels
    ]


def letter_rows(letters: Iterable[DeadLetter]) -> list[Row]:
    """Return a row for each dead letter."""
    return [
        (
            letter.name,
            letter.channel,
            _day_and_time(letter.buried_at),
            letter.reason or None,
        )
        for letter in letters
    ]


def shown_rate(per_second: float | None) -> str | None:
    """Return a rate for people; None stays None."""
    return None if per_second is None else f"{per_second:.1f}"


def _day_and_time(at: float) -> str:
    """Return a point in time without its year: the reason needs the room."""
    return shown_time(at)[5:]


def _sorted(rows: Sequence[PartitionRow], order: Order) -> list[PartitionRow]:
    """Return rows as ordered; those that are equal stay by number."""
    if order is Order.oldest:
        return sorted(rows, key=lambda row: -(row.flow.oldest_seconds or 0.0))
    if order is Order.unhandled:
        return sorted(rows, key=lambda row: -row.unhandled)
    return list(rows)
