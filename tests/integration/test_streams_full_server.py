"""Redis over its maxmemory: nothing new comes in, workers go on, there is room again."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from realtime_message.errors import LeaseLostError, StreamsFullError
from realtime_message.settings import RedisSettings
from realtime_message.streams import Streams, open_streams
from realtime_message.streams.contracts import Lease
from support.fleet import Fleet
from support.valkey_server import ValkeyServer, find_binary, unique_prefix
from support.worker_process import wait_until


@pytest.fixture(params=["default", "debian_redis"])
def server(request: pytest.FixtureRequest) -> Iterator[ValkeyServer]:
    """A server of the test's own; Redis 7.0 takes no transaction while it is full."""
    binary = find_binary() if request.param == "default" else shutil.which("redis-server")
    if binary is None:
        pytest.skip("no redis-server on PATH")
    with ValkeyServer(binary=binary) as running:
        yield running


@pytest.fixture
async def streams(server: ValkeyServer) -> AsyncIterator[Streams]:
    opened = await open_streams(
        RedisSettings(url=server.url, prefix=unique_prefix(), partition_count=2)
    )
    yield opened
    await opened.close()


def _fill(server: ValkeyServer) -> None:
    server.client().config_set("maxmemory-policy", "noeviction")
    server.client().config_set("maxmemory", "1")


async def _append(streams: Streams, *payloads: bytes) -> list[str]:
    appender = await streams.appender()
    return [(await appender.append(0, payload)).entry_id for payload in payloads]


async def _take(streams: Streams, holder: str = "w1") -> Lease:
    lease = await streams.leases.acquire(0, holder, 60)
    assert lease is not None
    return lease


async def test_partitions_are_owned_and_given_back(server: ValkeyServer, streams: Streams) -> None:
    """Members, assignment and leases take next to no room, and nothing is freed without them."""
    lease = await _take(streams)
    _fill(server)
    with pytest.raises(StreamsFullError):
        await _append(streams, b"1")
    assert (await streams.members.heartbeat("w1", 60)).members == ("w1",)
    assert await streams.members.store_assignment({0: "w1"}, 0)
    renewer = streams.renewer()
    assert await asyncio.to_thread(renewer.renew, [lease], 60) == [True]
    await asyncio.to_thread(renewer.close)
    assert await streams.leases.release(lease)
    lease = await _take(streams, "w2")
    assert await streams.leases.revoke(0, lease.epoch)


async def test_messages_are_read_acknowledged_given_up_and_trimmed(
    server: ValkeyServer, streams: Streams
) -> None:
    """Whatever becomes of a message, it is pending no more; or nothing could be trimmed."""
    ids = await _append(streams, *(b"%d" % n for n in range(5)))
    await streams._session.run("XGROUP", "DESTROY", streams.keys.stream(0), streams.keys.group(0))
    _fill(server)
    lease = await _take(streams)
    reader, parker = streams.reader(lease, "worker-w1-1"), streams.parker(lease)
    assert await reader.claim_pending(10) == []
    first, second, third = await reader.cycle([], 3)
    assert [entry.payload for entry in await reader.cycle([first.id], 10)] == [b"3", b"4"]
    assert await reader.cycle([ids[3]], 0) == []
    await reader.record_attempt(second.id, 1)
    await reader.bury(second, reason="r", error="e", attempts=1)
    await parker.park("c", "why")
    await reader.set_aside("c", third)
    (aside,) = await parker.read("c", 10)
    await parker.record_attempt("c", aside.id, 1)
    await parker.bury("c", aside.id, reason="r", error="e", attempts=1)
    assert await parker.unpark("c")
    assert await reader.cycle([ids[4]], 10) == []
    (partition, _) = await streams.inspect.partitions()
    assert (partition.pending, partition.lag) == (0, 0)
    await streams._session.run("DEL", streams.keys.stream(0))
    assert await reader.cycle([], 10) == []
    await reader.close()


async def test_reading_is_fenced_all_the_same(server: ValkeyServer, streams: Streams) -> None:
    """Also by the way that a server takes which refuses transactions."""
    await _append(streams, b"1", b"2")
    former = await _take(streams)
    reader = streams.reader(former, "worker-w1-1")
    (first,) = await reader.cycle([], 1)
    _fill(server)
    await streams.leases.revoke(0, former.epoch)
    for _ in range(2):
        with pytest.raises(LeaseLostError):
            await reader.cycle([first.id], 10)
    partition, _ = await streams.inspect.partitions()
    assert (partition.pending, partition.lag) == (1, 1)
    await reader.close()


async def test_resize_is_finished(server: ValkeyServer, streams: Streams) -> None:
    """One that stood still would hold back all that comes behind its markers."""
    view = await streams.resizer.begin(await streams.layout.read(), 1)
    _fill(server)
    view = await streams.resizer.carry_on(view)
    lease = await _take(streams)
    reader, keeper = streams.reader(lease, "worker-w1-1"), streams.gatekeeper(lease)
    (marker,) = await reader.cycle([], 10)
    await keeper.note_drained(view.generation)
    await keeper.bring_parked(view)
    await keeper.open(marker.id, view.generation)
    assert await streams.resizer.finish(view)
    await reader.close()


def test_worker_that_starts_meanwhile_handles_what_is_there(
    server: ValkeyServer, tmp_path: Path
) -> None:
    """A fleet that is started anew finds its way, too."""
    fleet = Fleet(RedisSettings(url=server.url, prefix=unique_prefix()), tmp_path)

    async def start_once() -> None:
        await (await open_streams(fleet.settings)).close()

    asyncio.run(start_once())
    try:
        for number in range(200):
            fleet.traffic.append(f"room:{number % 20}", "fail" if number == 100 else "")
        _fill(server)
        fleet.start(max_attempts=2)
        wait_until(lambda: fleet.traffic.pending_and_unread() == 0, 30)
        assert fleet.count("end") == 199
    finally:
        fleet.close()
