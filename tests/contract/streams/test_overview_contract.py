"""One overview of every kind of server."""

from __future__ import annotations

from realtime_message.console.overview import OverviewTaker
from realtime_message.streams import Streams


async def test_overview_is_taken_of_every_kind_of_server(server_streams: Streams) -> None:
    """One server, Sentinel's or a cluster: entries, owner, members, parked channels, memory."""
    streams = server_streams
    taker = OverviewTaker(streams)
    await taker.take()
    appender = await streams.appender()
    for partition in range(streams.partition_count):
        await appender.append(partition, b"x")
        lease = await streams.leases.acquire(partition, "ada", 60)
        assert lease is not None
        await streams.parker(lease).park(f"chat:{partition}", "why")
    await streams.members.heartbeat("ada", 60)
    overview = await taker.take()
    assert overview.unhandled == streams.partition_count
    assert [row.owner for row in overview.partitions] == ["ada"] * streams.partition_count
    assert overview.oldest_seconds is not None
    assert overview.appended_per_second
    assert [(worker.name, worker.is_alive) for worker in overview.workers] == [("ada", True)]
    assert [(c.partition, c.channel, c.reason) for c in overview.parked] == [
        (partition, f"chat:{partition}", "why") for partition in range(streams.partition_count)
    ]
    assert overview.memory.used_bytes
