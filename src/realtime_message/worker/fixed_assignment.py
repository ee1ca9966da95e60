"""In the place of a membership when the settings fix the partitions: others do not matter."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from realtime_message.errors import StreamsError
from realtime_message.settings import WorkerSettings
from realtime_message.streams.layout_view import LayoutView
from realtime_message.streams.resize_contracts import ResizeStore
from realtime_message.telemetry.logs import get_logger
from realtime_message.worker.assignment import static_partitions

log = get_logger("worker.membership")

_LOOK_SECONDS = 0.5
#: More than redis.partition_count may be.
_ALL = 1 << 11


class FixedAssignment:
    """Follows the settings, and the partition count when it changes.

    With TOTAL_WORKERS the share is computed anew; PARTITIONS stays the list that it is.

    Args:
        settings: which partitions are ours.
        resizer: shows how many there are.
        partition_count: how many there are at the start.
        on_target: called with those that are ours.
        on_layout: called with each layout that was seen.

    Raises:
        ConfigurationError: the settings contradict the layout or themselves.
    """

    def __init__(
        self,
        settings: WorkerSettings,
        resizer: ResizeStore,
        partition_count: int,
        on_target: Callable[[frozenset[int]], None],
        on_layout: Callable[[LayoutView], None],
    ) -> None:
        named = (settings.id, settings.total_workers, settings.partitions)
        static_partitions(*named, partition_count)
        self._claimed = static_partitions(*named, _ALL) or frozenset()
        self._total_workers = settings.total_workers
        self._is_list = bool(settings.partitions.strip())
        self._resizer = resizer
        self._partition_count = partition_count
        self._on_target = on_target
        self._on_layout = on_layout
        self._tell_what_is_odd()

    async def follow(self) -> None:
        """Say which partitions are ours, again when the count changes, until cancelled."""
        self._aim()
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            try:
                view = await self._resizer.read()
            except StreamsError:
                continue  # what needs the streams says so in the log
            self._on_layout(view)
            if view.covered_count != self._partition_count:
                self._partition_count = view.covered_count
                self._tell_what_is_odd()
                self._aim()

    async def leave(self) -> None:
        """Do nothing: nobody counts on us."""

    def _aim(self) -> None:
        log.info(
            "assignment.fixed",
            partitions=sorted(self._share),
            partition_count=self._partition_count,
        )
        self._on_target(self._share)

    @property
    def _share(self) -> frozenset[int]:
        return frozenset(p for p in self._claimed if p < self._partition_count)

    def _tell_what_is_odd(self) -> None:
        """Name what the settings leave without a worker, or without work."""
        count = self._partition_count
        if self._is_list and max(self._claimed) < count - 1:
            log.info(
                "assignment.partial",
                partition_count=count,
                advice="PARTITIONS leaves some out: see that other workers name them",
            )
        if self._total_workers > count and not self._is_list:
            log.warning(
                "workers.too_many",
                total_workers=self._total_workers,
                partitions=count,
                advice="those with a higher number have no partition and refuse to start; run "
                "fewer workers, or set up more partitions",
            )
        if not self._share:
            log.warning(
                "assignment.empty",
                partition_count=count,
                advice="the settings name no partition that there is: correct PARTITIONS, or "
                "WORKER_ID and TOTAL_WORKERS",
            )
