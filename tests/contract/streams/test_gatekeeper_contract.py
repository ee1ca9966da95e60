"""The gate of a partition while its count changes: only the owner drains and opens it."""

from __future__ import annotations

import pytest

from realtime_message.errors import LeaseLostError
from support.streams_outside import AnyStreams, end_lease


async def test_former_owner_neither_drains_nor_opens(streams: AnyStreams) -> None:
    """Both say that everything is handled, which only the present owner knows."""
    former = await streams.leases.acquire(0, "w1", 60)
    assert former is not None
    await end_lease(streams, 0)
    present = await streams.leases.acquire(0, "w2", 60)
    assert present is not None
    keeper = streams.gatekeeper(former)
    with pytest.raises(LeaseLostError):
        await keeper.note_drained(1)
    with pytest.raises(LeaseLostError):
        await keeper.open("1-1", 1)
    await streams.gatekeeper(present).note_drained(1)
