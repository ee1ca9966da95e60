"""Reading while the server, the connection or an operator fails: nothing lost, nothing skipped."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest

from realtime_message.errors import LeaseLostError, StreamsUnavailableError
from realtime_message.settings import RedisSettings
from realtime_message.streams import Streams, open_streams
from realtime_message.streams.contracts import Entry
from realtime_message.streams.incidents import Incident
from realtime_message.streams.read import RedisPartitionReader
from support.eventually import eventually
from support.tcp_proxy import TcpProxy
from support.valkey_server import ValkeyServer, unique_prefix


class Reading:
    """Partition 0, a reader of it behind a proxy, and a sound connection beside it."""

    def __init__(self, streams: Streams, sound: Streams, proxy: TcpProxy) -> None:
        self.streams = streams
        self.sound = sound
        self.proxy = proxy
        self.incidents: list[Incident] = []
        self._readers: list[RedisPartitionReader] = []

    async def take(self, holder: str = "w1") -> RedisPartitionReader:
        await self.sound._session.run("DEL", self.sound.keys.lease(0))
        lease = await self.sound.leases.acquire(0, holder, 60)
        assert lease is not None
        reader = self.streams.reader(lease, f"worker-{holder}-1")
        reader._on_incident = self.incidents.append
        self._readers.append(reader)
        return reader

    async def append(self, *numbers: int) -> list[str]:
        appender = await self.sound.appender()
        return [(await appender.append(0, b"%d" % number)).entry_id for number in numbers]

    async def command(self, *parts: str | int) -> object:
        return await self.sound._session.run(*parts)

    async def pending(self) -> int:
        return (await self.sound.inspect.partitions())[0].pending

    @property
    def stream(self) -> str:
        return self.sound.keys.stream(0)

    async def close(self) -> None:
        for reader in self._readers:
            await reader.close()


@contextlib.asynccontextmanager
async def _reading(server: ValkeyServer, timeout_seconds: float = 10.0) -> AsyncIterator[Reading]:
    prefix = unique_prefix()

    def settings(url: str) -> RedisSettings:
        return RedisSettings(
            url=url,
            prefix=prefix,
            partition_count=1,
            command_timeout_seconds=timeout_seconds,
            connect_timeout_seconds=timeout_seconds,
        )

    async with TcpProxy(server.port) as proxy:
        sound = await open_streams(settings(server.url))
        streams = await open_streams(settings(proxy.url_of(server.url)))
        made = Reading(streams, sound, proxy)
        try:
            yield made
        finally:
            await made.close()
            await streams.close()
            await sound.close()


@pytest.fixture
async def reading(valkey: ValkeyServer) -> AsyncIterator[Reading]:
    async with _reading(valkey) as made:
        yield made


@pytest.fixture
def own_server() -> Iterator[ValkeyServer]:
    server = ValkeyServer(durable=True).start()
    yield server
    server.close()


def _numbers(entries: list[Entry]) -> list[int]:
    return [int(entry.payload or b"-1") for entry in entries]


async def _wait_for_ever(reader: RedisPartitionReader) -> None:
    while not await reader.wait_for_entries(0.3):
        pass


async def _cycle_until_answered(
    reader: RedisPartitionReader, acknowledged: list[str], count: int = 10
) -> list[Entry]:
    """Repeat a cycle as a worker does: the same acknowledgements until they are answered."""

    async def attempt() -> list[list[Entry]]:
        with contextlib.suppress(StreamsUnavailableError):
            return [await reader.cycle(acknowledged, count)]
        return []

    return (await eventually(attempt))[0]


async def test_entries_of_a_lost_reply_are_returned_first(reading: Reading) -> None:
    """Redis delivered them, the reply was lost: the next cycle returns them, before newer ones."""
    await reading.append(1, 2, 3)
    reader = await reading.take()
    swallowed = reading.proxy.swallow_reply_to(b"XREADGROUP")
    with pytest.raises(StreamsUnavailableError):
        await reader.cycle([], 2)
    assert swallowed.is_set()
    assert await reading.pending() == 2
    await reading.append(4)
    assert _numbers(await reader.cycle([], 10)) == [1, 2]
    assert _numbers(await reader.cycle([], 10)) == [3, 4]
    assert await reader.cycle([], 10) == []


async def test_many_entries_of_a_lost_reply_come_page_by_page(reading: Reading) -> None:
    """The caller's count holds for missed entries too."""
    await reading.append(*range(7))
    reader = await reading.take()
    reading.proxy.swallow_reply_to(b"XREADGROUP")
    with pytest.raises(StreamsUnavailableError):
        await reader.cycle([], 6)
    pages = [_numbers(await reader.cycle([], 4)) for _ in range(4)]
    assert pages == [[0, 1, 2, 3], [4, 5], [6], []]


