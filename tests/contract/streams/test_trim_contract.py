"""Trimming removes handled entries only."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from realtime_message.settings import RedisSettings
from realtime_message.streams import Streams, open_streams
from realtime_message.streams.session import Session
from realtime_message.testing import MemoryStreams
from support.streams_outside import AnyStreams, entry_ids
from support.valkey_server import ValkeyServer, unique_prefix


async def _fill(streams: AnyStreams, count: int) -> list[str]:
    appender = await streams.appender()
    done = await asyncio.gather(*(appender.append(0, b"%d" % n) for n in range(count)))
    return [appended.entry_id for appended in done]


async def _handle(streams: AnyStreams, count: int, but: frozenset[int] = frozenset()) -> None:
    """Read some entries and acknowledge them, but for those at some places."""
    lease = await streams.leases.acquire(0, "w", 60)
    assert lease is not None
    reader = streams.reader(lease, "worker-w-1")
    entries = await reader.cycle([], count) if count else []
    await reader.cycle([entry.id for n, entry in enumerate(entries) if n not in but], 0)
    await reader.close()


async def test_handled_entries_are_removed(streams: AnyStreams) -> None:
    """Handled entries older than the retention go, in whole blocks."""
    await _fill(streams, 1000)
    await _handle(streams, 1000)
    removed = await streams.trimmer.trim(0, 0)
    assert removed >= 500
    assert len(await entry_ids(streams, 0)) == 1000 - removed


async def test_young_entries_stay(streams: AnyStreams) -> None:
    """Handled entries within the retention stay."""
    await _fill(streams, 1000)
    await _handle(streams, 1000)
    assert await streams.trimmer.trim(0, 3600) == 0


async def test_stream_without_groups_is_left_alone(server_streams: Streams) -> None:
    """Where nobody reads, nothing counts as handled; a missing stream is no error."""
    streams = server_streams
    await _fill(streams, 500)
    await streams._session.run("XGROUP", "DESTROY", streams.keys.stream(0), streams.keys.group(0))
    assert await streams.trimmer.trim(0, 0) == 0
    await streams._session.run("DEL", streams.keys.stream(0))
    assert await streams.trimmer.trim(0, 0) == 0


async def test_entries_that_another_group_has_not_read_stay(server_streams: Streams) -> None:
    """A group of another system holds back the trimming with what it has not handled."""
    streams = server_streams
    ids = await _fill(streams, 1000)
    stream = streams.keys.stream(0)
    await streams._session.run("XGROUP", "CREATE", stream, "audit", ids[99])
    await _handle(streams, 1000)
    await streams.trimmer.trim(0, 0)
    assert set(ids[100:]) <= set(await entry_ids(streams, 0))


async def test_handled_entries_beyond_the_length_go_however_young(streams: AnyStreams) -> None:
    """Exactly those, the oldest first; at once, however many."""
    ids = await _fill(streams, 2500)
    await _handle(streams, 2500)
    assert await streams.trimmer.trim(0, 3600, 2400) == 100
    assert await streams.trimmer.trim(0, 3600, 10) == 2390
    assert await entry_ids(streams, 0) == ids[-10:]
    assert await streams.trimmer.trim(0, 3600, 10) == 0


async def test_large_entries_are_removed_in_small_steps(
    server_streams: Streams, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To find where the surplus ends it is read: a few megabytes, or the server stands still."""
    streams, steps = server_streams, []
    for size in (100_000, 5_000_000, *[100_000] * 40):
        await streams._session.run("XADD", streams.keys.stream(0), "*", "payload", b"x" * size)
    await _handle(streams, 42)
    run_script = Session.run_script

    async def watch(self: Session, *call: object) -> list[int]:
        steps.append(await run_script(self, *call))
        return steps[-1]

    monkeypatch.setattr(Session, "run_script", watch)
    assert await streams.trimmer.trim(0, 3600, 2) == 40
    assert len(await entry_ids(streams, 0)) == 2
    assert max(removed for removed, _ in steps) < 30


async def test_unread_and_pending_entries_stay_whatever_the_length(streams: AnyStreams) -> None:
    """A limit that does not fit what waits removes what it may, and no more."""
    ids = await _fill(streams, 50)
    await _handle(streams, 30, frozenset([20]))
    assert await streams.trimmer.trim(0, 3600, 5) == 20
    assert await entry_ids(streams, 0) == ids[20:]


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    read=st.integers(0, 600),
    kept=st.frozensets(st.integers(0, 599), max_size=5),
    other_group=st.none() | st.integers(0, 599),
    max_length=st.sampled_from([0, 1, 100, 590]),
)
def test_what_is_pending_or_unread_anywhere_is_never_trimmed(
    valkey: ValkeyServer,
    read: int,
    kept: frozenset[int],
    other_group: int | None,
    max_length: int,
) -> None:
    """However far the groups have read, trimming to nothing leaves all that any of them needs."""

    async def run() -> None:
        config = RedisSettings(
            url=valkey.url, prefix=unique_prefix(), partition_count=1, command_timeout_seconds=10.0
        )
        streams = await open_streams(config)
        try:
            ids = await _fill(streams, 600)
            await _handle(streams, read, kept)
            needed = {entry_id for n, entry_id in enumerate(ids) if n >= read or n in kept}
            if other_group is not None:
                stream = streams.keys.stream(0)
                await streams._session.run("XGROUP", "CREATE", stream, "audit", ids[other_group])
                needed |= set(ids[other_group + 1 :])
            await streams.trimmer.trim(0, 3600 if max_length else 0, max_length)
            assert needed <= set(await entry_ids(streams, 0))
        finally:
            await streams.close()

    asyncio.run(run())


@settings(max_examples=100, deadline=None)
@given(read=st.integers(0, 60), kept=st.frozensets(st.integers(0, 59), max_size=5))
def test_the_same_in_memory(read: int, kept: frozenset[int]) -> None:
    """Streams in memory remove exactly what is handled up to the first entry that is not."""

    async def run() -> None:
        streams = MemoryStreams(1, lambda: 1000.0)
        ids = await _fill(streams, 60)
        await _handle(streams, read, kept)
        first_needed = min([read, *kept], default=read)
        assert await streams.trimmer.trim(0, -1) == first_needed
        assert await entry_ids(streams, 0) == ids[first_needed:]

    asyncio.run(run())
