"""What `rtm monitor --once` prints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from realtime_message.cli.letter_views import shown
from realtime_message.cli.output import print_json, print_table
from realtime_message.console.terminal.rows import (
    LETTER_COLUMNS,
    PARKED_COLUMNS,
    PARTITION_COLUMNS,
    WORKER_COLUMNS,
    letter_rows,
    parked_rows,
    partition_rows,
    worker_rows,
)
from realtime_message.console.terminal.run import Frame
from realtime_message.console.terminal.summary import (
    Concern,
    attention_lines,
    figures,
    layout_words,
)
from realtime_message.visible_text import one_line


def print_frame(frame: Frame, concerns: Sequence[Concern], *, as_json: bool) -> None:
    """Print what was seen, and what needs attention."""
    if as_json:
        print_json(_values(frame, concerns))
        return
    overview = frame.overview
    print(one_line(f"{frame.where}  {layout_words(overview)}"))
    print(", ".join(f"{name}: {value}" for name, value in figures(overview)))
    for line in attention_lines(overview, concerns, has_room=True):
        print(one_line(line))
    print()
    print_table(PARTITION_COLUMNS, partition_rows(overview))
    print()
    _print_rows(WORKER_COLUMNS, worker_rows(overview.workers), "no worker is running")
    print()
    _print_rows(PARKED_COLUMNS, parked_rows(overview.parked), "no channel is parked")
    print()
    without_letters = one_line(frame.refusal) or "no dead letters"
    _print_rows(LETTER_COLUMNS, letter_rows(frame.letters), without_letters)


def _print_rows(columns: Sequence[str], rows: Sequence[Sequence[object]], empty_words: str) -> None:
    if rows:
        print_table(columns, rows)
    else:
        print(empty_words)


def _values(frame: Frame, concerns: Sequence[Concern]) -> dict[str, Any]:
    overview = frame.overview
    return {
        "redis": frame.where,
        "unhandled": overview.unhandled,
        "appended_per_second": overview.appended_per_second,
        "handled_per_second": overview.handled_per_second,
        "oldest_seconds": overview.oldest_seconds,
        "dead_letters": overview.dead_letters,
        "memory": overview.memory,
        "layout": overview.layout,
        "partitions": [
            msgspec.to_builtins(row.view) | msgspec.to_builtins(row.flow)
            for row in overview.partitions
        ],
        "workers": overview.workers,
        "parked_channels": overview.parked,
        "has_more_parked_channels": overview.has_more_parked,
        "newest_dead_letters": [shown(letter) for letter in frame.letters],
        "attention": [concern._asdict() for concern in concerns],
    }