async def test_acknowledgements_of_a_lost_reply_may_be_repeated(reading: Reading) -> None:
    """After a lost reply the same acknowledgements are sent again, and nothing comes twice."""
    await reading.append(1, 2)
    reader = await reading.take()
    (first,) = await reader.cycle([], 1)
    reading.proxy.swallow_reply_to(b"XACK")
    with pytest.raises(StreamsUnavailableError):
        await reader.cycle([first.id], 1)
    (second,) = await reader.cycle([first.id], 1)
    assert _numbers([second]) == [2]
    await reader.cycle([second.id], 1)
    assert await reading.pending() == 0
    assert reading.incidents == []


async def test_acknowledging_alone_does_not_forget_a_lost_reply(reading: Reading) -> None:
    """A cycle that reads nothing leaves the missed entries to the next one that reads."""
    await reading.append(1, 2)
    reader = await reading.take()
    (first,) = await reader.cycle([], 1)
    reading.proxy.swallow_reply_to(b"XREADGROUP")
    with pytest.raises(StreamsUnavailableError):
        await reader.cycle([], 1)
    assert await reader.cycle([first.id], 0) == []
    assert _numbers(await reader.cycle([], 10)) == [2]


async def test_reply_lost_twice_in_a_row(reading: Reading) -> None:
    """Also the reply that carried the missed entries may be lost."""
    await reading.append(1, 2)
    reader = await reading.take()
    reading.proxy.swallow_reply_to(b"XREADGROUP")
    with pytest.raises(StreamsUnavailableError):
        await reader.cycle([], 10)
    reading.proxy.swallow_reply_to(b"EVALSHA")
    with pytest.raises(StreamsUnavailableError):
        await reader.cycle([], 10)
    assert _numbers(await reader.cycle([], 10)) == [1, 2]


async def test_claim_of_a_lost_reply_is_repeated(reading: Reading) -> None:
    """A claim whose reply was lost gives the same entries the next time."""
    await reading.append(1, 2, 3)
    await (await reading.take("w1")).cycle([], 10)
    reader = await reading.take("w2")
    assert _numbers(await reader.claim_pending(1)) == [1]
    reading.proxy.swallow_reply_to(b"EVALSHA")
    with pytest.raises(StreamsUnavailableError):
        await reader.claim_pending(10)
    assert _numbers(await reader.claim_pending(10)) == [2, 3]


async def test_cancelled_cycle_loses_nothing(reading: Reading) -> None:
    """A cycle cancelled at any moment gives its entries to the next one."""
    await reading.append(*range(30))
    reader = await reading.take()
    seen: list[int] = []
    for turns in range(30):
        task = asyncio.create_task(reader.cycle([], 1))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            seen += _numbers(await task)
    while entries := await reader.cycle([], 10):
        seen += _numbers(entries)
    assert seen == list(range(30))


async def test_reconnected_reader_is_still_fenced(reading: Reading) -> None:
    """A connection that was opened again after a take-over does not read."""
    await reading.append(1)
    old = await reading.take("w1")
    assert _numbers(await old.cycle([], 10)) == [1]
    reading.proxy.cut()
    await reading.append(2)
    await reading.take("w2")
    with pytest.raises(LeaseLostError):
        await _cycle_until_answered(old, [])
    assert await reading.pending() == 1


