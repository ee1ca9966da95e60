"""Resizing: sealed streams take nothing, appends wait for the new count, each step is fenced."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial

import msgspec
import pytest

from realtime_message.errors import LayoutMismatchError, ResizeRefusedError, StreamsUnavailableError
from realtime_message.message import Message, decode_message, encode_message
from realtime_message.partitions import partition_of
from realtime_message.settings import RedisSettings
from realtime_message.streams import Streams, open_streams
from realtime_message.streams.contracts import Appended, Dedup
from realtime_message.streams.gatekeeper import _Parked
from realtime_message.streams.layout_view import LayoutView, Phase
from realtime_message.streams.resize_run import ResizeRun
from realtime_message.streams.scripts import load_script
from realtime_message.testing.memory.streams import make_message
from support.eventually import eventually

CHANNELS = [f"room:{number}" for number in range(12)]


def channel_moving(before: int, after: int) -> str:
    """Return a channel whose partition changes."""
    return next(c for c in CHANNELS if partition_of(c, before) != partition_of(c, after))


async def messages(streams: Streams, partition: int) -> list[Message]:
    """Return the messages in a stream, without markers."""
    rows = await streams._session.run("XRANGE", streams.keys.stream(partition), "-", "+")
    return [decode_message(fields[1]) for _, fields in rows if fields[0] == b"payload"]


async def switch(streams: Streams, count: int) -> LayoutView:
    """Change the count, up to where publishers go by it."""
    return await ResizeRun(streams.resizer, streams.planner, lambda _: None).switch(count)


async def finish(streams: Streams, view: LayoutView) -> None:
    """Go through every gate, as workers without anything to do would."""
    for partition in range(view.covered_count):
        lease = await streams.leases.acquire(partition, "w", 60)
        assert lease is not None
        reader = streams.reader(lease, "worker-w-1")
        entries = [*await reader.claim_pending(1000), *await reader.cycle([], 1000)]
        keeper = streams.gatekeeper(lease)
        await keeper.note_drained(view.generation)
        await keeper.bring_parked(view)
        for entry in entries:
            if entry.generation == view.generation:
                await keeper.open(entry.id, view.generation)
        await reader.cycle([entry.id for entry in entries if not entry.generation], 0)
        await reader.close()
    assert await streams.resizer.finish(view)


class Publisher:
    """Appends numbered messages to a channel by the count that it knows, without waiting."""

    def __init__(self, streams: Streams) -> None:
        self._streams = streams
        self._number = 0
        self._outcomes: dict[int, Appended | Exception] = {}

    @property
    def outcomes(self) -> list[Appended | Exception]:
        """What became of each message, in the order of their submission."""
        return [outcome for _, outcome in sorted(self._outcomes.items())]

    async def submit(self, channel: str, dedup: Dedup | None = None) -> None:
        appender = await self._streams.appender()
        partition = partition_of(channel, appender.partition_count)
        self._number += 1
        payload = encode_message(make_message(channel, str(self._number), 0, partition))
        told = partial(self._outcomes.__setitem__, self._number)
        appender.submit(partition, payload, told, dedup)

    async def submit_until_appended(self, channel: str) -> int:
        """Try again while the connection is being replaced; return the number that got through."""
        while True:
            await self.submit(channel)
            await self.wait()
            if isinstance(self.outcomes[-1], Appended):
                return self._number
            await asyncio.sleep(0.01)

    async def wait(self) -> None:
        async def are_all_there() -> bool:
            return len(self.outcomes) == self._number

        await eventually(are_all_there)


@pytest.fixture
def streams(server_streams: Streams) -> Streams:
    """Only a server is resized."""
    return server_streams


@pytest.fixture
async def other(streams: Streams) -> AsyncIterator[Streams]:
    """The streams as a second process sees them."""
    opened = await open_streams(streams.settings)
    yield opened
    await opened.close()


async def test_appends_wait_for_the_switch_and_go_by_the_new_count(
    streams: Streams, other: Streams
) -> None:
    """What meets a sealed stream, and all after it, lands by the new count, in order."""
    publisher = Publisher(other)
    for channel in CHANNELS:
        await publisher.submit(channel)
    await publisher.wait()
    view = await streams.resizer.begin(await streams.layout.read(), 5)
    await streams.resizer._seal(view)
    for _ in range(3):
        for channel in CHANNELS:
            await publisher.submit(channel)
        await asyncio.sleep(0.02)  # so that some are sent and come back, and some wait behind them
    assert len(publisher.outcomes) == len(CHANNELS)
    await streams.resizer.carry_on(await streams.layout.read())
    await publisher.wait()
    assert all(isinstance(outcome, Appended) for outcome in publisher.outcomes)
    await publisher.submit(CHANNELS[0])
    await publisher.wait()
    for place, channel in enumerate(CHANNELS):
        first, *later = range(place + 1, len(CHANNELS) * 4 + 1 + (not place), len(CHANNELS))
        before, after = partition_of(channel, 2), partition_of(channel, 5)
        numbers = [int(m.text) for m in await messages(streams, after) if m.channel == channel]
        assert numbers == ([first, *later] if before == after else later)
        assert {m.partition_id for m in await messages(streams, after)} == {after}
        assert first in [int(m.text) for m in await messages(streams, before)]


async def test_nobody_comes_is_a_temporary_error_and_nothing_is_stored(streams: Streams) -> None:
    """While streams stay sealed, an append ends with a temporary error within its time."""
    settings = msgspec.structs.replace(streams.settings, command_timeout_seconds=0.2)
    impatient = await open_streams(settings)
    publisher = Publisher(impatient)
    view = await streams.resizer.begin(await streams.layout.read(), 5)
    for partition in range(5):
        await streams._session.run_script(
            load_script("stream_seal"),
            [streams.keys.stream(partition), streams.keys.generations(partition)],
            [view.last_generation, streams.keys.group(partition)],
        )
    await publisher.submit("room:1")
    await publisher.wait()
    assert isinstance(publisher.outcomes[0], StreamsUnavailableError)
    await streams.resizer.undo(await streams.layout.read())
    number = await publisher.submit_until_appended("room:1")
    stored = [*await messages(streams, 0), *await messages(streams, 1)]
    assert [message.text for message in stored] == [str(number)]
    await impatient.close()


async def test_undone_resize_leaves_the_old_count_and_markers_that_mean_nothing(
    streams: Streams, other: Streams
) -> None:
    """The generation of the markers is never reached, not by the next resize either."""
    publisher = Publisher(other)
    view = await streams.resizer.begin(await streams.layout.read(), 5)
    after = await streams.resizer.undo(view)
    assert (after.partition_count, after.phase) == (2, Phase.stable)
    assert after.generation > view.last_generation
    for channel in CHANNELS:
        await publisher.submit(channel)
    await publisher.wait()
    again = await switch(streams, 3)
    assert again.generation > after.generation
    await finish(streams, again)
    assert (await streams.layout.read()).is_stable


async def test_sealing_and_opening_that_come_late_do_nothing(streams: Streams) -> None:
    """One that stood still while others went on neither seals nor opens a stream any more."""
    late_seal = await streams.resizer.begin(await streams.layout.read(), 3)
    await streams.resizer.undo(late_seal)
    await streams.resizer._seal(late_seal)
    assert (await streams.layout.read()).phase is Phase.stable
    publisher = Publisher(streams)
    await publisher.submit("room:1")
    await publisher.wait()
    assert isinstance(publisher.outcomes[0], Appended)
    switched = await switch(streams, 3)
    await finish(streams, switched)
    sealing = await streams.resizer.begin(await streams.layout.read(), 2)
    await streams._session.run_script(
        load_script("stream_seal"),
        [streams.keys.stream(0), streams.keys.generations(0)],
        [sealing.last_generation, streams.keys.group(0)],
    )
    late_open = msgspec.structs.replace(switched, phase=Phase.fencing)
    await streams.resizer._open(late_open)
    with pytest.raises(StreamsUnavailableError, match="exhausted"):
        await streams._session.run("XADD", streams.keys.stream(0), "*", "payload", "x")
    await streams.resizer.undo(await streams.layout.read())


async def test_what_only_looks_like_a_marker_is_followed_by_one(streams: Streams) -> None:
    """Another writer's entry may have the field; without a marker the resize would stand still."""
    sealing = await streams.resizer.begin(await streams.layout.read(), 2)
    stream, generation = streams.keys.stream(0), sealing.last_generation
    await streams._session.run("XADD", stream, "*", "layout", generation, "payload", "p")
    for _ in range(2):
        await streams.resizer._seal(sealing)
    rows = await streams._session.run("XRANGE", stream, "-", "+")
    assert [len(fields) for _, fields in rows] == [4, 2]


