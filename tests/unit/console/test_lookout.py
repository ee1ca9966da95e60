"""What the monitor asks Redis for."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from realtime_message.console.overview import Overview
from realtime_message.console.terminal.lookout import NEWEST_COUNT, Lookout
from realtime_message.errors import StreamsRefusedError, StreamsUnavailableError
from realtime_message.streams.dead_letters import DeadLetter
from support.overviews import make_letter, make_overview


class Letters:
    """Lists dead letters, or fails."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.failure: Exception | None = None

    async def list_newest(self, count: int) -> Sequence[DeadLetter]:
        self.asked.append(count)
        if self.failure is not None:
            raise self.failure
        return [make_letter("room:1")]


async def _overview() -> Overview:
    return make_overview()


async def test_dead_letters_are_asked_for_only_when_shown() -> None:
    """They cost Redis more than the rest."""
    letters = Letters()
    lookout = Lookout(_overview, letters.list_newest)
    assert await lookout.take() == make_overview()
    assert letters.asked == []
    lookout.wants_letters = True
    await lookout.take()
    assert letters.asked == [NEWEST_COUNT]
    assert [letter.channel for letter in lookout.letters] == ["room:1"]


async def test_missing_right_leaves_the_overview() -> None:
    """It is told in the place of the dead letters; an outage is told for all."""
    letters = Letters()
    lookout = Lookout(_overview, letters.list_newest)
    lookout.wants_letters = True
    letters.failure = StreamsRefusedError("NOPERM xrevrange")
    assert await lookout.take() == make_overview()
    assert (lookout.letters, lookout.refusal) == ((), "NOPERM xrevrange")
    letters.failure = StreamsUnavailableError("away")
    with pytest.raises(StreamsUnavailableError):
        await lookout.take()
    letters.failure = None
    await lookout.take()
    assert lookout.refusal == ""
