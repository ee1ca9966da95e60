"""Reading one partition of a server: what only a server has."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import NoReturn

import pytest

from realtime_message.errors import LeaseLostError, StreamsFullError, StreamsUnavailableError
from realtime_message.streams import Streams
from realtime_message.streams.letter_selection import LetterPlace
from support.eventually import eventually
from support.taken_partition import Partition, payloads


@pytest.fixture
def streams(server_streams: Streams) -> Streams:
    """Not in memory."""
    return server_streams


@pytest.fixture
async def partition(streams: Streams) -> AsyncIterator[Partition]:
    made = Partition(streams)
    yield made
    await made.close()


async def test_buried_entry_keeps_its_other_fields(streams: Streams, partition: Partition) -> None:
    """An entry without a payload is buried with the fields that it has."""
    stream = streams.keys.stream(0)
    await streams._session.run("XADD", stream, "*", "foreign", "thing")
    reader = await partition.take()
    (entry,) = await reader.cycle([], 10)
    assert entry.payload is None
    await reader.bury(entry, reason="malformed", error="", attempts=0)
    dead = await streams._session.run("XRANGE", streams.keys.dead_letters(0), "-", "+")
    assert dead[0][1][:2] == [b"foreign", b"thing"]


@pytest.mark.parametrize("field_count", [3000, 3001, 20_000])
async def test_entry_with_very_many_fields_is_given_up_and_set_aside(
    streams: Streams, partition: Partition, field_count: int
) -> None:
    """It keeps its payload and as many others as one call of a script can carry."""
    stream, left_out = streams.keys.stream(0), max(0, field_count - 3000)
    fields = [part for n in range(field_count - 1) for part in (f"f{n}", n)]
    for _ in range(2):
        await streams._session.run("XADD", stream, "*", *fields, "payload", "p")
    reader = await partition.take()
    first, second = await reader.cycle([], 10)
    await reader.bury(first, reason="r", error="e", attempts=1)
    await reader.set_aside("c", second)
    parker = streams.parker(reader._lease)
    (aside,) = await parker.read("c", 10)
    assert (aside.payload, aside.aside_of) == (b"p", second.id)
    await parker.bury("c", aside.id, reason="r", error="e", attempts=1)
    for letter in await streams.dead_letters.list_page(0, 10):
        kept = dict(zip(letter.fields[::2], letter.fields[1::2], strict=True))
        assert (letter.payload, letter.reason, kept[b"f2998"]) == (b"p", "r", b"2998")
        assert int(kept.get(b"fields_left_out", 0)) == left_out
        assert await streams.replayer.replay(LetterPlace((1, 1), 0, letter.id))
    assert await partition.pending() == 0


async def test_payload_is_found_among_other_fields(streams: Streams, partition: Partition) -> None:
    """The payload is taken by its name, wherever it stands."""
    stream = streams.keys.stream(0)
    await streams._session.run("XADD", stream, "*", "trace", "t", "payload", "p")
    await streams._session.run("XADD", stream, "*", "payload", "q", "trace", "t")
    reader = await partition.take()
    assert payloads(await reader.cycle([], 10)) == [b"p", b"q"]


@pytest.mark.parametrize(
    ("fields", "generation", "payload"),
    [
        (("layout", "7"), 7, None),
        (("layout", "7", "payload", "p"), 0, b"p"),
        (("payload", "p", "layout", "7"), 0, b"p"),
        (("layout", "7", "trace", "t"), 0, None),
        (("layout", "1" * 19), 0, None),
        (("layout", "1" * 5000), 0, None),
        (("layout", "-1"), 0, None),
    ],
)
async def test_marker_has_one_field_and_a_generation(
    streams: Streams,
    partition: Partition,
    fields: tuple[str, ...],
    generation: int,
    payload: bytes | None,
) -> None:
    """What another writer calls `layout` holds nothing back, whatever its value."""
    await streams._session.run("XADD", streams.keys.stream(0), "*", *fields)
    (read,) = await (await partition.take("w1")).cycle([], 10)
    (claimed,) = await (await partition.take("w2")).claim_pending(10)
    assert [(e.generation, e.payload) for e in (read, claimed)] == [(generation, payload)] * 2


async def test_cancelled_wait_is_taken_up_by_the_next(
    streams: Streams, partition: Partition
) -> None:
    """Cancelling a wait costs no connection, and the next wait sees what came meanwhile."""
    reader = await partition.take()
    waiting = asyncio.create_task(reader.wait_for_entries(30))

    async def is_connected() -> bool:
        return reader._waiter._wire is not None

    await eventually(is_connected)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    wire = reader._waiter._wire
    await partition.append(b"1")
    assert await reader.wait_for_entries(30)
    assert reader._waiter._wire is wire
    assert len(await reader.cycle([], 10)) == 1
    assert not await reader.wait_for_entries(0.05)


async def test_readers_of_other_groups_do_not_disturb(
    streams: Streams, partition: Partition
) -> None:
    """Another system's consumer group on the same stream reads for itself."""
    stream = streams.keys.stream(0)
    await streams._session.run("XGROUP", "CREATE", stream, "audit", "0")
    reader = await partition.take()
    await partition.append(b"1")
    await streams._session.run(*("XREADGROUP", "GROUP", "audit", "a", "STREAMS", stream, ">"))
    assert payloads(await reader.cycle([], 10)) == [b"1"]


