"""How the monitor is started: connected, looked once, then live or as one frame."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence

import msgspec

from realtime_message.console.overview import Overview, OverviewTaker
from realtime_message.console.overview_keeper import OverviewKeeper
from realtime_message.console.terminal.lookout import Lookout
from realtime_message.console.terminal.summary import Concern
from realtime_message.errors import EXIT_FAILED, EXIT_INTERRUPTED, StartupError, StreamsError
from realtime_message.settings import RedisSettings
from realtime_message.streams import Streams
from realtime_message.streams.dead_letters import DeadLetter
from realtime_message.streams.server_errors import explained

_SIGNALLED = 128  # what a shell adds to the number of the signal that ended a program


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be seen at one moment.

    Attributes:
        where: the server, without its password.
        overview: of the system, with rates.
        letters: the newest dead letters.
        refusal: why there are none of them; empty if they could be taken.
    """

    where: str
    overview: Overview
    letters: Sequence[DeadLetter]
    refusal: str


def take_frame(settings: RedisSettings, measured_seconds: float) -> Frame:
    """Look twice, for the rates, and return what was seen.

    Raises:
        StartupError: there is no connection, or another layout.
        StreamsError: the server did not answer the second look, or refused.
    """
    return asyncio.run(_frame(settings, measured_seconds))


def run_live(
    settings: RedisSettings, review: Callable[[Overview], Sequence[Concern]], refresh_seconds: float
) -> int:
    """Show the live screen and return the exit code.

    Args:
        settings: where Redis is.
        review: says what needs attention.
        refresh_seconds: between two looks.

    Raises:
        StartupError: there is no connection, or another layout.
    """
    return asyncio.run(_live(settings, review, refresh_seconds))


async def _frame(settings: RedisSettings, measured_seconds: float) -> Frame:
    streams = Streams(settings)
    try:
        lookout = await _first_look(streams)
        await asyncio.sleep(measured_seconds)
        lookout.wants_letters = True
        overview = await lookout.take()
    except StreamsError as error:
        raise explained(error, streams.where) from None
    finally:
        await streams.close()
    return Frame(
        where=streams.where, overview=overview, letters=lookout.letters, refusal=lookout.refusal
    )


async def _live(
    settings: RedisSettings, review: Callable[[Overview], Sequence[Concern]], refresh_seconds: float
) -> int:
    # Imported here: `--once` does without, and it is optional.
    from realtime_message.console.terminal.monitor_app import MonitorApp  # noqa: PLC0415

    streams = Streams(settings)
    try:
        lookout = await _first_look(streams)
        keeper = OverviewKeeper(lookout.take, streams.where)
        await keeper.look()
        app = MonitorApp(keeper, lookout, review, streams.where, refresh_seconds)
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, app.exit, EXIT_INTERRUPTED)
        for number in (signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, app.exit, _SIGNALLED + number)
        _prepare_terminal()
        # Without the mouse: what is on the screen can be marked and copied as everywhere.
        code = await app.run_async(mouse=False)
    finally:
        await streams.close()
    return EXIT_FAILED if app.return_code else (code or 0)


async def _first_look(streams: Streams) -> Lookout:
    """Return a lookout that has looked once: what is wrong from the start is told at once."""
    taker = OverviewTaker(streams)
    try:
        await streams.layout.compare()
        await taker.take()
    except StreamsError as error:
        raise StartupError(str(explained(error, streams.where))) from None
    return Lookout(taker.take, streams.dead_letters.list_newest)


def _prepare_terminal() -> None:
    """Let nothing but the screen write to the terminal, and the screen know where and how large."""
    logging.disable(logging.CRITICAL)
    # The original ones were detached when ours took their place (stack.terminal).
    for name in ("stdin", "stdout", "stderr"):
        setattr(sys, f"__{name}__", getattr(sys, name))
    # Exported by some shells and programs, they would count for more than the terminal itself.
    for name in ("COLUMNS", "LINES"):
        os.environ.pop(name, None)
