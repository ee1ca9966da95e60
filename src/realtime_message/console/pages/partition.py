"""One partition: what waits, who holds it, who else reads it, what failed."""

from __future__ import annotations

from realtime_message.console.html import Child, element
from realtime_message.console.overview import Overview, PartitionRow
from realtime_message.console.pages.cells import (
    NOTHING,
    Column,
    age,
    command,
    facts,
    moment,
    number,
    rate,
    section,
    short,
    table,
)
from realtime_message.console.pages.parked import parked_table

_GROUPS = (
    Column("Consumer group"),
    Column("Consumers", is_number=True),
    Column("Unread", is_number=True),
    Column("Pending", is_number=True),
    Column("Read up to"),
)


def partition_content(row: PartitionRow, overview: Overview) -> list[Child]:
    """Return what the page shows."""
    view, flow = row.view, row.flow
    parked = [c for c in overview.parked if c.partition == view.partition]
    groups: list[list[Child]] = [
        [
            short(group.name),
            number(group.consumers),
            number(group.lag),
            number(group.pending),
            group.last_read,
        ]
        for group in view.groups
    ]
    letters: Child = number(view.dead_letters)
    if view.dead_letters:
        letters = element("a", letters, href=f"/dead-letters?partition={view.partition}")
    return [
        element(
            "div",
            section(
                "Messages",
                facts(
                    [
                        ("Stream", view.stream),
                        ("Length", number(view.length)),
                        ("Unread", number(view.lag)),
                        ("Pending", number(view.pending)),
                        ("Oldest waits", age(flow.oldest_seconds)),
                        ("In per second", rate(flow.appended_per_second)),
                        ("Done per second", rate(flow.handled_per_second)),
                        ("Dead letters", letters),
                    ]
                ),
            ),
            section("Lease", _lease(row, overview)),
            class_="columns",
        ),
        section(
            "Consumer groups",
            table("Consumer groups", _GROUPS, groups)
            if groups
            else element("p", "None: they are made when a worker starts.", class_="calm"),
        ),
        section("Parked channels", parked_table(parked)) if parked else None,
    ]


def _lease(row: PartitionRow, overview: Overview) -> Child:
    owner, partition = row.view.owner, row.view.partition
    assigned = overview.members.assignment.get(partition)
    if owner is None:
        return facts([("Holder", "nobody"), ("Assigned to", assigned)])
    return [
        facts(
            [
                ("Holder", owner.holder),
                ("Assigned to", assigned or NOTHING),
                ("Epoch", str(owner.epoch)),
                ("Since", moment(owner.acquired_at)),
                ("Expires in", age(owner.remaining_seconds)),
            ]
        ),
        element(
            "p",
            "If its holder is stuck: ",
            command(f"rtm leases release {partition}"),
            class_="quiet",
        ),
    ]