async def test_lost_reply_and_take_over_leave_the_entries_to_the_next_owner(
    reading: Reading,
) -> None:
    """Entries that the old owner never saw are claimed by the new one, in order."""
    await reading.append(1, 2)
    old = await reading.take("w1")
    reading.proxy.swallow_reply_to(b"XREADGROUP")
    with pytest.raises(StreamsUnavailableError):
        await old.cycle([], 10)
    new = await reading.take("w2")
    with pytest.raises(LeaseLostError):
        await old.cycle([], 10)
    assert _numbers(await new.claim_pending(10)) == [1, 2]


async def test_cut_connections_are_replaced(reading: Reading) -> None:
    """After a cut the reader goes on where it was, and so does its waiting."""
    await reading.append(1)
    reader = await reading.take()
    (first,) = await reader.cycle([], 10)
    waiting = asyncio.create_task(reader.wait_for_entries(30))
    await asyncio.sleep(0.05)
    reading.proxy.cut()
    with pytest.raises(StreamsUnavailableError):
        await waiting
    await reading.append(2)
    assert await reader.wait_for_entries(30)
    assert _numbers(await _cycle_until_answered(reader, [first.id])) == [2]
    assert await reading.pending() == 1


async def test_destroyed_group_is_restored_where_it_was(reading: Reading) -> None:
    """Nothing unread is skipped, nothing read comes again, what is unacknowledged stays pending."""
    await reading.append(1, 2, 3)
    reader = await reading.take("w1")
    first, second = await reader.cycle([], 2)
    await reading.command("XGROUP", "DESTROY", reading.stream, reading.sound.keys.group(0))
    await reading.append(4)
    assert await reader.cycle([first.id], 10) == []
    assert reading.incidents == [Incident("group_restored", 0, 1)]
    assert _numbers(await reader.cycle([], 10)) == [3, 4]
    new = await reading.take("w2")
    assert _numbers(await new.claim_pending(10)) == [2, 3, 4]
    assert (
        second.id
        == (await reading.command("XPENDING", reading.stream, "workers:partition-0"))[1].decode()
    )


async def test_group_destroyed_before_pending_entries_were_claimed(reading: Reading) -> None:
    """A new owner whose group is gone begins at the beginning: repeated, never skipped."""
    await reading.append(1, 2)
    await (await reading.take("w1")).cycle([], 1)
    await reading.command("XGROUP", "DESTROY", reading.stream, reading.sound.keys.group(0))
    reader = await reading.take("w2")
    assert await reader.claim_pending(10) == []
    assert _numbers(await reader.cycle([], 10)) == [1, 2]
    assert [incident.kind for incident in reading.incidents] == ["group_restored"]


@pytest.mark.parametrize(("claimed", "read"), [(0, range(6)), (1, range(1, 6)), (3, range(4, 6))])
async def test_group_destroyed_in_the_middle_of_a_take_over(
    reading: Reading, claimed: int, read: range
) -> None:
    """What comes behind that which was taken over is read anew: repeated, never skipped."""
    await reading.append(*range(6))
    former = await reading.take("w1")
    entries = await former.cycle([], 4)
    await former.cycle([entries[1].id], 0)
    reader = await reading.take("w2")
    if claimed:
        assert _numbers(await reader.claim_pending(claimed)) == [0, 2, 3][:claimed]
    await reader.wait_for_entries(0.01)  # by now it knows how far the group had read
    await reading.command("XGROUP", "DESTROY", reading.stream, reading.sound.keys.group(0))
    assert await reader.claim_pending(10) == []
    assert _numbers(await reader.cycle([], 10)) == list(read)
    assert await reading.pending() == claimed + len(read)


