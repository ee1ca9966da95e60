"""Traces beside payloads: they stay with the entry, and harm nobody."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from realtime_message.message import encode_message
from realtime_message.partitions import partition_of
from realtime_message.settings import RedisSettings
from realtime_message.streams import Streams, open_streams
from realtime_message.streams.contracts import Appended, Dedup, Entry
from realtime_message.streams.letter_selection import LetterPlace
from realtime_message.streams.trace_contracts import trace_of
from realtime_message.telemetry.trace_context import TraceContext
from realtime_message.testing import MemoryStreams
from realtime_message.testing.memory.streams import make_message
from support.eventually import eventually
from support.streams_outside import AnyStreams
from support.taken_partition import Partition
from support.valkey_server import unique_prefix

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
TRACE = TraceContext(PARENT, "vendor=a")
FIELDS = [b"traceparent", PARENT.encode(), b"tracestate", b"vendor=a"]


@pytest.fixture
async def server_streams(server) -> AsyncIterator[Streams]:
    """Streams whose readers look for traces."""
    settings = RedisSettings(
        url=server.url, prefix=unique_prefix(), partition_count=2, command_timeout_seconds=10.0
    )
    opened = await open_streams(settings, keeps_traces=True)
    yield opened
    await opened.close()


@pytest.fixture(params=["valkey", "debian_redis", "redis_8", "cluster", "sentinel", "memory"])
async def any_streams(request) -> AsyncIterator[AnyStreams]:
    """The same on each server in turn, and in memory."""
    if request.param == "memory":
        yield MemoryStreams(2)
        return
    settings = RedisSettings(
        url=request.getfixturevalue(request.param).url,
        prefix=unique_prefix(),
        partition_count=2,
        command_timeout_seconds=10.0,
    )
    opened = await open_streams(settings, keeps_traces=True)
    yield opened
    await opened.close()


async def append(
    streams: AnyStreams,
    payload: bytes = b"x",
    dedup: Dedup | None = None,
    partition: int = 0,
) -> Appended | Exception:
    appender = await streams.appender()
    outcomes: list[Appended | Exception] = []
    appender.submit_traced(
        TRACE, partition, payload, outcomes.append, dedup=dedup, durability="default"
    )

    async def is_told() -> bool:
        return bool(outcomes)

    await eventually(is_told)
    return outcomes[0]


async def fields_of(streams: Streams, key: str) -> list[list[bytes]]:
    return [fields for _, fields in await streams._session.run("XRANGE", key, "-", "+")]


async def read(streams: AnyStreams) -> tuple[Partition, list[Entry]]:
    partition = Partition(streams)
    return partition, await (await partition.take()).cycle([], 10)


@pytest.mark.parametrize("dedup", [None, Dedup("u|c|1", b"reply", 60_000)])
async def test_trace_is_read_with_its_entry(any_streams: AnyStreams, dedup) -> None:
    """With a client's id and without one; a resend adds nothing."""
    assert isinstance(await append(any_streams, dedup=dedup), Appended)
    if dedup is not None:
        outcome = await append(any_streams, dedup=dedup)
        assert isinstance(outcome, Appended)
        assert outcome.is_duplicate
    partition, (entry,) = await read(any_streams)
    assert (entry.payload, trace_of(entry)) == (b"x", TRACE)
    # And by whoever takes it over, and who reads it again.
    (claimed,) = await (await partition.take("w2")).claim_pending(10)
    assert trace_of(claimed) == TRACE
    (again,) = await (await partition.take("w3")).reread([entry.id])
    assert trace_of(again) == TRACE
    await partition.close()


async def test_trace_follows_the_payload(server_streams: Streams) -> None:
    """The payload stays the first field, as whoever reads the streams expects."""
    await append(server_streams)
    await append(server_streams, dedup=Dedup("u|c|1", b"reply", 60_000))
    entries = await fields_of(server_streams, server_streams.keys.stream(0))
    assert entries == [[b"payload", b"x", *FIELDS]] * 2


