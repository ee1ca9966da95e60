"""One overview of a real server: what it shows, what it costs, and servers that fail."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from realtime_message.console.overview import MAX_PARKED, OverviewTaker
from realtime_message.console.overview_keeper import OverviewKeeper
from realtime_message.settings import RedisSettings
from realtime_message.streams import Streams, open_streams
from support.eventually import eventually
from support.valkey_server import ValkeyServer


@pytest.fixture
async def streams(redis_settings: RedisSettings) -> AsyncIterator[Streams]:
    """Eight partitions of the test's own."""
    streams = await open_streams(redis_settings)
    yield streams
    await streams.close()


async def test_overview_shows_what_is_there(streams: Streams) -> None:
    """Entries, owner, workers, a dead letter, a parked channel; no rates at the first look."""
    appender = await streams.appender()
    for number in range(3):
        await appender.append(0, b"%d" % number)
    lease = await streams.leases.acquire(0, "ada", 60)
    assert lease is not None
    await streams.members.heartbeat("ada", 60)
    await streams.members.store_assignment({0: "ada", 1: "gone"}, 0)
    reader = streams.reader(lease, "worker-ada-1")
    first, second = await reader.cycle([], 2)
    await reader.bury(first, reason="r", error="e", attempts=5)
    await streams.parker(lease).park("chat:1", "broken")
    await reader.set_aside("chat:1", second)
    await reader.close()
    overview = await OverviewTaker(streams).take()
    row, *idle = overview.partitions
    assert len(idle) == 7
    assert (row.owner, row.unhandled, row.view.dead_letters) == ("ada", 1, 1)
    assert (overview.unhandled, overview.dead_letters, overview.set_aside) == (1, 1, 1)
    assert overview.oldest_seconds is not None
    assert overview.appended_per_second is None
    (worker,) = overview.workers
    assert (worker.name, worker.is_alive, worker.holds, worker.assigned) == ("ada", True, [0], [0])
    (parked,) = overview.parked
    assert (parked.channel, parked.reason, parked.entry_count) == ("chat:1", "broken", 1)
    assert overview.memory.used_bytes
    assert overview.layout.is_stable


async def test_rates_are_those_between_two_looks(streams: Streams) -> None:
    """What came and what was handled, summed over the partitions."""
    taker = OverviewTaker(streams)
    await taker.take()
    appender = await streams.appender()
    for partition in (0, 1):
        await appender.append(partition, b"x")
    lease = await streams.leases.acquire(0, "ada", 60)
    assert lease is not None
    reader = streams.reader(lease, "worker-ada-1")
    (entry,) = await reader.cycle([], 10)
    await reader.cycle([entry.id], 10)
    await reader.close()
    overview = await taker.take()
    assert overview.appended_per_second is not None
    assert overview.handled_per_second is not None
    assert 0 < overview.handled_per_second < overview.appended_per_second
    assert overview.partitions[2].flow.appended_per_second == 0
    again = await taker.take()
    assert (again.appended_per_second, again.handled_per_second) == (0, 0)


async def test_look_at_an_empty_server_finds_nothing(redis_settings: RedisSettings) -> None:
    """Nothing was started yet: partitions as set, and nothing is made by looking."""
    streams = Streams(redis_settings)
    overview = await OverviewTaker(streams).take()
    assert len(overview.partitions) == 8
    assert (overview.unhandled, overview.workers, overview.oldest_seconds) == (0, (), None)
    prefix = redis_settings.prefix
    assert await streams._session.run("EXISTS", *map(streams.keys.stream, range(8))) == 0
    assert await streams._session.run("EXISTS", streams.keys.layout) == 0, prefix
    await streams.close()


async def test_look_costs_what_is_documented() -> None:
    """Nine commands per partition and some more; no search for keys."""
    with ValkeyServer() as server:
        streams = await open_streams(RedisSettings(url=server.url, partition_count=32))
        taker = OverviewTaker(streams)
        await taker.take()
        client = server.client()
        client.config_resetstat()
        await taker.take()
        calls = {
            name.removeprefix("cmdstat_"): stat["calls"]
            for name, stat in client.info("commandstats").items()
        }
        await streams.close()
    per_partition = ["xlen", "xinfo|groups", "xinfo|stream", "xpending", "hmget", "pttl"]
    assert [calls[name] for name in per_partition] == [64, 64, 32, 32, 32, 32]
    # The set of members is a ZRANGE too.
    assert calls["zrange"] == 33
    assert not {"keys", "scan", "xrange"} & set(calls)


async def test_parked_channels_are_bounded(streams: Streams) -> None:
    """However many there are, a look names some and says that there are more."""
    lease = await streams.leases.acquire(3, "ada", 60)
    assert lease is not None
    parker = streams.parker(lease)
    for number in range(MAX_PARKED + 1):
        await parker.park(f"chat:{number}")
    overview = await OverviewTaker(streams).take()
    assert (len(overview.parked), overview.has_more_parked) == (MAX_PARKED, True)
    assert await parker.unpark("chat:0")
    overview = await OverviewTaker(streams).take()
    assert (len(overview.parked), overview.has_more_parked) == (MAX_PARKED, False)
    assert len(await streams.parked_channels.list_all()) == MAX_PARKED


@pytest.mark.parametrize("how", ["killed", "frozen"])
async def test_last_overview_stays_while_redis_is_away(how: str) -> None:
    """Killed or frozen: the reason is told, what was seen stays; then it recovers."""
    with ValkeyServer() as server:
        streams = await open_streams(RedisSettings(url=server.url))
        await (await streams.appender()).append(0, b"x")
        keeper = OverviewKeeper(OverviewTaker(streams).take, streams.where)
        before = (await keeper.look()).overview
        assert before is not None
        if how == "killed":
            server.kill()
        else:
            server.pause()
        kept = await keeper.look()
        assert f"Redis at {streams.where} could not be reached" in kept.failure
        assert kept.overview == before
        if how == "killed":
            server.start()
        else:
            server.resume()

        async def recovered() -> bool:
            return (await keeper.look()).is_current

        await eventually(recovered)
        assert keeper.kept.overview is not None
        assert keeper.kept.overview.unhandled == 1
        await streams.close()


async def test_refused_login_is_told() -> None:
    """A password that is wrong, with what to correct; the password is not in it."""
    with ValkeyServer({"requirepass": "right"}) as server:
        url = f"redis://:wrong-one@127.0.0.1:{server.port}/0"
        streams = Streams(RedisSettings(url=url))
        kept = await OverviewKeeper(OverviewTaker(streams).take, streams.where).look()
        assert "refused the login" in kept.failure
        assert "wrong-one" not in kept.failure
        await streams.close()