async def test_what_is_set_aside_or_forgotten_is_not_pending_again(reading: Reading) -> None:
    """A group that is made again is given only what is still in hand."""
    await reading.append(*range(4))
    reader = await reading.take()
    first, second, third, _ = await reader.cycle([], 10)
    await reader.set_aside("c", first)
    await reader.bury(second, reason="r", error="e", attempts=1)
    group = reading.sound.keys.group(0)
    await reading.command("XACK", reading.stream, group, third.id)  # as opening a gate does
    reader.forget(third.id)
    await reading.command("XGROUP", "DESTROY", reading.stream, group)
    assert await reader.cycle([], 10) == []
    assert reading.incidents == [Incident("group_restored", 0, 1)]
    assert _numbers(await (await reading.take("w2")).claim_pending(10)) == [3]


async def _record(reader: RedisPartitionReader, entry: Entry) -> None:
    await reader.record_attempt(entry.id, 2)


async def _bury(reader: RedisPartitionReader, entry: Entry) -> None:
    await reader.bury(entry, reason="r", error="e", attempts=2)


async def _set_aside(reader: RedisPartitionReader, entry: Entry) -> None:
    await reader.set_aside("c", entry)


@pytest.mark.parametrize(
    ("settle", "pending"),
    [(_record, [(0, 2), (1, 0)]), (_bury, [(1, 0)]), (_set_aside, [(1, 0)])],
)
async def test_destroyed_group_is_restored_by_whoever_misses_it(
    reading: Reading,
    settle: Callable[[RedisPartitionReader, Entry], Awaitable[None]],
    pending: list[tuple[int, int]],
) -> None:
    """Nobody may read as long as a full lane waits for its first message to be settled."""
    await reading.append(0, 1)
    reader = await reading.take()
    entry, _ = await reader.cycle([], 10)
    await reading.command("XGROUP", "DESTROY", reading.stream, reading.sound.keys.group(0))
    await asyncio.gather(settle(reader, entry), settle(reader, entry), reader.cycle([], 0))
    assert [incident.kind for incident in reading.incidents] == ["group_restored"]
    claimed = await (await reading.take("w2")).claim_pending(10)
    assert [(int(e.payload or b"-1"), e.attempts) for e in claimed] == pending


async def test_deleted_stream_is_read_anew(reading: Reading) -> None:
    """Entries appended after the stream was deleted are read, all of them."""
    await reading.append(1)
    reader = await reading.take()
    await reader.cycle([], 10)
    await reading.command("DEL", reading.stream)
    await reading.append(2, 3)
    assert await reader.cycle([], 10) == []
    assert _numbers(await reader.cycle([], 10)) == [2, 3]


async def test_deleted_stream_written_anew_under_an_earlier_clock(reading: Reading) -> None:
    """A stream whose ids begin anew is read from its beginning."""
    await reading.append(1)
    reader = await reading.take()
    await reader.cycle([], 10)
    await reading.command("DEL", reading.stream)
    await reading.command("XADD", reading.stream, "5-1", "payload", "2")
    assert await reader.cycle([], 10) == []
    assert _numbers(await reader.cycle([], 10)) == [2]
    await reading.command("XADD", reading.stream, "5-2", "payload", "3")
    assert await reader.wait_for_entries(30)
    assert _numbers(await reader.cycle([], 10)) == [3]


async def test_flushed_server_is_healed_by_the_next_owner(own_server: ValkeyServer) -> None:
    """FLUSHALL ends the lease; whoever takes it next reads what was appended since."""
    async with _reading(own_server) as reading:
        await reading.append(1)
        old = await reading.take("w1")
        await old.cycle([], 10)
        own_server.client().flushall()
        await reading.append(2)
        with pytest.raises(LeaseLostError):
            await old.cycle([], 10)
        new = await reading.take("w1")
        assert await new.claim_pending(10) == []
        assert _numbers(await new.cycle([], 10)) == [2]
        assert [incident.kind for incident in reading.incidents] == ["group_restored"]
        with pytest.raises(LeaseLostError):
            await old.cycle([], 10)


