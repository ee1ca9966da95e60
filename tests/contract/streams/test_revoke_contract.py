"""Taking a lease away: the former holder can do nothing any more, and nobody else is touched."""

from __future__ import annotations

import asyncio

import pytest

from realtime_message.errors import LeaseLostError
from realtime_message.streams import Streams


async def test_former_holder_can_neither_read_nor_acknowledge_nor_renew(
    server_streams: Streams,
) -> None:
    """Whatever it does; the next owner gets what it had in hand, and knows that it was in hand."""
    streams = server_streams
    appender = await streams.appender()
    await appender.append(0, b"1")
    await appender.append(0, b"2")
    lease = await streams.leases.acquire(0, "stuck", 600)
    assert lease is not None
    reader = streams.reader(lease, "worker-stuck-1")
    (entry,) = await reader.cycle([], 1)
    epoch = await streams.leases.revoke(0, lease.epoch)
    assert epoch is not None
    assert epoch > lease.epoch
    for step in (
        reader.cycle([entry.id], 1),
        reader.bury(entry, reason="r", error="e", attempts=1),
        reader.record_attempt(entry.id, 1),
        streams.parker(lease).park("c"),
    ):
        with pytest.raises(LeaseLostError):
            await step
    renewer = streams.renewer()
    assert await asyncio.to_thread(renewer.renew, [lease], 600) == [False]
    await asyncio.to_thread(renewer.close)
    assert not await streams.leases.release(lease)
    new = await streams.leases.acquire(0, "next", 600)
    assert new is not None
    assert new.epoch > epoch
    assert not new.is_handed_over
    following = streams.reader(new, "worker-next-1")
    assert [e.payload for e in await following.claim_pending(10)] == [b"1"]
    assert [e.payload for e in await following.cycle([], 10)] == [b"2"]
    await following.close()
    await reader.close()


async def test_lease_that_changed_hands_since_it_was_seen_is_left_alone(
    server_streams: Streams,
) -> None:
    """What was confirmed was another holder's."""
    streams = server_streams
    first = await streams.leases.acquire(0, "a", 600)
    assert first is not None
    second = await streams.leases.acquire(0, "a", 600)
    assert second is not None
    assert await streams.leases.revoke(0, first.epoch) is None
    renewer = streams.renewer()
    assert await asyncio.to_thread(renewer.renew, [second], 600) == [True]
    await asyncio.to_thread(renewer.close)


@pytest.mark.parametrize("how", ["released", "expired"])
async def test_lease_that_nobody_holds_is_not_revoked(server_streams: Streams, how: str) -> None:
    """There is nothing to take."""
    streams = server_streams
    lease = await streams.leases.acquire(0, "a", 600)
    assert lease is not None
    if how == "released":
        await streams.leases.release(lease)
    else:
        await streams._session.run("DEL", streams.keys.lease(0))
    assert await streams.leases.revoke(0, lease.epoch) is None
