"""Parked channels: what is set aside stays in order, fenced, and comes back."""

from __future__ import annotations

import pytest

from realtime_message.errors import LeaseLostError
from realtime_message.streams.contracts import Entry, Lease
from support.streams_outside import AnyStreams, end_lease


async def _take(streams: AnyStreams, holder: str = "w1") -> Lease:
    await end_lease(streams, 0)
    lease = await streams.leases.acquire(0, holder, 60)
    assert lease is not None
    return lease


async def _read(streams: AnyStreams, lease: Lease, *payloads: bytes) -> list[Entry]:
    appender = await streams.appender()
    for payload in payloads:
        await appender.append(0, payload)
    reader = streams.reader(lease, "worker-w-1")
    entries = await reader.cycle([], 100)
    await reader.close()
    return entries


async def _set_aside(streams: AnyStreams, lease: Lease, entries: list[Entry]) -> None:
    reader = streams.reader(lease, "worker-w-1")
    for entry in entries:
        await reader.set_aside("room", entry)
    await reader.close()


async def test_entries_are_set_aside_in_order_and_acknowledged(streams: AnyStreams) -> None:
    """They leave the pending ones, so that trimming does not wait for them."""
    lease = await _take(streams)
    parker = streams.parker(lease)
    await parker.park("room")
    await _set_aside(streams, lease, await _read(streams, lease, b"1", b"2", b"3"))
    assert [entry.payload for entry in await parker.read("room", 2)] == [b"1", b"2"]
    assert (await streams.inspect.partitions())[0].pending == 0
    (shown,) = await streams.parked_channels.list_parked(0)
    assert (shown.channel, shown.is_resuming, shown.entry_count) == ("room", False, 3)


async def test_setting_aside_twice_does_it_once(streams: AnyStreams) -> None:
    """As after a reply that was lost."""
    lease = await _take(streams)
    parker = streams.parker(lease)
    (entry,) = await _read(streams, lease, b"1")
    await _set_aside(streams, lease, [entry, entry])
    assert len(await parker.read("room", 10)) == 1


async def test_finished_entries_are_gone_and_the_channel_goes_on_when_none_is_left(
    streams: AnyStreams,
) -> None:
    """Each is removed when it is done with, in order."""
    lease = await _take(streams)
    parker = streams.parker(lease)
    await parker.park("room")
    await _set_aside(streams, lease, await _read(streams, lease, b"1", b"2"))
    first, second = await parker.read("room", 10)
    assert not await parker.unpark("room")
    await parker.finish("room", first.id)
    await parker.finish("room", first.id)
    assert await parker.read("room", 10) == [second]
    await parker.bury("room", second.id, reason="no", error="trace", attempts=2)
    await parker.bury("room", second.id, reason="no", error="trace", attempts=2)
    assert await parker.unpark("room")
    assert await parker.states() == {}
    (letter,) = await streams.dead_letters.list_page(0, 10)
    assert (letter.payload, letter.reason, letter.error, letter.attempts) == (
        b"2",
        "no",
        "trace",
        2,
    )


async def test_attempts_are_kept_with_the_first_entry_and_forgotten_with_it(
    streams: AnyStreams,
) -> None:
    """Also by the next owner; the entry knows the id that it had in the stream."""
    former = await _take(streams)
    parker = streams.parker(former)
    entries = await _read(streams, former, b"1", b"2")
    await _set_aside(streams, former, entries)
    first, second = await parker.read("room", 10)
    assert [first.first_id, second.first_id] == [entry.id for entry in entries]
    await parker.record_attempt("room", first.id, 3)
    await parker.record_attempt("room", "1-1", 9)
    parker = streams.parker(await _take(streams, "w2"))
    assert [entry.attempts for entry in await parker.read("room", 10)] == [3, 0]
    await parker.finish("room", first.id)
    assert [entry.attempts for entry in await parker.read("room", 10)] == [0]


async def test_operator_resumes_only_what_is_parked(streams: AnyStreams) -> None:
    """The owner sees it; parking again takes it back."""
    lease = await _take(streams)
    parker = streams.parker(lease)
    assert not await streams.parked_channels.resume(0, "room")
    await parker.park("room")
    assert await streams.parked_channels.resume(0, "room")
    assert await parker.states() == {"room": True}
    await parker.park("room")
    assert await parker.states() == {"room": False}


async def test_former_owner_parks_and_moves_nothing(streams: AnyStreams) -> None:
    """Every step is fenced."""
    former = await _take(streams)
    (entry,) = await _read(streams, former, b"1")
    parker = streams.parker(former)
    await _take(streams, "w2")
    for step in (
        parker.park("room"),
        parker.unpark("room"),
        _set_aside(streams, former, [entry]),
        parker.record_attempt("room", "1-1", 1),
        parker.finish("room", "1-1"),
        parker.bury("room", "1-1", reason="r", error="e", attempts=1),
    ):
        with pytest.raises(LeaseLostError):
            await step
    assert (await streams.inspect.partitions())[0].pending == 1
