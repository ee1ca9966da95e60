"""Handlers that go on after their partition was lost."""

from __future__ import annotations

from realtime_message.errors import StuckHandlerError
from realtime_message.telemetry.logs import get_logger
from realtime_message.worker.calls import BoundHandler
from realtime_message.worker.held_partition import HeldPartition
from realtime_message.worker.lease_hold import Clock
from realtime_message.worker.running import Running
from realtime_message.worker.stacks import stack_of_handler

log = get_logger("worker.stuck_handlers")

# What a cancelled handler does at its end is no news.
_TELL_AFTER_SECONDS = 1.0


class StuckHandlers:
    """Names the handlers that a partition waits for, and says when that takes too long.

    Args:
        held: the partition under its former lease.
        running: the handlers at work, in all partitions.
        clock: seconds, never jumping.
    """

    def __init__(self, held: HeldPartition, running: Running, clock: Clock) -> None:
        self._held = held
        self._running = running
        self._clock = clock
        self._began_at = clock()
        self._is_told = False

    def look(self, max_seconds: float) -> None:
        """Tell of them, once.

        Args:
            max_seconds: how long they are waited for; 0 for ever.

        Raises:
            StuckHandlerError: they have been waited for longer.
        """
        seconds = self._clock() - self._began_at
        if seconds >= _TELL_AFTER_SECONDS and not self._is_told:
            self._is_told = True
            self._tell(max_seconds)
        if 0 < max_seconds <= seconds:
            raise StuckHandlerError(
                f"{self._names} did not end in {max_seconds:g} s (worker.max_blocked_seconds) "
                f"after the lease of partition {self._held.number} was lost, and cannot be "
                "stopped: this process ends, so that a new one or another worker goes on"
            )

    @property
    def _names(self) -> str:
        return ", ".join(sorted({bound.handler.name for bound in self._bound})) or "a handler"

    @property
    def _bound(self) -> list[BoundHandler]:
        return [*self._running.handlers_of(self._held), *self._held.batch_handlers_at_work]

    def _tell(self, max_seconds: float) -> None:
        log.warning(
            "partition.waits_for_handlers",
            partition=self._held.number,
            handlers=self._names,
            max_seconds=max_seconds,
            advice="its lease was lost and they are still at work: until they end, or this worker "
            "does, nobody handles the partition",
            stack=next(filter(None, (stack_of_handler(b.handler) for b in self._bound)), ""),
        )
