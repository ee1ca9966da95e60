"""What happens to streams from outside: the same harm to a server and to streams in memory."""

from __future__ import annotations

from realtime_message.streams import Streams
from realtime_message.testing import MemoryStreams

AnyStreams = Streams | MemoryStreams


async def end_lease(streams: AnyStreams, partition: int) -> None:
    """Let a partition's lease run out now."""
    if isinstance(streams, MemoryStreams):
        streams.partitions[partition].held_until = 0.0
        return
    await streams._session.run("DEL", streams.keys.lease(partition))


async def forget_lease(streams: AnyStreams, partition: int) -> None:
    """Lose the lease and its epoch, as a server does that lost its data."""
    if isinstance(streams, MemoryStreams):
        state = streams.partitions[partition]
        state.held_until, state.holder, state.epoch, state.is_released = 0.0, None, 0, True
        return
    await streams._session.run("DEL", streams.keys.lease(partition), streams.keys.epoch(partition))


async def entry_ids(streams: AnyStreams, partition: int) -> list[str]:
    """Return the ids of all entries in a partition's stream."""
    if isinstance(streams, MemoryStreams):
        return [entry.id for entry in streams.partitions[partition].entries]
    rows = await streams._session.run("XRANGE", streams.keys.stream(partition), "-", "+")
    return [entry_id.decode() for entry_id, _ in rows]
