"""Parked channels: held back after a message failed for good."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from realtime_message.console.html import Child, Html, element
from realtime_message.console.overview import MAX_PARKED, Overview
from realtime_message.console.pages.cells import (
    Column,
    command,
    moment,
    number,
    partition_link,
    short,
    table,
)
from realtime_message.streams.parked import ParkedChannel

_COLUMNS = (
    Column("Channel"),
    Column("Partition", is_number=True),
    Column("State"),
    Column("Set aside", is_number=True),
    Column("Since"),
    Column("Reason"),
    Column("To let it go on"),
)


def parked_content(overview: Overview) -> list[Child]:
    """Return what the page shows."""
    more = None
    if overview.has_more_parked:
        more = element("p", f"There are more than {MAX_PARKED}: ", command("rtm channels parked"))
    return [
        element(
            "p",
            "Their messages are kept, in order, and not handled until the channel is resumed.",
            class_="quiet",
        ),
        parked_table(overview.parked),
        more,
    ]


def parked_table(channels: Sequence[ParkedChannel]) -> Html:
    """Return a table of parked channels, or that there are none."""
    if not channels:
        return element("p", "No channel is parked.", class_="calm")
    rows: list[list[Child]] = [
        [
            short(channel.channel),
            partition_link(channel.partition),
            "resuming" if channel.is_resuming else "parked",
            number(channel.entry_count),
            moment(channel.parked_at),
            short(channel.reason),
            None
            if channel.is_resuming
            else command(f"rtm channels resume {shlex.quote(channel.channel)}"),
        ]
        for channel in channels
    ]
    return table("Parked channels", _COLUMNS, rows)
