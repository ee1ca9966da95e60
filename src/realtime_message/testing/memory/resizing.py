"""The partition count in memory: it never changes, so there is never a marker."""

from __future__ import annotations

from realtime_message.streams.contracts import Lease
from realtime_message.streams.layout_view import LayoutView
from realtime_message.testing.memory.state import MemoryServer


class MemoryResizeStore:
    """See resize_contracts.ResizeStore.

    Args:
        partition_count: how many partitions there are.
    """

    def __init__(self, partition_count: int) -> None:
        self._view = LayoutView(partition_count=partition_count)

    async def read(self) -> LayoutView:
        """Return the layout."""
        return self._view

    async def undrained(self, view: LayoutView) -> list[int]:
        """Return none: nothing is under way."""
        del view
        return []

    async def finish(self, view: LayoutView) -> bool:
        """Return True: nothing is under way."""
        del view
        return True

    async def rescue(self, view: LayoutView) -> None:
        """Do nothing."""


class MemoryGatekeeper:
    """See resize_contracts.Gatekeeper. It only refuses whoever has lost the partition.

    Args:
        server: what is fenced.
        lease: under which it is asked.
    """

    def __init__(self, server: MemoryServer, lease: Lease) -> None:
        self._state = server.partitions[lease.partition]
        self._lease = lease

    async def note_drained(self, generation: int) -> None:
        """Note nothing."""
        del generation
        self._state.check(self._lease)

    async def bring_parked(self, view: LayoutView) -> None:
        """Do nothing."""

    async def open(self, entry_id: str, generation: int) -> None:
        """Open nothing."""
        del entry_id, generation
        self._state.check(self._lease)