async def test_deleted_entries_are_left_out_of_what_is_read_again(
    streams: Streams, partition: Partition
) -> None:
    """By their ids, in the order asked for, unchanged; those that were deleted are left out."""
    first, second, third = await partition.append(b"1", b"2", b"3")
    reader = await partition.take()
    await reader.cycle([], 10)
    await streams._session.run("XDEL", streams.keys.stream(0), second)
    assert payloads(await reader.reread([third, second, first])) == [b"3", b"1"]
    assert await partition.pending() == 3


async def test_acknowledging_alone_keeps_what_a_lost_reply_carried(
    streams: Streams, partition: Partition
) -> None:
    """A cycle without a read leaves it for the next one that reads."""
    ids = await partition.append(b"1", b"2")
    reader = await partition.take()
    (first,) = await reader.cycle([], 1)
    reader._has_lost_reply = True  # as after a read whose reply was lost
    stream, group = streams.keys.stream(0), streams.keys.group(0)
    await streams._session.run(
        *("XREADGROUP", "GROUP", group, "worker-w1-1", "COUNT", 1, "STREAMS", stream, ">")
    )
    assert await reader.cycle([first.id], 0) == []
    assert [entry.id for entry in await reader.cycle([], 10)] == ids[1:]


async def test_epoch_that_was_written_anew_loses_no_lease(
    streams: Streams, partition: Partition
) -> None:
    """A cluster that moves the key breaks the watch; whose the partition is has not changed."""
    reader = await partition.take()
    assert await reader.cycle([], 10) == []
    epoch = streams.keys.epoch(0)
    value = await streams._session.run("GET", epoch)
    await streams._session.run("SET", epoch, value)
    await partition.append(b"1")
    with pytest.raises(StreamsUnavailableError, match="moved"):
        await reader.cycle([], 10)
    assert payloads(await reader.cycle([], 10)) == [b"1"]


async def test_server_that_takes_no_transaction_is_read_by_a_script(
    partition: Partition, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Redis 7.0 over its maxmemory: the same entries, acknowledged and fenced the same way."""
    await partition.append(b"1", b"2", b"3")
    reader = await partition.take("w1")

    async def refuse(commands: object) -> NoReturn:
        raise StreamsFullError("Redis answered: OOM")

    monkeypatch.setattr(reader._fence, "transact", refuse)
    first, second = await reader.cycle([], 2)
    assert payloads(await reader.cycle([first.id, second.id], 2)) == [b"3"]
    assert await reader.cycle([], 2) == []
    assert await partition.pending() == 1
    await partition.append(b"4")
    new = await partition.take("w2")
    with pytest.raises(LeaseLostError):
        await reader.cycle([], 2)
    assert payloads(await new.claim_pending(10)) == [b"3"]
    assert payloads(await new.cycle([], 10)) == [b"4"]
