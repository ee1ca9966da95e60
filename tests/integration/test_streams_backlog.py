"""Back-pressure: what counts, who is refused, and for how long."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from structlog.testing import capture_logs

from realtime_message.errors import StreamsError, StreamsFullError
from realtime_message.settings import RedisSettings
from realtime_message.streams import Streams, open_streams
from realtime_message.streams.contracts import Appended, Dedup
from support.eventually import eventually
from support.valkey_server import ValkeyServer, unique_prefix


@contextlib.asynccontextmanager
async def _opened(url: str, **more: object) -> AsyncIterator[Streams]:
    values: dict[str, object] = {"partition_count": 2, "command_timeout_seconds": 10.0, **more}
    streams = await open_streams(
        RedisSettings(url=url, prefix=unique_prefix(), **values)  # type: ignore[arg-type]
    )
    try:
        yield streams
    finally:
        await streams.close()


async def _fill(streams: Streams, count: int, partition: int = 0) -> None:
    appender = await streams.appender()
    await asyncio.gather(*(appender.append(partition, b"%d" % n) for n in range(count)))


async def _handle(streams: Streams, count: int, acknowledged: int, partition: int = 0) -> None:
    """Read some entries as a worker does, and acknowledge the first of them."""
    lease = await streams.leases.acquire(partition, "w", 60)
    assert lease is not None
    reader = streams.reader(lease, "worker-w-1")
    entries = await reader.cycle([], count)
    await reader.cycle([entry.id for entry in entries[:acknowledged]], 0)
    await reader.close()


async def test_unread_and_pending_entries_count_and_handled_ones_do_not(
    valkey: ValkeyServer,
) -> None:
    """A stream full of handled entries is no backlog."""
    async with _opened(valkey.url) as streams:
        await _fill(streams, 20)
        assert (await streams.inspect.load()).entries == [20, 0]
        await _handle(streams, count=10, acknowledged=4)
        assert (await streams.inspect.load()).entries == [16, 0]
        await _handle(streams, count=10, acknowledged=10)
        assert (await streams.inspect.load()).entries == [6, 0]
        assert (await streams.inspect.partitions())[0].length == 20


async def test_without_the_workers_group_everything_is_unread(valkey: ValkeyServer) -> None:
    """A group that is gone will be made again from the beginning."""
    async with _opened(valkey.url) as streams:
        await _fill(streams, 5)
        valkey.client().xgroup_destroy(streams.keys.stream(0), streams.keys.group(0))
        valkey.client().delete(streams.keys.stream(1))
        assert (await streams.inspect.load()).entries == [5, 0]


async def test_a_full_partition_refuses_until_a_part_is_handled(valkey: ValkeyServer) -> None:
    """Over its limit a partition refuses with nothing stored, others go on; it takes messages
    again below the lower mark, and each change is one line of the log."""
    async with _opened(valkey.url, max_backlog_entries=10) as streams:
        appender, backlog = await streams.appender(), streams.backlog
        with capture_logs() as logs:
            await _fill(streams, 11)
            await backlog.sample()
            await backlog.sample()
            with pytest.raises(StreamsFullError, match=r"partition 0 .*max_backlog_entries is 10"):
                await appender.append(0, b"x", Dedup("u|c|1", b"r", 60_000))
            assert isinstance(await appender.append(1, b"x"), Appended)
            await appender.check()
            await _handle(streams, count=1, acknowledged=1)
            await backlog.sample()  # 10: not over the limit, but above the lower mark
            with pytest.raises(StreamsFullError):
                await appender.append(0, b"x")
            await _handle(streams, count=1, acknowledged=1)
            await backlog.sample()
            assert isinstance(await appender.append(0, b"x"), Appended)
        changes = [(log["event"], log["partition"]) for log in logs if "backlog." in log["event"]]
        assert changes == [("backlog.filled", 0), ("backlog.drained", 0)]
        assert (await streams.inspect.partitions())[0].length == 12


async def test_an_unknown_backlog_changes_nothing(valkey: ValkeyServer) -> None:
    """After entries were deleted the server cannot count for a while: the last answer stands."""
    async with _opened(valkey.url, max_backlog_entries=5) as streams:
        await _fill(streams, 10)
        await streams.backlog.sample()
        assert streams.backlog.refusals[0] is not None
        await _handle(streams, count=2, acknowledged=2)
        client, stream = valkey.client(), streams.keys.stream(0)
        client.xdel(stream, client.xrange(stream)[6][0])
        assert (await streams.inspect.load()).entries[0] is None
        await streams.backlog.sample()
        assert streams.backlog.refusals[0] is not None
        await _handle(streams, count=10, acknowledged=10)
        await streams.backlog.sample()
        assert streams.backlog.refusals[0] is None


async def test_without_a_limit_nothing_is_refused(valkey: ValkeyServer) -> None:
    """0 switches the limit off; the count is still known."""
    async with _opened(valkey.url, max_backlog_entries=0) as streams:
        await _fill(streams, 50)
        await streams.backlog.sample()
        assert streams.backlog.entries[0] == 50
        assert streams.backlog.refusals == [None, None]


async def test_memory_that_is_nearly_full_refuses_everywhere() -> None:
    """Above the share of maxmemory every partition refuses, before the server does; each change is
    one line of the log."""
    with ValkeyServer({"maxmemory-policy": "noeviction"}) as server:
        client = server.client()
        async with _opened(server.url, max_memory_share=0.5) as streams:
            appender, backlog = await streams.appender(), streams.backlog
            used = int(client.info("memory")["used_memory"])
            with capture_logs() as logs:
                client.config_set("maxmemory", used * 8)
                await backlog.sample()
                assert backlog.refusals == [None, None]
                assert backlog.memory_share == pytest.approx(0.125, abs=0.1)
                for n in range(used * 5 // 50_000):
                    client.rpush("ballast", b"x" * 50_000 + b"%d" % n)
                await backlog.sample()
                for partition in (0, 1):
                    with pytest.raises(StreamsFullError, match=r"max_memory_share is 0\.5"):
                        await appender.append(partition, b"x")
                client.delete("ballast")  # a large key: the server frees it in the background

                async def is_open_again() -> bool:
                    await backlog.sample()
                    return backlog.refusals == [None, None]

                await eventually(is_open_again)
                await appender.append(0, b"x")
            changes = [log["event"] for log in logs if "memory." in log["event"]]
            assert changes == ["memory.filled", "memory.freed"]


async def test_sampling_goes_on_by_itself_and_over_an_outage() -> None:
    """While there is an appender the limits are looked at, also after Redis was away."""
    with ValkeyServer(durable=True) as server:
        async with _opened(server.url, max_backlog_entries=5) as streams:
            await _fill(streams, 10)

            async def is_refusing() -> bool:
                return streams.backlog.refusals[0] is not None

            await eventually(is_refusing, within_seconds=30)
            server.kill()

            async def is_away() -> bool:
                with contextlib.suppress(StreamsError):
                    await streams.backlog.sample()
                    return False
                return True

            await eventually(is_away, within_seconds=30)
            assert await is_refusing()
            server.start()
            server.client().xgroup_setid(streams.keys.stream(0), streams.keys.group(0), "$")

            async def takes() -> bool:
                return not await is_refusing()

            await eventually(takes, within_seconds=30)


async def test_memory_that_may_not_be_seen_counts_as_unknown(valkey: ValkeyServer) -> None:
    """Without the right to INFO the backlog is limited all the same."""
    valkey.client().acl_setuser(
        "blind", enabled=True, passwords="+pw", keys="*", commands=["+@all", "-info"]
    )
    url = valkey.url.replace("redis://", "redis://blind:pw@")
    async with _opened(url, max_backlog_entries=5) as streams:
        await _fill(streams, 10)
        await streams.backlog.sample()
        assert streams.backlog.memory_share is None
        assert streams.backlog.refusals[0] is not None
        assert streams.backlog.refusals[1] is None