async def test_connection_that_was_away_is_cut_off(streams: Streams, other: Streams) -> None:
    """A publisher that noticed nothing finds its connection closed, and goes by the new count."""
    publisher = Publisher(other)
    channel = channel_moving(2, 7)
    await publisher.submit(channel)
    await publisher.wait()
    view = await switch(streams, 7)
    # One look: the publisher may connect again between two.
    found = await streams.planner._fence.publishers()
    assert found == [p for p in found if p.generation == view.generation]
    await publisher.submit_until_appended(channel)
    (message,) = await messages(streams, partition_of(channel, 7))
    assert message.partition_id == partition_of(channel, 7)


async def test_second_resize_is_refused_while_one_is_under_way(streams: Streams) -> None:
    """Another count is refused with what to do; the same one is carried on."""
    view = await streams.resizer.begin(await streams.layout.read(), 5)
    with pytest.raises(ResizeRefusedError, match=r"resize 5` to carry it on"):
        await switch(streams, 6)
    view = await switch(streams, 5)
    with pytest.raises(ResizeRefusedError, match="too late"):
        await switch(streams, 6)
    with pytest.raises(ResizeRefusedError, match="too late to give"):
        await ResizeRun(streams.resizer, streams.planner, lambda _: None).undo()
    assert (await switch(streams, 5)).phase is Phase.draining
    await finish(streams, view)
    with pytest.raises(ResizeRefusedError, match="5 partitions already"):
        await switch(streams, 5)
    with pytest.raises(ResizeRefusedError, match="no resize is under way"):
        await ResizeRun(streams.resizer, streams.planner, lambda _: None).undo()


