"""Rates and ages of partitions."""

from __future__ import annotations

import asyncio

from realtime_message.streams import Streams


async def test_rates_and_age_are_those_of_the_time_between(server_streams: Streams) -> None:
    """What came and what was handled while it was measured, and how long the oldest has waited."""
    streams = server_streams
    appender = await streams.appender()
    for _ in range(3):
        await appender.append(0, b"x")
    lease = await streams.leases.acquire(0, "w", 60)
    assert lease is not None
    reader = streams.reader(lease, "worker-w-1")
    entries = await reader.cycle([], 2)
    measuring = asyncio.create_task(streams.flow.measure(0.5))
    await asyncio.sleep(0.1)
    for _ in range(5):
        await appender.append(0, b"x")
    await reader.cycle([entry.id for entry in entries], 0)
    busy, idle = await measuring
    await reader.close()
    assert busy.appended_per_second is not None
    assert busy.handled_per_second is not None
    assert 0 < busy.handled_per_second < busy.appended_per_second <= 10
    assert busy.oldest_seconds is not None
    assert busy.oldest_seconds >= 0.5
    assert (idle.appended_per_second, idle.handled_per_second) == (0, 0)
    assert idle.oldest_seconds is None


async def test_pending_entry_is_older_than_unread_ones(server_streams: Streams) -> None:
    """What was read and never acknowledged counts; one look measures no rate."""
    streams = server_streams
    stream = streams.keys.stream(0)
    for entry_id in ("1000-0", "2000-0"):
        await streams._session.run("XADD", stream, entry_id, "payload", "x")
    lease = await streams.leases.acquire(0, "w", 60)
    assert lease is not None
    reader = streams.reader(lease, "worker-w-1")
    await reader.cycle([], 1)
    now = await streams.dead_letters.now()
    view, _ = await streams.flow.measure(0)
    await reader.close()
    assert view.appended_per_second is None
    assert view.oldest_seconds is not None
    assert now - 1 <= view.oldest_seconds <= now + 5


async def test_stream_that_is_not_there_is_no_error(server_streams: Streams) -> None:
    """As before the first start."""
    streams = server_streams
    await streams._session.run("DEL", streams.keys.stream(0))
    view, _ = await streams.flow.measure(0.01)
    assert (view.oldest_seconds, view.appended_per_second) == (None, None)
