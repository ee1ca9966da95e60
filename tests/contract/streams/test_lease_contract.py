"""Leases: one holder, an epoch that only grows, the server's clock."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from realtime_message.streams.contracts import Lease, LeaseRenewer
from support.eventually import eventually
from support.streams_outside import AnyStreams, forget_lease


@pytest.fixture
async def renewer(streams: AnyStreams) -> AsyncIterator[LeaseRenewer]:
    renewer = streams.renewer()
    yield renewer
    await asyncio.to_thread(renewer.close)


async def _acquire(streams: AnyStreams, holder: str, seconds: float = 60.0) -> Lease:
    lease = await streams.leases.acquire(0, holder, seconds)
    assert lease is not None
    return lease


async def _acquire_eventually(streams: AnyStreams, holder: str) -> Lease:
    async def attempt() -> Lease | None:
        return await streams.leases.acquire(0, holder, 60)

    lease = await eventually(attempt)
    assert lease is not None
    return lease


async def test_held_lease_is_refused_to_others(streams: AnyStreams) -> None:
    """While one member holds a lease, no other gets it; another partition's is free."""
    await _acquire(streams, "w1")
    assert await streams.leases.acquire(0, "w2", 60) is None
    assert await streams.leases.acquire(1, "w2", 60) is not None


async def test_every_take_grows_the_epoch(streams: AnyStreams) -> None:
    """Taking again what one holds oneself, or what was released, grows the epoch."""
    first = await _acquire(streams, "w1")
    again = await _acquire(streams, "w1")
    assert await streams.leases.release(again)
    other = await _acquire(streams, "w2")
    assert first.epoch < again.epoch < other.epoch


async def test_lease_tells_whether_it_was_handed_over(streams: AnyStreams) -> None:
    """The first take and one after a release are in order; after a holder that went silent, not."""
    first = await _acquire(streams, "w1")
    assert first.is_handed_over
    assert not (await _acquire(streams, "w1")).is_handed_over
    again = await _acquire(streams, "w1", 0.05)
    second = await _acquire_eventually(streams, "w2")
    assert not second.is_handed_over
    assert not await streams.leases.release(again)
    await streams.leases.release(second)
    assert (await _acquire(streams, "w3")).is_handed_over


async def test_lease_that_ran_out_can_be_taken(streams: AnyStreams) -> None:
    """After its time by the server's clock a lease is free for others."""
    first = await _acquire(streams, "w1", 0.05)
    other = await _acquire_eventually(streams, "w2")
    assert other.epoch > first.epoch


async def test_epoch_grows_after_the_server_lost_everything(
    streams: AnyStreams, renewer: LeaseRenewer
) -> None:
    """An owner from before a data loss cannot pass for the new one."""
    before = await _acquire(streams, "w1")
    await forget_lease(streams, 0)
    after = await _acquire(streams, "w2")
    assert after.epoch > before.epoch
    assert await asyncio.to_thread(renewer.renew, [before], 60) == [False]


async def test_renewing_moves_the_expiry_only(streams: AnyStreams, renewer: LeaseRenewer) -> None:
    """A renewed lease lives longer under the same epoch, and shows since when it is held."""
    lease = await _acquire(streams, "w1", 5)
    owner = (await streams.inspect.partitions())[0].owner
    assert await asyncio.to_thread(renewer.renew, [lease], 600) == [True]
    renewed = (await streams.inspect.partitions())[0].owner
    assert owner is not None
    assert renewed is not None
    assert (renewed.holder, renewed.epoch) == ("w1", lease.epoch)
    assert renewed.acquired_at == owner.acquired_at
    assert owner.remaining_seconds <= 5
    assert renewed.remaining_seconds > 60


async def test_renewing_brings_back_a_lapsed_lease_that_nobody_took(
    streams: AnyStreams, renewer: LeaseRenewer
) -> None:
    """A lease that ran out is renewed as long as its epoch is the last one."""
    lease = await _acquire(streams, "w1", 0.001)

    async def has_lapsed() -> bool:
        return (await streams.inspect.partitions())[0].owner is None

    await eventually(has_lapsed)
    assert await asyncio.to_thread(renewer.renew, [lease], 60) == [True]
    assert await streams.leases.acquire(0, "w2", 60) is None


async def test_renewing_a_taken_lease_is_refused(
    streams: AnyStreams, renewer: LeaseRenewer
) -> None:
    """Once another member took the partition, the old lease cannot be renewed."""
    old = await _acquire(streams, "w1", 0.001)
    new = await _acquire_eventually(streams, "w2")
    assert await asyncio.to_thread(renewer.renew, [old, new], 60) == [False, True]


async def test_renewing_an_earlier_lease_of_the_same_holder_is_refused(
    streams: AnyStreams, renewer: LeaseRenewer
) -> None:
    """The epoch decides, not the name: the same member's earlier lease is lost too."""
    first = await _acquire(streams, "w1")
    second = await _acquire(streams, "w1")
    assert await asyncio.to_thread(renewer.renew, [first, second], 60) == [False, True]


async def test_released_lease_stays_released(streams: AnyStreams, renewer: LeaseRenewer) -> None:
    """A renewal that arrives after the release does not bring the lease back."""
    lease = await _acquire(streams, "w1")
    assert await streams.leases.release(lease)
    assert await asyncio.to_thread(renewer.renew, [lease], 60) == [False]
    assert (await streams.inspect.partitions())[0].owner is None
    assert await streams.leases.acquire(0, "w2", 60) is not None


async def test_release_needs_holder_and_epoch(streams: AnyStreams) -> None:
    """Nobody releases what another holds, nor under an earlier epoch."""
    first = await _acquire(streams, "w1")
    second = await _acquire(streams, "w1")
    assert not await streams.leases.release(first)
    assert not await streams.leases.release(Lease(0, "w2", second.epoch))
    assert await streams.leases.acquire(0, "w2", 60) is None
    assert await streams.leases.release(second)


async def test_renewing_nothing_asks_nobody(streams: AnyStreams, renewer: LeaseRenewer) -> None:
    """A renewal without leases returns without results."""
    assert await asyncio.to_thread(renewer.renew, [], 60) == []
