"""Every path of the streams once, for tests of rights, keys and connections."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from realtime_message.console.overview import OverviewTaker
from realtime_message.message import encode_message
from realtime_message.partitions import partition_of
from realtime_message.settings import ChannelDurability
from realtime_message.streams import Streams
from realtime_message.streams.contracts import Dedup, Lease, PartitionReader
from realtime_message.streams.letter_selection import LetterPlace
from realtime_message.testing.memory.streams import make_message


async def use_everything(streams: Streams, durabilities: Iterable[ChannelDurability] = ()) -> None:
    """Append, read, retry, bury, replay, trim, restore, inspect, lease, and be a member.

    Args:
        streams: open, with two partitions or more, nothing in them.
        durabilities: levels to append at besides the default one.
    """
    appender = await streams.appender(durabilities)
    await appender.check()
    await appender.append(0, b"1")
    await appender.append(0, b"2", Dedup("k", b"r", 60_000))
    await appender.append(0, b"2", Dedup("k", b"r", 60_000))
    for durability in durabilities:
        await appender.append(1, b"3", durability=durability)
    await streams.backlog.sample()
    await streams.members.heartbeat("w", 60)
    await streams.members.store_assignment({0: "w"}, 0)
    await streams.members.heartbeat("gone", 60)
    await streams.members.leave("gone")
    await streams.inspect.members()
    lease = await streams.leases.acquire(0, "w", 60)
    assert lease is not None
    renewer = streams.renewer()
    assert await asyncio.to_thread(renewer.renew, [lease], 60) == [True]
    await asyncio.to_thread(renewer.close)
    reader = streams.reader(lease, "worker-w-1")
    assert await reader.wait_for_entries(30)
    first, second = await reader.cycle([], 10)
    await reader.claim_pending(10)
    await reader.record_attempt(first.id, 1)
    await reader.bury(first, reason="r", error="e", attempts=1)
    await reader.cycle([second.id], 10)
    await reader._restore_group()
    await appender.append(0, b"4")
    await _park(streams, lease, reader)
    await streams.retire_consumers(lease, "worker-w-1", is_leaving=True)
    await streams.trimmer.trim(0, 0)
    await _replay(streams)
    await OverviewTaker(streams).take()
    await streams.leases.release(lease)
    await streams.leases.acquire(1, "w", 60)
    await reader.close()


async def _park(streams: Streams, lease: Lease, reader: PartitionReader) -> None:
    """Leave a parked channel with an entry that is set aside."""
    (entry,) = await reader.cycle([], 10)
    parker = streams.parker(lease)
    await parker.park("c")
    await reader.set_aside("c", entry)
    (aside,) = await parker.read("c", 10)
    await parker.record_attempt("c", aside.id, 1)
    await parker.finish("c", "0-1")
    assert not await parker.unpark("c")
    assert await streams.parked_channels.resume(0, "c")
    await streams.parked_channels.list_parked(0)


async def _replay(streams: Streams) -> None:
    """Leave a dead letter here, and the mark of one whose message belongs to partition 1."""
    channel = next(c for c in map(str, range(100)) if partition_of(c, 2) == 1)
    payload = encode_message(make_message(channel))
    buried = ("entry_id", "1-1", "reason", "r", "error", "e", "attempts", 1)
    key = streams.keys.dead_letters(0)
    for text in (payload, b"no message", b"no message"):
        await streams._session.run("XADD", key, "*", "payload", text, *buried)
    places = [LetterPlace((1, 1), 0, letter.id) async for letter in streams.dead_letters.scan(0)]
    assert len(places) == 4
    assert all([outcome async for outcome in streams.replayer.replay_all(places[:-1])])
    await streams._session.run("HSET", streams.keys.replayed(1), "0:1-1", "1-1")
    await streams.replayer.forget_marks()


async def resize_once(streams: Streams) -> None:
    """Resize from two partitions to three through the gates, with a parked channel that moves.

    Args:
        streams: open, with two partitions that the member "w" may hold.
    """
    moving = next(
        name
        for name in map(str, range(1000))
        if partition_of(name, 2) == 0 and partition_of(name, 3) == 2
    )
    appender = await streams.appender()
    await appender.append(0, b"5")
    reader, lease = await _hold(streams, 0)
    *_, entry = await reader.cycle([], 10)
    await streams.parker(lease).park(moving)
    await reader.set_aside(moving, entry)
    await reader.close()
    view = await streams.resizer.begin(await streams.layout.read(), 3)
    view = await streams.resizer.carry_on(view)
    markers = []
    for partition in range(3):
        reader, lease = await _hold(streams, partition)
        entries = [*await reader.claim_pending(10), *await reader.cycle([], 10)]
        await reader.close()
        (marker,) = [entry.id for entry in entries if entry.generation == view.generation]
        keeper = streams.gatekeeper(lease)
        await keeper.note_drained(view.generation)
        markers.append((keeper, marker))
    assert not await streams.resizer.undrained(view)
    for keeper, marker in markers:
        await keeper.bring_parked(view)
        await keeper.open(marker, view.generation)
    assert await streams.resizer.finish(view)
    (parked,) = await streams.parked_channels.list_parked(2)
    assert (parked.channel, parked.entry_count) == (moving, 1)


async def _hold(streams: Streams, partition: int) -> tuple[PartitionReader, Lease]:
    lease = await streams.leases.acquire(partition, "w", 60)
    assert lease is not None
    return streams.reader(lease, "worker-w-1"), lease
