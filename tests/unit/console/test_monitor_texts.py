"""The words, rows and lines of the monitor."""

from __future__ import annotations

import pytest

from realtime_message.console.terminal.columns import aligned, cell_count
from realtime_message.console.terminal.rows import (
    PARTITION_COLUMNS,
    WORKER_COLUMNS,
    Order,
    letter_rows,
    parked_rows,
    partition_rows,
    worker_rows,
)
from realtime_message.console.terminal.screen_texts import HELP, figure_lines, keys_line
from realtime_message.console.terminal.summary import (
    Concern,
    age_words,
    attention_lines,
    failure_words,
    figures,
    layout_words,
)
from realtime_message.streams.inspect import MemoryView
from realtime_message.streams.layout_view import LayoutView, Phase
from support.overviews import (
    HOSTILE,
    HOSTILE_SHOWN,
    make_letter,
    make_overview,
    make_parked,
    make_row,
)

RESIZING = LayoutView(partition_count=8, phase=Phase.draining, previous_count=4)


def test_partition_row_has_a_cell_for_each_column() -> None:
    """What is not known, or nobody, is None."""
    (row,) = partition_rows(make_overview(make_row(3, owner=None, oldest_seconds=None)))
    assert dict(zip(PARTITION_COLUMNS, row, strict=True)) == {
        "partition": 3,
        "length": 10,
        "unread": 1,
        "pending": 0,
        "dead": 0,
        "oldest": None,
        "in/s": "1.5",
        "done/s": "0.5",
        "owner": None,
    }


@pytest.mark.parametrize(
    ("order", "numbers"),
    [(Order.number, [0, 1, 2, 3]), (Order.oldest, [2, 1, 3, 0]), (Order.unhandled, [1, 0, 2, 3])],
)
def test_partitions_are_sorted(order: Order, numbers: list[int]) -> None:
    """By number, by the oldest message, by what is unhandled; equal ones by number."""
    overview = make_overview(
        make_row(0, oldest_seconds=None),
        make_row(1, lag=5, pending=9),
        make_row(2, oldest_seconds=70.0),
        make_row(3, oldest_seconds=2.0),
    )
    assert [row[0] for row in partition_rows(overview, order)] == numbers


def test_orders_follow_each_other_in_a_circle() -> None:
    """One key reaches each."""
    assert [order.next for order in Order] == [Order.oldest, Order.unhandled, Order.number]


def test_columns_stand_under_each_other_whatever_the_cells() -> None:
    """Numbers right, text left; wide characters count as two columns; None is a dash."""
    rows = [(0, 1, "漢字"), (10, None, "x")]
    header, lines = aligned(("partition", "unread", "owner"), rows, 40)
    assert [header, *lines] == [
        "partition  unread  owner",
        "        0       1  漢字",
        "       10       -  x",
    ]
    _, (line,) = aligned(WORKER_COLUMNS, [("漢字", "yes", "0", None, 1, 2)], 40)
    assert line == "漢字    yes    0      -              1        2"


def test_long_cell_leaves_the_others_in_sight() -> None:
    """A channel's name may have any length; the reason at the end may be read by scrolling."""
    row = ("漢" * 300, "r" * 300)
    _, (line,) = aligned(("channel", "reason"), [row], 40)
    name, reason = line.split("  ")
    assert name.endswith("…")
    assert cell_count(name) <= 40
    assert reason == "r" * 300


def test_text_of_others_is_made_visible() -> None:
    """Escapes of a terminal are shown as what they are, markup as it stands there."""
    overview = make_overview(parked=(make_parked(HOSTILE, HOSTILE),))
    for rows in (parked_rows(overview.parked), letter_rows([make_letter(HOSTILE, HOSTILE)])):
        _, (line,) = aligned([""] * len(rows[0]), rows, 40)
        assert line.isprintable()
        assert line.count("\\x1b[2J\\x1b]0;mine\\x07[red]bad[/") == 2
        assert line.endswith(HOSTILE_SHOWN)


