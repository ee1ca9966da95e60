"""The stored layout: a process with another one must not start."""

import asyncio

import pytest

from realtime_message.errors import LayoutMismatchError
from realtime_message.settings import RedisSettings
from realtime_message.streams import Streams, open_streams
from support.valkey_server import ValkeyServer


@pytest.fixture
def streams(server_streams: Streams) -> Streams:
    """Only a server keeps a layout."""
    return server_streams


async def test_same_layout_starts_again(streams: Streams) -> None:
    """A second process with the same settings starts, and changes nothing."""
    appender = await streams.appender()
    await appender.append(0, b"x")
    second = await open_streams(streams.settings)
    assert [p.length for p in await second.inspect.partitions()] == [1, 0]
    await second.close()


async def test_other_partition_count_is_refused(streams: Streams) -> None:
    """Another partition count is refused with both numbers and what to do."""
    other = RedisSettings(
        url=streams.settings.url, prefix=streams.settings.prefix, partition_count=16
    )
    with pytest.raises(LayoutMismatchError, match=r"partition_count is 16, but .* with 2: set it"):
        await open_streams(other)


async def test_other_hash_is_refused(streams: Streams) -> None:
    """Another partition rule is refused by name."""
    await streams._session.run("HSET", streams.keys.layout, "hash", "crc32")
    with pytest.raises(LayoutMismatchError, match="'crc32'"):
        await open_streams(streams.settings)


async def test_simultaneous_first_starts_agree(server: ValkeyServer, streams: Streams) -> None:
    """Of first starts with different settings at once, only one layout wins."""
    prefix = f"{streams.settings.prefix}-race"
    starts = await asyncio.gather(
        *(
            open_streams(RedisSettings(url=server.url, prefix=prefix, partition_count=count))
            for count in (1, 2, 3, 1, 2, 3)
        ),
        return_exceptions=True,
    )
    opened = [start for start in starts if isinstance(start, Streams)]
    assert len({start.partition_count for start in opened}) == 1
    assert len(opened) == 2
    for start in opened:
        await start.close()


async def test_groups_are_made_at_the_start_from_the_beginning(streams: Streams) -> None:
    """Every partition has the workers' group, which has read nothing; making it again is fine."""
    await streams.layout.ensure()
    for view in await streams.inspect.partitions():
        assert [group.name for group in view.groups] == [streams.keys.group(view.partition)]
        assert view.groups[0].last_read == "0-0"
