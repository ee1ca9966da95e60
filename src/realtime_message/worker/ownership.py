"""Which partitions this worker works on, following what is assigned to it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from realtime_message.worker.held_partition import HeldPartition
from realtime_message.worker.partition_owner import PartitionOwner, Tenancy


class Ownership:
    """Starts and stops an owner for each partition.

    Args:
        tenancy: what all partitions share.
        on_failure: called when an owner met a defect; the worker must stop.
    """

    def __init__(self, tenancy: Tenancy, on_failure: Callable[[BaseException], None]) -> None:
        self._tenancy = tenancy
        self._on_failure = on_failure
        self._target: frozenset[int] = frozenset()
        self._owners: dict[int, PartitionOwner] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def target(self) -> frozenset[int]:
        """The partitions that should be worked on."""
        return self._target

    def in_hand(self) -> dict[int, int]:
        """Return the partitions whose lease is held, each with its messages in hand."""
        held = [owner.held for owner in list(self._owners.values())]
        return {h.number: h.lanes.message_count + h.lanes.overflow_count for h in held if h}

    def held(self) -> list[HeldPartition]:
        """Return the partitions whose lease is held."""
        return [owner.held for owner in self._owners.values() if owner.held is not None]

    def aim_at(self, partitions: frozenset[int]) -> None:
        """Work on these partitions: hand over the others, acquire what is missing."""
        self._target = partitions
        for partition, owner in self._owners.items():
            if partition not in partitions:
                owner.stop()
        for partition in sorted(partitions - self._owners.keys()):
            self._start(partition)

    async def drain(self) -> None:
        """Hand over everything and wait for the end."""
        self.aim_at(frozenset())
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def cancel(self) -> None:
        """End at once; leases are left to run out."""
        self._target = frozenset()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _start(self, partition: int) -> None:
        owner = self._owners[partition] = PartitionOwner(partition, self._tenancy)
        task = asyncio.create_task(owner.run(), name=f"owner of partition {partition}")
        self._tasks.add(task)
        task.add_done_callback(lambda task: self._ended(partition, task))

    def _ended(self, partition: int, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        del self._owners[partition]
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._on_failure(error)
        elif partition in self._target and not task.cancelled():
            # It was taken away and given back while it was being handed over.
            self._start(partition)
