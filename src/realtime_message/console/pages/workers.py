"""The workers: who is there, and what each holds and should hold."""

from __future__ import annotations

from collections.abc import Sequence

from realtime_message.console.html import Child, Html, element
from realtime_message.console.overview import Overview
from realtime_message.console.pages.cells import (
    NOTHING,
    Column,
    age,
    command,
    moment,
    number,
    partition_link,
    section,
    table,
)
from realtime_message.partitions import shown_partitions
from realtime_message.streams.worker_views import WorkerView

_COLUMNS = (
    Column("Worker"),
    Column("State"),
    Column("Holds"),
    Column("Assigned"),
    Column("Unread", is_number=True),
    Column("Pending", is_number=True),
)
_LEASES = (
    Column("Partition", is_number=True),
    Column("Holder"),
    Column("Epoch", is_number=True),
    Column("Since"),
    Column("Expires in", is_number=True),
)


def workers_content(overview: Overview) -> list[Child]:
    """Return what the page shows."""
    leases: list[list[Child]] = [
        [
            partition_link(row.view.partition),
            owner.holder if owner else element("span", "nobody", class_="bad"),
            str(owner.epoch) if owner else NOTHING,
            moment(owner.acquired_at) if owner else NOTHING,
            age(owner.remaining_seconds) if owner else NOTHING,
        ]
        for row in overview.partitions
        for owner in (row.view.owner,)
    ]
    return [
        workers_table(overview.workers),
        section(
            "Leases",
            element(
                "p",
                "A lease is renewed long before it expires. To take a partition from a worker that "
                "is stuck: ",
                command("rtm leases release N"),
                class_="quiet",
            ),
            table("Leases", _LEASES, leases),
        ),
    ]


def workers_table(workers: Sequence[WorkerView]) -> Html:
    """Return a table of the workers, or that there are none."""
    if not workers:
        return element("p", "No worker is running: ", command("rtm worker APP"), class_="calm")
    rows: list[list[Child]] = [
        [
            worker.name,
            "alive" if worker.is_alive else element("span", "gone, holds leases", class_="bad"),
            shown_partitions(worker.holds, ", ") or NOTHING,
            shown_partitions(worker.assigned, ", ") or NOTHING,
            number(worker.lag),
            number(worker.pending),
        ]
        for worker in workers
    ]
    return table("Workers", _COLUMNS, rows)
