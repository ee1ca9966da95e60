"""The first page: what needs attention, the partitions, the workers."""

from __future__ import annotations

from collections.abc import Sequence

from realtime_message.console.html import Child, Html, element
from realtime_message.console.overview import Overview
from realtime_message.console.pages.cells import (
    Column,
    age,
    command,
    number,
    partition_link,
    rate,
    section,
    share,
    size,
    table,
)
from realtime_message.console.pages.workers import workers_table
from realtime_message.console.remark import Remark
from realtime_message.settings import RedisSettings
from realtime_message.streams.layout_view import resize_sentence

_COLUMNS = (
    Column("Partition", is_number=True),
    Column("Owner"),
    Column("Unread", is_number=True),
    Column("Pending", is_number=True),
    Column("Oldest", is_number=True),
    Column("In/s", is_number=True),
    Column("Done/s", is_number=True),
    Column("Dead letters", is_number=True),
    Column("Length", is_number=True),
)


def overview_content(
    overview: Overview, remarks: Sequence[Remark], settings: RedisSettings
) -> list[Child]:
    """Return what the page shows.

    Args:
        overview: what was seen.
        remarks: what needs attention, the worst first.
        settings: the limits of backlog and memory.
    """
    return [
        _figures(overview, settings),
        None if overview.layout.is_stable else _resize(overview),
        _attention(remarks),
        section("Partitions", _partitions(overview)),
        section("Workers", workers_table(overview.workers)),
    ]


def _figures(overview: Overview, settings: RedisSettings) -> Html:
    alive = sum(worker.is_alive for worker in overview.workers)
    figures: list[tuple[str, str, Child]] = [
        ("Waiting", number(overview.unhandled), _backlog(overview, settings)),
        ("Oldest waits", age(overview.oldest_seconds), None),
        ("In per second", rate(overview.appended_per_second), None),
        ("Done per second", rate(overview.handled_per_second), None),
        ("Workers", number(alive), None),
        ("Dead letters", number(overview.dead_letters), None),
        ("Parked channels", _parked_count(overview), _aside(overview)),
        ("Redis memory", size(overview.memory.used_bytes), _memory(overview, settings)),
    ]
    return element(
        "dl",
        [
            element(
                "div",
                element("dt", title),
                element("dd", value, element("small", note) if note else None),
            )
            for title, value, note in figures
        ],
        class_="figures",
    )


def _parked_count(overview: Overview) -> str:
    count = number(len(overview.parked))
    return f"more than {count}" if overview.has_more_parked else count


def _aside(overview: Overview) -> Child:
    return f"{number(overview.set_aside)} set aside" if overview.set_aside else None


def _backlog(overview: Overview, settings: RedisSettings) -> Child:
    limit = settings.max_backlog_entries
    fullest = max(overview.partitions, key=lambda row: row.unhandled, default=None)
    if not limit or fullest is None:
        return None
    used = fullest.unhandled / limit
    return [
        _meter(used, 1.0),
        f"{share(used)} of the limit in partition {fullest.view.partition}"
        if fullest.unhandled
        else f"limit {number(limit)} a partition",
    ]


def _memory(overview: Overview, settings: RedisSettings) -> Child:
    used = overview.memory.share
    if used is None:
        return "no maxmemory" if overview.memory.used_bytes is not None else None
    return [_meter(used, settings.max_memory_share or 1.0), f"{share(used)} of maxmemory"]


def _meter(value: float, limit: float) -> Html:
    # The text beside it says the same.
    return element(
        "meter", min=0, max=1, low=limit * 0.7, high=limit, optimum=0, value=f"{min(value, 1):.3f}",
        aria_hidden="true",
    )  # fmt: skip


def _resize(overview: Overview) -> Html:
    sentence = resize_sentence(overview.layout)
    return element("p", sentence[:1].upper(), sentence[1:], class_="note")


def _attention(remarks: Sequence[Remark]) -> Html:
    if not remarks:
        return section("Needs attention", element("p", "Nothing.", class_="calm"))
    shown = [
        element(
            "li",
            element("span", remark.severity, class_=f"severity {remark.severity}"),
            element(
                "div",
                element("p", remark.what),
                element("p", remark.why, class_="quiet") if remark.why else None,
                element("p", command(remark.fix)) if remark.fix else None,
            ),
        )
        for remark in remarks
    ]
    return section("Needs attention", element("ul", shown, class_="remarks"))


def _partitions(overview: Overview) -> Html:
    rows: list[list[Child]] = [
        [
            partition_link(row.view.partition),
            row.owner or element("span", "nobody", class_="bad"),
            number(row.view.lag),
            number(row.view.pending),
            age(row.flow.oldest_seconds),
            rate(row.flow.appended_per_second),
            rate(row.flow.handled_per_second),
            element("span", number(row.view.dead_letters), class_="bad")
            if row.view.dead_letters
            else number(0),
            number(row.view.length),
        ]
        for row in overview.partitions
    ]
    return table("Partitions", _COLUMNS, rows)
