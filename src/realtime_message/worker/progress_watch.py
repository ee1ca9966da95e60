"""Notices a partition that stands still although nothing is at work in it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from realtime_message.errors import StreamsError
from realtime_message.telemetry.logs import get_logger
from realtime_message.telemetry.worker_metrics import Loss
from realtime_message.worker.equipment import Equipment
from realtime_message.worker.held_partition import HeldPartition
from realtime_message.worker.running import Running

log = get_logger("worker.progress_watch")

_LOOK_SECONDS = 10.0
_STALLED_SECONDS = 30.0


@dataclass(slots=True)
class _Rest:
    """A partition at rest before an entry.

    Attributes:
        entry_id: the oldest entry that is not done.
        since: when it was first seen so.
        is_told: whether the partition was given up for it.
    """

    entry_id: str
    since: float
    is_told: bool = False


class ProgressWatch:
    """Looks every few seconds whether the oldest entry of each partition held is still the same.

    While a handler is at work, or a retry waits for its time, that is as it should be. If nothing
    is under way for half a minute, something is wrong that no other rule has met: the partition is
    given up and acquired again, so that its entries are read again. Once for each entry: if that
    does not help, only people can.

    Args:
        equipment: what the worker works with.
        held: returns the partitions held now.
        running: the handlers at work, in all partitions.
    """

    def __init__(
        self, equipment: Equipment, held: Callable[[], Iterable[HeldPartition]], running: Running
    ) -> None:
        self._find_oldest = equipment.streams.find_oldest
        self._metrics = equipment.metrics
        self._clock = equipment.clock
        self._held = held
        self._running = running
        self._rests: dict[int, _Rest] = {}

    async def watch(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            for held in list(self._held()):
                await self._look(held)

    async def _look(self, held: HeldPartition) -> None:
        oldest = None
        if not self._is_at_work(held):
            try:
                oldest = await self._find_oldest(held.number)
            except StreamsError:
                return  # the fetcher says so in the log
        if oldest is None or self._is_at_work(held):
            self._rests.pop(held.number, None)
            return
        rest = self._rests.get(held.number)
        if rest is None or rest.entry_id != oldest:
            self._rests[held.number] = _Rest(oldest, self._clock())
        elif not rest.is_told and self._clock() - rest.since >= _STALLED_SECONDS:
            rest.is_told = True
            self._give_up(held, oldest)

    def _is_at_work(self, held: HeldPartition) -> bool:
        # What is ready may wait for the handlers of other partitions.
        return held.is_at_work or bool(held.lanes.ready and self._running)

    def _give_up(self, held: HeldPartition, oldest: str) -> None:
        self._metrics.count_incident("partition_stalled")
        log.error(
            "partition.stalled",
            partition=held.number,
            entry=oldest,
            in_hand=held.lanes.message_count,
            seconds=_STALLED_SECONDS,
            advice="nothing is at work and the oldest entry stays: the partition is read anew; "
            "please report this",
        )
        held.hold.lose(Loss.stalled)