@pytest.mark.parametrize(
    "more",
    [
        (),
        ("traceparent", "broken"),
        ("traceparent", b"\xff\xfe"),
        ("traceparent", "x" * 100_000),
        ("tracestate", "vendor=a"),
        ("other", "1", "headers", "{}"),
        ("traceparent", PARENT, "tracestate", "=" * 100_000),
    ],
)
async def test_other_writers_fields_harm_nobody(server_streams: Streams, more) -> None:
    """An entry without a trace, or with something else in its place, is a message as ever."""
    await server_streams._session.run(
        "XADD", server_streams.keys.stream(0), "*", "payload", "x", *more
    )
    partition, (entry,) = await read(server_streams)
    assert entry.payload == b"x"
    assert trace_of(entry) == (TraceContext(PARENT) if PARENT in more else None)
    await partition.close()


async def test_readers_that_are_not_told_to_look_find_the_same_message(
    server_streams: Streams,
) -> None:
    """Where tracing is off, an entry with a trace is an entry."""
    await append(server_streams)
    plain = await open_streams(server_streams.settings)
    partition, (entry,) = await read(plain)
    assert type(entry) is Entry
    assert entry.payload == b"x"
    await partition.close()
    await plain.close()


async def test_dead_letter_and_its_replay_keep_the_trace(server_streams: Streams) -> None:
    """All that follows a message that failed belongs to its trace."""
    payload = encode_message(make_message("room:1", partition=partition_of("room:1", 2)))
    streams, home = server_streams, partition_of("room:1", 2)
    await append(streams, payload, partition=home)
    lease = await streams.leases.acquire(home, "w", 60)
    assert lease is not None
    reader = streams.reader(lease, "worker-w-1")
    (entry,) = await reader.cycle([], 10)
    await reader.bury(entry, reason="r", error="e", attempts=1)
    (letter,) = await streams.dead_letters.list_page(home, 10)
    assert list(letter.fields[2:]) == FIELDS
    await streams.replayer.replay(LetterPlace((0, 0), home, letter.id))
    (replayed,) = await reader.cycle([], 10)
    assert trace_of(replayed) == TRACE
    await reader.close()


async def test_entry_that_was_set_aside_keeps_its_trace(any_streams: AnyStreams) -> None:
    """So that a channel that goes on later still belongs to its traces."""
    await append(any_streams)
    lease = await any_streams.leases.acquire(0, "w", 60)
    assert lease is not None
    reader, parker = any_streams.reader(lease, "worker-w-1"), any_streams.parker(lease)
    (entry,) = await reader.cycle([], 10)
    await parker.park("room")
    await reader.set_aside("room", entry)
    (aside,) = await parker.read("room", 10)
    assert (trace_of(aside), aside.first_id) == (TRACE, entry.id)
    await parker.bury("room", aside.id, reason="r", error="e", attempts=1)
    (letter,) = await any_streams.dead_letters.list_page(0, 10)
    assert list(letter.fields[2:]) == FIELDS
    await reader.close()


async def test_append_that_waits_for_a_resize_keeps_its_trace(server_streams: Streams) -> None:
    """It goes to its new partition with all that it was submitted with."""
    streams = server_streams
    other = await open_streams(streams.settings)
    appender = await other.appender()
    home = partition_of("room:1", 2)
    payload = encode_message(make_message("room:1", partition=home))
    view = await streams.resizer.begin(await streams.layout.read(), 5)
    await streams.resizer._seal(view)
    outcomes: list[Appended | Exception] = []
    for dedup in (None, Dedup("u|c|1", b"reply", 60_000)):
        appender.submit_traced(
            TRACE, home, payload, outcomes.append, dedup=dedup, durability="default"
        )
    await asyncio.sleep(0.02)  # so that one is sent and comes back
    await streams.resizer.carry_on(await streams.layout.read())

    async def are_told() -> bool:
        return len(outcomes) == 2

    await eventually(are_told)
    assert all(isinstance(outcome, Appended) for outcome in outcomes)
    entries = await fields_of(streams, streams.keys.stream(partition_of("room:1", 5)))
    assert [fields[2:] for fields in entries if fields[0] == b"payload"] == [FIELDS] * 2
    await other.close()
