"""What the streams promise about a change of the partition count, in types.

The prose stands in contracts.py, the steps in resize.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from realtime_message.streams.layout_view import LayoutView


class Routed(Protocol):
    """What appends by the present layout."""

    @property
    def partition_count(self) -> int:
        """By how many partitions channels are routed now."""
        ...

    def on_partition_count(self, listener: Callable[[int], None]) -> None:
        """Let a function be called with the new partition count whenever it has changed."""
        ...


class ResizeStore(Protocol):
    """What workers ask and do about a resize that is under way, whoever began it."""

    async def read(self) -> LayoutView:
        """Return the layout as it is now. Raises StreamsError."""
        ...

    async def undrained(self, view: LayoutView) -> list[int]:
        """Return the partitions of the count before that are not handled up to their markers."""
        ...

    async def finish(self, view: LayoutView) -> bool:
        """Store that it is over if every partition goes on behind its marker; else return False."""
        ...

    async def rescue(self, view: LayoutView) -> None:
        """See to one whose command is gone while nobody can append."""
        ...


class Gatekeeper(Protocol):
    """What the owner of a partition does at a marker, under its lease. Safe to repeat.

    Every method raises LeaseLostError when the epoch has moved.
    """

    async def note_drained(self, generation: int) -> None:
        """Note that everything before the marker is handled and acknowledged."""
        ...

    async def bring_parked(self, view: LayoutView) -> None:
        """Bring over the parked channels that belong to this partition now."""
        ...

    async def open(self, entry_id: str, generation: int) -> None:
        """Note that the partition goes on behind the marker, and acknowledge the marker."""
        ...
