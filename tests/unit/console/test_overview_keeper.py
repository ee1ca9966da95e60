"""What is kept of the latest overview while Redis answers, and while it does not."""

from __future__ import annotations

import asyncio

import pytest

from realtime_message.console.overview import Overview
from realtime_message.console.overview_keeper import KeptOverview, OverviewKeeper
from realtime_message.errors import StreamsError, StreamsUnavailableError
from realtime_message.streams.inspect import MemoryView
from realtime_message.streams.layout_view import LayoutView
from realtime_message.streams.member_contracts import MemberView
from realtime_message.streams.server_errors import LoginRefusedError

WHERE = "redis://example:6379"


def make_overview(partition_count: int = 1) -> Overview:
    """Return an overview of a system in which nothing is."""
    return Overview(
        layout=LayoutView(partition_count=partition_count),
        partitions=(),
        members=MemberView((), {}, 0),
        workers=(),
        parked=(),
        has_more_parked=False,
        memory=MemoryView(used_bytes=None, share=None),
    )


class Redis:
    """Answers looks, or fails them, at a time that the test sets."""

    def __init__(self) -> None:
        self.now = 100.0
        self.failure: StreamsError | None = None
        self.is_frozen = False
        self.looks = 0

    async def take(self) -> Overview:
        self.looks += 1
        if self.is_frozen:
            await asyncio.Event().wait()
        if self.failure is not None:
            raise self.failure
        return make_overview(self.looks)

    def keeper(self) -> OverviewKeeper:
        return OverviewKeeper(self.take, WHERE, lambda: self.now, look_seconds=0.01)


async def test_overview_ages_until_the_next_look() -> None:
    """Nothing is known before the first look; then the overview has an age."""
    redis = Redis()
    keeper = redis.keeper()
    assert (keeper.age_seconds, keeper.kept) == (None, KeptOverview())
    assert not keeper.kept.is_current
    await keeper.look()
    redis.now += 3
    assert keeper.age_seconds == 3
    assert keeper.kept.is_current
    await keeper.look()
    assert keeper.age_seconds == 0
    assert keeper.kept.overview == make_overview(2)


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        (
            StreamsUnavailableError(f"Redis at {WHERE}: Connection refused"),
            f"Redis at {WHERE} could not be reached (Connection refused): start it, or",
        ),
        (
            LoginRefusedError(f"Redis at {WHERE}: WRONGPASS"),
            f"Redis at {WHERE} refused the login (WRONGPASS): correct user and password in",
        ),
    ],
)
async def test_failed_look_leaves_the_last_overview(failure: StreamsError, told: str) -> None:
    """Its age grows, the reason says what to do, and the time of failing counts from the first."""
    redis = Redis()
    keeper = redis.keeper()
    await keeper.look()
    redis.failure = failure
    redis.now += 2
    await keeper.look()
    redis.now += 5
    kept = await keeper.look()
    assert kept.overview == make_overview(1)
    assert kept.failure.startswith(told)
    assert not kept.is_current
    assert (keeper.age_seconds, keeper.failing_seconds) == (7, 5)
    redis.failure = None
    kept = await keeper.look()
    assert (kept.failure, keeper.age_seconds, keeper.failing_seconds) == ("", 0, 0)
    assert kept.overview == make_overview(4)


async def test_server_that_does_not_answer_is_a_failure() -> None:
    """A look ends in time."""
    redis = Redis()
    redis.is_frozen = True
    kept = await redis.keeper().look()
    assert kept.failure == f"Redis at {WHERE} took more than 0.01 s to answer"
    assert kept.overview is None


async def test_keeper_goes_on_looking_through_failures() -> None:
    """Each look is told, failed ones too."""
    redis = Redis()
    redis.failure = StreamsUnavailableError("Redis answered: LOADING")
    keeper = redis.keeper()
    told: list[bool] = []
    recovered = asyncio.Event()

    def note(kept: KeptOverview) -> None:
        told.append(kept.is_current)
        if len(told) == 2:
            redis.failure = None
        if kept.is_current:
            recovered.set()

    looking = asyncio.create_task(keeper.keep_looking(0.001, note))
    await asyncio.wait_for(recovered.wait(), 10)
    looking.cancel()
    await asyncio.gather(looking, return_exceptions=True)
    assert told[:3] == [False, False, True]
