"""A partition that is taken over again and again."""

from __future__ import annotations

from realtime_message.streams.contracts import Entry, PartitionReader
from support.streams_outside import AnyStreams, end_lease


class Partition:
    """Partition 0 of some streams, and readers under leases of it."""

    def __init__(self, streams: AnyStreams) -> None:
        self.streams = streams
        self._readers: list[PartitionReader] = []

    async def take(self, holder: str = "w1") -> PartitionReader:
        """Take the partition over from whoever holds it."""
        await end_lease(self.streams, 0)
        lease = await self.streams.leases.acquire(0, holder, 60)
        assert lease is not None
        self._readers.append(self.streams.reader(lease, f"worker-{holder}-1"))
        return self._readers[-1]

    async def append(self, *payloads: bytes) -> list[str]:
        """Append, and return the entry ids."""
        appender = await self.streams.appender()
        return [(await appender.append(0, payload)).entry_id for payload in payloads]

    async def pending(self) -> int:
        """How many entries are read and not acknowledged."""
        return (await self.streams.inspect.partitions())[0].pending

    async def close(self) -> None:
        """Close all readers."""
        for reader in self._readers:
            await reader.close()


def payloads(entries: list[Entry]) -> list[bytes | None]:
    """Return what the entries hold."""
    return [entry.payload for entry in entries]
