"""Reading one partition: fenced, in order, pending entries of a former owner first."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from realtime_message.errors import LeaseLostError
from support.streams_outside import AnyStreams, end_lease
from support.taken_partition import Partition, payloads


@pytest.fixture
async def partition(streams: AnyStreams) -> AsyncIterator[Partition]:
    made = Partition(streams)
    yield made
    await made.close()


async def test_unread_entries_come_in_order_and_once(partition: Partition) -> None:
    """Each cycle returns the next entries, at most as many as asked for."""
    await partition.append(b"1", b"2", b"3")
    reader = await partition.take()
    assert payloads(await reader.cycle([], 2)) == [b"1", b"2"]
    assert payloads(await reader.cycle([], 2)) == [b"3"]
    assert await reader.cycle([], 2) == []


async def test_entries_appended_before_any_worker_are_read(partition: Partition) -> None:
    """The workers' group begins at the stream's beginning, not at its end."""
    await partition.append(b"early")
    reader = await partition.take()
    assert payloads(await reader.cycle([], 10)) == [b"early"]


async def test_acknowledged_entries_leave_the_pending_ones(partition: Partition) -> None:
    """What a cycle acknowledges is not pending any more; repeating it does no harm."""
    await partition.append(b"1", b"2")
    reader = await partition.take()
    first, second = await reader.cycle([], 10)
    await reader.cycle([first.id], 10)
    assert await partition.pending() == 1
    await reader.cycle([first.id, second.id], 0)
    assert await partition.pending() == 0


async def test_reading_under_a_lost_lease_is_refused(partition: Partition) -> None:
    """A worker that wakes up after a take-over neither reads nor acknowledges."""
    old = await partition.take("w1")
    await partition.append(b"1")
    (entry,) = await old.cycle([], 10)
    await partition.append(b"2")
    new = await partition.take("w2")
    with pytest.raises(LeaseLostError) as lost:
        await old.cycle([entry.id], 10)
    assert lost.value.partition == 0
    assert payloads(await new.claim_pending(10)) == [b"1"]
    assert payloads(await new.cycle([], 10)) == [b"2"]


async def test_lost_lease_stays_lost(partition: Partition) -> None:
    """Asking again after the loss is refused again."""
    old = await partition.take("w1")
    await old.cycle([], 10)
    await partition.take("w2")
    for _ in range(3):
        with pytest.raises(LeaseLostError):
            await old.cycle([], 10)


async def test_reader_that_never_read_is_fenced_too(partition: Partition) -> None:
    """The very first cycle is refused when the partition was taken before it."""
    old = await partition.take("w1")
    await partition.append(b"1")
    await partition.take("w2")
    with pytest.raises(LeaseLostError):
        await old.cycle([], 10)
    assert await partition.pending() == 0


async def test_scripts_are_fenced(partition: Partition) -> None:
    """Claiming, recording an attempt and burying are refused under a lost lease."""
    old = await partition.take("w1")
    await partition.append(b"1")
    (entry,) = await old.cycle([], 10)
    new = await partition.take("w2")
    with pytest.raises(LeaseLostError):
        await old.claim_pending(10)
    with pytest.raises(LeaseLostError):
        await old.record_attempt(entry.id, 1)
    with pytest.raises(LeaseLostError):
        await old.bury(entry, reason="r", error="e", attempts=1)
    assert await partition.streams.dead_letters.list_page(0, 10) == []
    assert await new.claim_pending(10) == [entry]


async def test_lapsed_lease_that_nobody_took_still_reads(partition: Partition) -> None:
    """The epoch decides, not the expiry: nobody else can have read meanwhile."""
    reader = await partition.take("w1")
    await partition.append(b"1")
    await end_lease(partition.streams, 0)
    assert payloads(await reader.cycle([], 10)) == [b"1"]


async def test_pending_entries_of_a_former_owner_come_first_and_in_order(
    partition: Partition,
) -> None:
    """Claims go page by page through all that was read and not acknowledged, then end."""
    old = await partition.take("w1")
    await partition.append(*(b"%d" % n for n in range(5)))
    entries = await old.cycle([], 5)
    await old.cycle([entries[1].id], 0)
    await partition.append(b"5")
    new = await partition.take("w2")
    assert payloads(await new.claim_pending(3)) == [b"0", b"2", b"3"]
    assert payloads(await new.claim_pending(3)) == [b"4"]
    assert await new.claim_pending(3) == []
    assert payloads(await new.cycle([], 10)) == [b"5"]


async def test_recorded_attempts_survive_the_owner(partition: Partition) -> None:
    """The next owner sees how many attempts were recorded; none for what was only read."""
    old = await partition.take("w1")
    await partition.append(b"tried", b"untried")
    tried, _ = await old.cycle([], 10)
    await old.record_attempt(tried.id, 3)
    for holder in ("w2", "w3"):
        new = await partition.take(holder)
        found = await new.claim_pending(10)
        assert [(entry.payload, entry.attempts) for entry in found] == [
            (b"tried", 3),
            (b"untried", 0),
        ]


async def test_buried_entry_is_a_dead_letter_and_acknowledged(partition: Partition) -> None:
    """Burying moves the entry with reason, error and attempts, once."""
    reader = await partition.take()
    await partition.append(b"poison")
    (entry,) = await reader.cycle([], 10)
    for _ in range(2):
        await reader.bury(entry, reason="attempts", error="ValueError: ä", attempts=5)
    (letter,) = await partition.streams.dead_letters.list_page(0, 10)
    assert (letter.payload, letter.entry_id) == (b"poison", entry.id)
    assert (letter.reason, letter.error, letter.attempts) == ("attempts", "ValueError: ä", 5)
    assert await partition.streams.dead_letters.find(0, letter.id) == letter
    assert await partition.pending() == 0


async def test_waiting_ends_when_an_entry_comes(partition: Partition) -> None:
    """A wait ends with an entry, also when the entry came before it."""
    reader = await partition.take()
    waiting = asyncio.create_task(reader.wait_for_entries(30))
    await asyncio.sleep(0)
    await partition.append(b"1")
    assert await waiting
    assert await reader.wait_for_entries(30)
    assert len(await reader.cycle([], 10)) == 1


async def test_waiting_ends_without_entries(partition: Partition) -> None:
    """A wait without entries is False, also when there are handled ones."""
    await partition.append(b"1")
    reader = await partition.take()
    (entry,) = await reader.cycle([], 10)
    await reader.cycle([entry.id], 10)
    assert not await reader.wait_for_entries(0.05)
    next_owner = await partition.take("w2")
    assert not await next_owner.wait_for_entries(0.05)


async def test_entries_can_be_read_again(partition: Partition) -> None:
    """By their ids, in the order asked for, unchanged; those that are not there are left out."""
    first, _, third = await partition.append(b"1", b"2", b"3")
    reader = await partition.take()
    await reader.cycle([], 10)
    assert payloads(await reader.reread([third, "1-1", first])) == [b"3", b"1"]
    assert await partition.pending() == 3


async def test_cancelled_wait_does_no_harm(partition: Partition) -> None:
    """The next wait sees what came meanwhile."""
    reader = await partition.take()
    waiting = asyncio.create_task(reader.wait_for_entries(30))
    await asyncio.sleep(0.05)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await partition.append(b"1")
    assert await reader.wait_for_entries(30)
    assert len(await reader.cycle([], 10)) == 1
    assert not await reader.wait_for_entries(0.05)