async def test_pending_entries_that_were_deleted_are_reported(reading: Reading) -> None:
    """What someone deleted while it was pending cannot be handled: it is counted, not returned."""
    ids = await reading.append(*range(6))
    await (await reading.take("w1")).cycle([], 10)
    await reading.command("XDEL", reading.stream, *ids[:4])
    reader = await reading.take("w2")
    assert _numbers(await reader.claim_pending(3)) == [4, 5]
    assert await reader.claim_pending(3) == []
    assert [(i.kind, i.count) for i in reading.incidents] == [
        ("entries_missing", 3),
        ("entries_missing", 1),
    ]
    assert await reading.pending() == 2


async def test_waiting_does_not_spin_on_entries_that_the_group_has_passed(
    reading: Reading,
) -> None:
    """When an operator moves the group past entries, a wait ends once and then waits."""
    reader = await reading.take()
    await reader.cycle([], 10)
    await reading.append(1)
    await reading.command("XGROUP", "SETID", reading.stream, reading.sound.keys.group(0), "$")
    assert await reader.wait_for_entries(30)
    assert await reader.cycle([], 10) == []
    assert not await reader.wait_for_entries(0.05)


async def test_frozen_server_ends_cycle_and_wait_within_their_deadlines(
    own_server: ValkeyServer,
) -> None:
    """Neither hangs on a server that keeps the connection open and says nothing."""
    async with _reading(own_server, timeout_seconds=0.5) as reading:
        await reading.append(1)
        reader = await reading.take()
        (entry,) = await reader.cycle([], 10)
        own_server.pause()
        async with asyncio.timeout(30):
            with pytest.raises(StreamsUnavailableError):
                await reader.cycle([entry.id], 10)
            with pytest.raises(StreamsUnavailableError):
                await _wait_for_ever(reader)
        own_server.resume()
        await _cycle_until_answered(reader, [entry.id])
        assert await reading.pending() == 0


async def test_restarted_server_keeps_position_and_pending_entries(
    own_server: ValkeyServer,
) -> None:
    """After SIGKILL and a restart the reader goes on where it was."""
    async with _reading(own_server) as reading:
        await reading.append(1, 2, 3)
        reader = await reading.take()
        (first,) = await reader.cycle([], 1)
        own_server.restart()
        assert _numbers(await _cycle_until_answered(reader, [first.id])) == [2, 3]
        assert await reader.cycle([], 10) == []
        assert await reading.pending() == 2


async def test_server_that_lost_its_latest_writes_hands_nothing_out_twice(
    own_server: ValkeyServer,
) -> None:
    """What is in hand is left out; what was just acknowledged is not known, and comes again."""
    async with _reading(own_server) as reading:
        await reading.append(1)
        reader = await reading.take()
        (done,) = await reader.cycle([], 10)
        await reader.cycle([done.id], 0)
        await reading.append(2, 3)
        group = reading.sound.keys.group(0)
        second, third = await reader.cycle([], 10)
        # As after a restart with an older file: position and pending entries are those of before.
        await reading.command("XGROUP", "SETID", reading.stream, group, done.id)
        await reading.command("XACK", reading.stream, group, second.id, third.id)
        await reading.append(4)
        entries = await reader.cycle([second.id], 10)
        assert _numbers(entries) == [2, 4]
        kinds = [(i.kind, i.count) for i in reading.incidents]
        assert kinds == [("entries_forgotten", 1), ("position_went_back", 2)]
        assert await reader.cycle([entry.id for entry in (third, *entries)], 10) == []
        assert await reading.pending() == 0


async def test_oldest_entry_is_the_first_that_is_not_done(reading: Reading) -> None:
    """Pending before unread; nothing when all is done, or the group is gone."""
    reader = await reading.take()
    assert await reading.sound.find_oldest(0) is None
    ids = await reading.append(1, 2)
    assert await reading.sound.find_oldest(0) == ids[0]
    await reader.cycle([], 1)
    assert await reading.sound.find_oldest(0) == ids[0]
    await reader.cycle([ids[0]], 0)
    assert await reading.sound.find_oldest(0) == ids[1]
    await reader.cycle([], 1)
    await reader.cycle([ids[1]], 0)
    assert await reading.sound.find_oldest(0) is None
    await reading.command("DEL", reading.stream)
    assert await reading.sound.find_oldest(0) is None