def test_figures_sum_the_system_up() -> None:
    """Each has its name; memory is a share where there is a limit."""
    overview = make_overview(make_row(0, dead_letters=2), make_row(1, pending=3))
    assert figures(overview) == [
        ("unhandled", "5"),
        ("in/s", "3.0"),
        ("done/s", "1.0"),
        ("oldest", "2 s"),
        ("dead letters", "2"),
        ("parked", "0"),
        ("memory", "3 MiB"),
    ]
    limited = make_overview(
        make_row(0, oldest_seconds=None, appended_per_second=None, handled_per_second=None),
        memory=MemoryView(used_bytes=1, share=0.123),
        parked=(make_parked("a"),),
        has_more_parked=True,
    )
    assert [value for _, value in figures(limited)] == ["1", "-", "-", "-", "0", "1+", "12%"]
    unknown = make_overview(memory=MemoryView(used_bytes=None, share=None))
    assert figures(unknown)[-1] == ("memory", "-")


def test_names_of_figures_stand_above_their_values() -> None:
    """In columns that do not move with the numbers."""
    assert figure_lines([("in/s", "1.0"), ("dead letters", "12345678901234")]) == (
        "    in/s     dead letters\n     1.0   12345678901234"
    )


def test_layout_says_how_many_partitions_and_whether_that_changes() -> None:
    """In words."""
    assert layout_words(make_overview()) == "1 partition"
    assert layout_words(make_overview(layout=RESIZING)) == "8 partitions, RESIZING"


def test_attention_is_short_where_there_is_little_room() -> None:
    """What is so, the worst first; with room also what to do, and more of them."""
    concerns = [Concern(f"error: {n}", f"fix {n}") for n in range(9)]
    few = attention_lines(make_overview(), concerns, has_room=False)
    assert few == ["error: 0", "error: 1", "error: 2", "and 6 more: rtm doctor shows all of them"]
    many = attention_lines(make_overview(), concerns, has_room=True)
    assert (many[0], len(many)) == ("error: 0: fix 0", 9)
    assert attention_lines(make_overview(), [], has_room=True) == ["nothing needs attention"]
    (resize,) = attention_lines(make_overview(layout=RESIZING), [], has_room=True)
    assert resize.startswith("resize from 4 to 8: ")


@pytest.mark.parametrize(
    ("age", "is_current", "is_paused", "words"),
    [
        (None, False, False, "nothing seen yet"),
        (0.7, True, False, "0 s old"),
        (12.6, True, True, "PAUSED, 12 s old"),
        (75.0, False, False, "NOT CURRENT, 1 m 15 s old"),
    ],
)
def test_age_is_told_in_words(
    age: float | None, is_current: bool, is_paused: bool, words: str
) -> None:
    """And why it grows."""
    assert age_words(age, is_current=is_current, is_paused=is_paused) == words


def test_failure_says_why_since_when_and_how_old_the_rest_is() -> None:
    """Old figures must not pass for new ones."""
    told = failure_words("Redis could not be reached", 61.5, 63.0)
    assert told == (
        "no answer for 1 m 1 s: Redis could not be reached. Everything below is 1 m 3 s old"
    )
    assert failure_words("why", 0.0, None) == "no answer for 0 s: why"


def test_keys_and_help_fit_a_small_terminal() -> None:
    """80 columns, whatever the order; the help in what is left of 24 lines."""
    lines = [keys_line(order, is_paused=paused) for order in Order for paused in (False, True)]
    assert max(map(len, [*lines, *HELP.splitlines()])) < 80
    assert len(HELP.splitlines()) <= 24 - 5


def test_worker_that_does_not_say_that_it_lives_is_told() -> None:
    """In a word."""
    (row,) = worker_rows(make_overview().workers)
    assert row == ("ada", "yes", "0", None, 1, 0)
