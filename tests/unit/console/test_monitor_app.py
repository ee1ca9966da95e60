"""The live screen, driven by its keys, on a source that the test sets."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from textual.pilot import Pilot

from realtime_message.console.overview import Overview
from realtime_message.console.overview_keeper import OverviewKeeper
from realtime_message.console.terminal.lookout import Lookout
from realtime_message.console.terminal.monitor_app import MonitorApp
from realtime_message.console.terminal.summary import Concern
from realtime_message.errors import StreamsError, StreamsUnavailableError
from realtime_message.streams.dead_letters import DeadLetter
from realtime_message.streams.inspect import OwnerView
from support.eventually import eventually
from support.overviews import (
    HOSTILE,
    HOSTILE_SHOWN,
    make_letter,
    make_overview,
    make_parked,
    make_row,
)

WHERE = "redis://example:6379"
SMALL, LARGE = (80, 24), (200, 60)


class System:
    """Answers looks with what the test sets."""

    def __init__(self, overview: Overview | None = None) -> None:
        self.overview = overview or make_overview()
        self.letters: Sequence[DeadLetter] = ()
        self.failure: StreamsError | None = None
        self.concerns: list[Concern] = []
        self.looks = 0

    async def take(self) -> Overview:
        self.looks += 1
        if self.failure is not None:
            raise self.failure
        return self.overview

    async def list_newest(self, count: int) -> Sequence[DeadLetter]:
        return self.letters[:count]

    @asynccontextmanager
    async def run(self, size: tuple[int, int] = SMALL) -> AsyncIterator[Screen]:
        lookout = Lookout(self.take, self.list_newest)
        keeper = OverviewKeeper(lookout.take, WHERE)
        await keeper.look()
        app = MonitorApp(keeper, lookout, lambda _: self.concerns, WHERE, refresh_seconds=0.1)
        async with app.run_test(size=size) as pilot:
            yield Screen(app, pilot)


class Screen:
    """What a person sees and presses."""

    def __init__(self, app: MonitorApp, pilot: Pilot[Any]) -> None:
        self.app = app
        self.pilot = pilot

    @property
    def lines(self) -> list[str]:
        """The screen's lines as they are drawn."""
        strips = self.app.screen._compositor.render_strips()
        return ["".join(segment.text for segment in strip).rstrip() for strip in strips]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    async def until(self, *parts: str, without: str = "\0") -> str:
        """Wait until all parts are on the screen, and something is not."""

        async def seen() -> bool:
            await self.pilot.pause()
            return all(part in self.text for part in parts) and without not in self.text

        await eventually(seen)
        return self.text


@pytest.mark.parametrize("size", [SMALL, LARGE])
async def test_screen_shows_state_partitions_and_workers(size: tuple[int, int]) -> None:
    """At each size everything is there, and no line is longer than the screen."""
    system = System(make_overview(*map(make_row, range(8))))
    async with system.run(size) as screen:
        text = await screen.until("partition   length", "0-7", "q end")
    assert f"{WHERE}  8 partitions" in text
    assert "0 s old" in text
    assert "nothing needs attention" in text
    assert text.count("ada") == 9
    assert len(text.splitlines()) == size[1]
    assert max(map(len, text.splitlines())) <= size[0]
    partition_line = next(line for line in text.splitlines() if "partition   length" in line)
    assert ("worker" in partition_line) == (size == LARGE)


async def test_figures_change_with_each_look() -> None:
    """Without a key."""
    system = System()
    async with system.run() as screen:
        await screen.until("        0       10       1")
        system.overview = make_overview(make_row(0, length=4711, lag=42))
        await screen.until("     4711      42")


async def test_old_values_stay_and_are_marked_while_redis_is_away() -> None:
    """The reason stands above them; when it answers again all is as before."""
    system = System()
    async with system.run() as screen:
        system.failure = StreamsUnavailableError(f"Redis at {WHERE}: Connection refused")
        text = await screen.until("NOT CURRENT", "no answer for ", "Redis at")
        assert "(Connection refused): start it, or" in text
        assert "        0       10       1" in text
        system.failure = None
        await screen.until("nothing needs attention", without="NOT CURRENT")
        assert "no answer" not in screen.text


async def test_pause_stops_looking_until_it_is_pressed_again() -> None:
    """And the screen says so."""
    system = System()
    async with system.run() as screen:
        await screen.pilot.press("p")
        await screen.until("PAUSED", "p go on")
        system.overview = make_overview(make_row(0, length=4711))
        looks = system.looks
        await screen.pilot.press("o")
        await screen.until("order: oldest message")
        # One may have been under way.
        assert system.looks <= looks + 1
        await screen.pilot.press("space")
        await screen.until("4711", without="PAUSED")