async def test_forsaken_resize_is_rescued_by_its_phase(
    streams: Streams, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the switch it is given up, after it carried on; one that is young is left alone."""
    view = await streams.resizer.begin(await streams.layout.read(), 3)
    await streams.resizer.rescue(view)
    assert (await streams.layout.read()).phase is Phase.sealing
    monkeypatch.setattr("realtime_message.streams.resize.FORSAKEN_SECONDS", 0.0)
    await streams.resizer.rescue(await streams.layout.read())
    assert (await streams.layout.read()).is_stable
    await streams.resizer._seal(await streams.resizer.begin(await streams.layout.read(), 3))
    assert (await streams.layout.read()).phase is Phase.fencing
    await streams.resizer.rescue(await streams.layout.read())
    after = await streams.layout.read()
    assert (after.partition_count, after.phase) == (3, Phase.draining)


async def test_process_set_up_before_a_resize_follows_the_stored_count(streams: Streams) -> None:
    """The former count is let in; a number that never was is refused with the one to set."""
    await finish(streams, await switch(streams, 3))
    former = await open_streams(streams.settings)
    assert former.partition_count == 3
    assert former.layout.view.ever_count == 3
    await former.close()
    never = RedisSettings(
        url=streams.settings.url, prefix=streams.settings.prefix, partition_count=4
    )
    with pytest.raises(LayoutMismatchError, match=r"is 4, but .* resized to 3: set it to 3"):
        await open_streams(never)


async def test_parked_channel_moves_with_all_that_was_set_aside(streams: Streams) -> None:
    """Its entries keep ids and order; bringing it over again adds nothing."""
    channel = channel_moving(2, 5)
    source, target = partition_of(channel, 2), partition_of(channel, 5)
    publisher = Publisher(streams)
    for _ in range(5):
        await publisher.submit(channel)
    await publisher.wait()
    lease = await streams.leases.acquire(source, "w", 60)
    assert lease is not None
    reader = streams.reader(lease, "worker-w-1")
    parker = streams.parker(lease)
    await parker.park(channel, "why")
    for entry in await reader.cycle([], 100):
        await reader.set_aside(channel, entry)
    before = await parker.read(channel, 100)
    assert await streams.parked_channels.resume(source, channel)
    await reader.close()
    view = await switch(streams, 5)
    taken = await streams.leases.acquire(target, "w", 60)
    owner = await streams.leases.acquire(source, "w", 60)
    assert taken is not None
    assert owner is not None
    await streams.gatekeeper(owner).note_drained(view.generation)
    keeper = streams.gatekeeper(taken)
    left = _Parked(streams.keys, source, channel.encode())
    await keeper._copy(left, channel.encode(), 2)  # interrupted here
    await keeper.bring_parked(view)
    await keeper.bring_parked(view)
    assert await streams.parker(taken).read(channel, 100) == before
    (moved,) = await streams.parked_channels.list_all()
    assert (moved.channel, moved.partition, moved.is_resuming) == (channel, target, True)
    assert (moved.reason, moved.entry_count) == ("why", 5)


async def test_resends_are_one_message_across_resizes(streams: Streams, other: Streams) -> None:
    """Who resends after the partition has changed, even twice, gets what the first append got."""
    channel = next(c for c in CHANNELS if len({partition_of(c, n) for n in (2, 5, 3)}) == 3)
    publisher = Publisher(other)
    dedups = [Dedup(f"{channel}|{n}", f"reply {n}".encode(), 60_000) for n in range(2)]
    await publisher.submit(channel, dedups[0])
    await publisher.wait()
    view = await switch(streams, 5)
    await publisher.submit(channel, dedups[1])  # another message: it is appended
    await publisher.submit(channel, dedups[0])
    await publisher.submit(channel)
    await publisher.wait()
    first, second, again, last = publisher.outcomes
    assert isinstance(first, Appended)
    assert again == Appended(first.entry_id, b"reply 0")
    assert isinstance(second, Appended)
    assert not second.is_duplicate
    assert isinstance(last, Appended)
    assert [m.text for m in await messages(streams, partition_of(channel, 5))] == ["2", "4"]
    await finish(streams, view)
    await finish(streams, await switch(streams, 3))
    late = await open_streams(streams.settings)  # has not seen any of it
    latest = Publisher(late)
    for dedup in dedups:
        await latest.submit(channel, dedup)
    await latest.wait()
    assert latest.outcomes == [
        Appended(first.entry_id, b"reply 0"),
        Appended(second.entry_id, b"reply 1"),
    ]
    assert await messages(streams, partition_of(channel, 3)) == []
    await late.close()


async def test_order_is_kept_while_resends_are_looked_for(streams: Streams, other: Streams) -> None:
    """What needs no look does not overtake what does."""
    await finish(streams, await switch(streams, 5))
    publisher = Publisher(other)
    channel = channel_moving(2, 5)
    await publisher.submit_until_appended(channel)
    for number in range(200):
        dedup = Dedup(f"{channel}|{number}", b"r", 60_000) if number % 3 else None
        await publisher.submit(channel, dedup)
        if number % 20 == 0:
            await asyncio.sleep(0.001)
    await publisher.wait()
    stored = [int(m.text) for m in await messages(streams, partition_of(channel, 5))]
    appended = [n + 1 for n, o in enumerate(publisher.outcomes) if isinstance(o, Appended)]
    assert stored == sorted(stored) == appended
    assert len(stored) >= 200


async def test_asking_for_nothing_is_answered(streams: Streams) -> None:
    """No commands, no replies, and the connection is as good as before."""
    assert await streams._session.call() == []
    assert await streams.resizer.undrained(await streams.layout.read()) == []
