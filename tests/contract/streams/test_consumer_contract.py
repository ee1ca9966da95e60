"""Consumers of processes that ended go; those that hold something, and other systems', stay."""

from __future__ import annotations

import pytest

from realtime_message.errors import LeaseLostError
from realtime_message.streams import Streams
from realtime_message.streams.consumers import retire_consumers
from realtime_message.streams.contracts import Lease


async def _names(streams: Streams) -> set[str]:
    rows = await streams._session.run(
        "XINFO", "CONSUMERS", streams.keys.stream(0), streams.keys.group(0)
    )
    return {row[1].decode() for row in rows}


async def _read(streams: Streams, consumer: str, *, acknowledges: bool = True) -> Lease:
    """Read one entry as a consumer, under a lease of its own."""
    appender = await streams.appender()
    await appender.append(0, b"x")
    await streams._session.run("DEL", streams.keys.lease(0))
    lease = await streams.leases.acquire(0, consumer, 600)
    assert lease is not None
    reader = streams.reader(lease, consumer)
    entries = await reader.cycle([], 1)
    if acknowledges:
        await reader.cycle([entry.id for entry in entries], 0)
    await reader.close()
    return lease


async def _retire(
    streams: Streams, lease: Lease, idle_seconds: float = 0.0, *, is_leaving: bool = False
) -> int:
    return await retire_consumers(
        streams._session,
        streams.keys,
        lease,
        "worker-mine-1",
        is_leaving=is_leaving,
        min_idle_seconds=idle_seconds,
    )


async def test_others_that_hold_nothing_go_and_those_that_hold_something_stay(
    server_streams: Streams,
) -> None:
    """What is pending is never deleted with its consumer."""
    streams = server_streams
    await _read(streams, "worker-done-1")
    await _read(streams, "worker-busy-1", acknowledges=False)
    await _read(streams, "other-system")
    lease = await _read(streams, "worker-mine-1")
    assert await _retire(streams, lease, 600) == 0
    await _read_nothing(streams)
    assert await _retire(streams, lease, 0.001) == 1
    assert await _names(streams) == {"worker-busy-1", "other-system", "worker-mine-1"}
    assert (await streams.inspect.partitions())[0].pending == 1


async def _read_nothing(streams: Streams) -> None:
    """Let some milliseconds of the server pass."""
    await streams._session.run("XREAD", "BLOCK", 5, "STREAMS", streams.keys.stream(0), "$")


async def test_own_consumer_goes_when_its_process_leaves_and_holds_nothing(
    server_streams: Streams,
) -> None:
    """A later read makes it again."""
    streams = server_streams
    lease = await _read(streams, "worker-mine-1", acknowledges=False)
    assert await _retire(streams, lease, is_leaving=True) == 0
    reader = streams.reader(lease, "worker-mine-1")
    (entry,) = await reader.claim_pending(10)
    await reader.cycle([entry.id], 0)
    assert await _retire(streams, lease) == 0
    assert await _retire(streams, lease, is_leaving=True) == 1
    assert await _names(streams) == set()
    await (await streams.appender()).append(0, b"y")
    assert [e.payload for e in await reader.cycle([], 10)] == [b"y"]
    await reader.close()


async def test_former_owner_deletes_nothing(server_streams: Streams) -> None:
    """It is fenced as everything else."""
    streams = server_streams
    former = await _read(streams, "worker-mine-1")
    await _read(streams, "worker-next-1")
    with pytest.raises(LeaseLostError):
        await _retire(streams, former, is_leaving=True)
    assert await _names(streams) == {"worker-mine-1", "worker-next-1"}