async def test_key_sorts_partitions() -> None:
    """By number, by the oldest message, by what is unhandled, and around."""
    rows = [make_row(0), make_row(1, oldest_seconds=90.0), make_row(2, lag=50)]
    system = System(make_overview(*rows))

    def numbers(screen: Screen) -> list[str]:
        start = next(n for n, line in enumerate(screen.lines) if line.startswith("partition"))
        return [line.split()[0] for line in screen.lines[start + 1 : start + 4]]

    async with system.run() as screen:
        await screen.until("order: number")
        assert numbers(screen) == ["0", "1", "2"]
        for words, order in {
            "oldest message": ["1", "0", "2"],
            "most unhandled": ["2", "0", "1"],
            "number": ["0", "1", "2"],
        }.items():
            await screen.pilot.press("o")
            await screen.until(f"order: {words}")
            assert numbers(screen) == order


async def test_view_of_what_failed_shows_names_of_others_as_text() -> None:
    """Neither an escape nor markup in a channel's name or a reason does anything."""
    system = System(
        make_overview(
            make_row(0, owner=None),
            parked=(make_parked(HOSTILE, HOSTILE),),
        )
    )
    system.letters = [make_letter(HOSTILE, "[bold]why[/bold]")]
    system.concerns = [Concern(f"warning: {HOSTILE} is parked", "")]
    async with system.run(LARGE) as screen:
        await screen.pilot.press("d")
        text = await screen.until("3:1764000000000-0", "parked channel", "[bold]why[/bold]")
        assert f"warning: {HOSTILE_SHOWN} is parked" in text
        assert text.count(HOSTILE_SHOWN) >= 2
        assert "\x1b" not in text
        await screen.pilot.press("escape")
        await screen.until("owner", without="dead letter  ")


async def test_nothing_failed_is_said() -> None:
    """Instead of empty tables; no worker likewise."""
    async with System(make_overview(workers=())).run() as screen:
        await screen.until("no worker is running")
        await screen.pilot.press("d")
        await screen.until("no channel is parked", "no dead letters")


async def test_help_is_shown_and_left() -> None:
    """By the same key, or Escape."""
    async with System().run() as screen:
        for leave in ("question_mark", "escape"):
            await screen.pilot.press("question_mark")
            await screen.until("Ctrl-C ends with exit code 130", "rtm doctor says what to do.")
            await screen.pilot.press(leave)
            await screen.until("owner", without="Ctrl-C")


async def test_many_partitions_scroll_under_their_header() -> None:
    """The place is said in words; the other keys go on; to the side the header follows."""
    rows = [make_row(number) for number in range(256)]
    async with System(make_overview(*rows)).run() as screen:
        await screen.until("rows 1-", "of 256")
        await screen.pilot.press("end")
        text = await screen.until("-256 of 256", "      255       10")
        assert "partition   length" in text
        assert "        0       10" not in text
        await screen.pilot.press("home")
        await screen.until("rows 1-", "        0       10")


async def test_wide_table_is_scrolled_to_the_side_with_its_header() -> None:
    """A long name of a worker can be read to its end."""
    name = "worker-" + "x" * 100 + "-end"
    owner = OwnerView(holder=name, epoch=1, acquired_at=0.0, remaining_seconds=1.0)
    async with System(make_overview(make_row(0, owner=owner))).run() as screen:
        await screen.until("worker-xxx")
        assert "-end" not in screen.text
        await screen.pilot.press("ctrl+pagedown", "ctrl+pagedown")
        text = await screen.until("x-end")
        assert "partition   length" not in text


async def test_screen_follows_the_terminal_s_size() -> None:
    """Smaller, larger, and far too small."""
    rows = [make_row(number) for number in range(8)]
    async with System(make_overview(*rows)).run(LARGE) as screen:
        for width, height in (SMALL, (40, 8), LARGE):
            await screen.pilot.resize_terminal(width, height)
            await screen.until("q end")
            assert len(screen.lines) == height
        await screen.until("0-7")


@pytest.mark.parametrize(("key", "code"), [("q", 0), ("ctrl+c", 130)])
async def test_keys_end_it_with_their_code(key: str, code: int) -> None:
    """From everywhere."""
    async with System().run() as screen:
        await screen.pilot.press("question_mark", key)
    assert screen.app.return_value == code
