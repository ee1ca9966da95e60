"""Renewing leases from a thread while the server or the connection fails."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence

import pytest

from realtime_message.errors import StreamsUnavailableError
from realtime_message.settings import RedisSettings
from realtime_message.streams import open_streams
from realtime_message.streams.contracts import Lease
from support.valkey_server import ValkeyServer, unique_prefix


@pytest.fixture
def own_server() -> Iterator[ValkeyServer]:
    server = ValkeyServer(durable=True).start()
    yield server
    server.close()


def _settings(server: ValkeyServer, timeout_seconds: float = 10.0) -> RedisSettings:
    return RedisSettings(
        url=server.url,
        prefix=unique_prefix(),
        partition_count=2,
        command_timeout_seconds=timeout_seconds,
    )


async def test_renewal_goes_on_while_the_event_loop_is_blocked(
    redis_settings: RedisSettings,
) -> None:
    """A renewer in its thread needs nothing of the loop."""
    streams = await open_streams(redis_settings)
    lease = await streams.leases.acquire(0, "w1", 60)
    assert lease is not None
    renewer = streams.renewer()
    results: list[Sequence[bool | None]] = []
    thread = threading.Thread(target=lambda: results.append(renewer.renew([lease], 60)))
    thread.start()
    thread.join()  # the loop stands still here
    assert results == [[True]]
    await asyncio.to_thread(renewer.close)
    await streams.close()


async def test_frozen_server_ends_a_renewal_within_the_deadline(own_server: ValkeyServer) -> None:
    """Nothing is known about the leases, and the next renewal works."""
    streams = await open_streams(_settings(own_server, 0.5))
    lease = await streams.leases.acquire(0, "w1", 600)
    assert lease is not None
    renewer = streams.renewer()
    assert await asyncio.to_thread(renewer.renew, [lease], 600) == [True]
    own_server.pause()
    async with asyncio.timeout(30):
        with pytest.raises(StreamsUnavailableError, match=f"127.0.0.1:{own_server.port}"):
            await asyncio.to_thread(renewer.renew, [lease], 600)
    own_server.resume()
    assert await asyncio.to_thread(renewer.renew, [lease], 600) == [True]
    await asyncio.to_thread(renewer.close)
    await streams.close()


async def test_restarted_server_keeps_leases_and_learns_the_script_again(
    own_server: ValkeyServer,
) -> None:
    """After SIGKILL and a restart the epoch is still the fence, and renewing goes on."""
    streams = await open_streams(_settings(own_server))
    held = await streams.leases.acquire(0, "w1", 600)
    assert held is not None
    renewer = streams.renewer()
    assert await asyncio.to_thread(renewer.renew, [held], 600) == [True]
    own_server.kill()
    with pytest.raises(StreamsUnavailableError):
        await asyncio.to_thread(renewer.renew, [held], 600)
    own_server.start()
    stale = Lease(0, "w1", held.epoch - 1)
    assert await asyncio.to_thread(renewer.renew, [held, stale], 600) == [True, False]
    await asyncio.to_thread(renewer.close)
    await streams.close()


async def test_renewal_after_the_script_was_flushed(own_server: ValkeyServer) -> None:
    """A server that forgot the script is taught again within the renewal."""
    streams = await open_streams(_settings(own_server))
    lease = await streams.leases.acquire(0, "w1", 600)
    assert lease is not None
    renewer = streams.renewer()
    assert await asyncio.to_thread(renewer.renew, [lease], 600) == [True]
    own_server.client().script_flush()
    assert await asyncio.to_thread(renewer.renew, [lease], 600) == [True]
    assert await streams.leases.release(lease)
    await asyncio.to_thread(renewer.close)
    await streams.close()
