"""The deliveries that handlers work on now: their time limits, and how they are cut short."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from realtime_message.telemetry.logs import get_logger
from realtime_message.worker.calls import BoundHandler
from realtime_message.worker.delivery import CancelCause, Delivery
from realtime_message.worker.held_partition import HeldPartition
from realtime_message.worker.lease_hold import Clock
from realtime_message.worker.stacks import stack_of_handler

log = get_logger("worker.running")

#: The task in which a handler runs, the handler, and when it was called by the worker's clock.
Call = tuple[asyncio.Task[None], BoundHandler, float]

# A handler that takes longer is slow enough to hold up others.
_SLOW_SECONDS = 1.0


class Running:
    """Deliveries being handled, in the order in which they began.

    All handlers have the same time limit, so the oldest delivery is always the next to run into
    it. One timer for that one is enough; a timer for each message would cost more than the rest of
    the bookkeeping.

    Args:
        time_limit_seconds: how long a handler may take; 0 for ever.
        clock: seconds, never jumping.
        is_in_thread: whether a task waits for a thread.

    Attributes:
        calls: the deliveries, each with its call.
        is_watched: whether the clock runs for the oldest.
    """

    def __init__(
        self,
        time_limit_seconds: float,
        clock: Clock,
        is_in_thread: Callable[[asyncio.Task[None]], bool],
    ) -> None:
        self.time_limit_seconds = time_limit_seconds
        self.calls: dict[Delivery, Call] = {}
        self.is_watched = not time_limit_seconds
        self._clock = clock
        self._is_in_thread = is_in_thread
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self.calls)

    def watch(self) -> None:
        """Let the clock run for the oldest, which begins now."""
        self._arm(self.time_limit_seconds)

    def of(self, held: HeldPartition) -> list[Delivery]:
        """Return the deliveries of one partition."""
        return [delivery for delivery in self.calls if delivery.held is held]

    def handlers_of(self, held: HeldPartition) -> list[BoundHandler]:
        """Return the handlers at work on a partition's deliveries."""
        return [bound for delivery, (_, bound, _) in self.calls.items() if delivery.held is held]

    def slow_channels(self, held: HeldPartition) -> set[str]:
        """Return the channels of a partition whose handler has been at work for long."""
        began_before = self._clock() - _SLOW_SECONDS
        return {
            delivery.message.channel
            for delivery, (_, _, began_at) in self.calls.items()
            if delivery.held is held and began_at < began_before
        }

    def abandon(self, deliveries: Iterable[Delivery]) -> None:
        """Cancel handlers whose messages belong to the next owner now."""
        for delivery in deliveries:
            if delivery in self.calls and delivery.cancel_cause is not CancelCause.abandoned:
                self._cancel(delivery, CancelCause.abandoned)

    def close(self) -> None:
        """Stop the clock."""
        if self._timer is not None:
            self._timer.cancel()

    def _cancel(self, delivery: Delivery, cause: CancelCause) -> None:
        """Cancel a coroutine. A thread cannot be stopped: it is named, and waited for."""
        delivery.cancel_cause = cause
        task, bound, _ = self.calls[delivery]
        if cause is CancelCause.time_limit and self._is_in_thread(task):
            log.error(
                "handler.overdue",
                handler=bound.handler.name,
                message=delivery.message.id,
                channel=delivery.message.channel,
                limit_seconds=self.time_limit_seconds,
                advice="a thread cannot be stopped: give its calls time-outs of their own",
                stack=stack_of_handler(bound.handler),
            )
        task.cancel()

    def _arm(self, seconds: float) -> None:
        self.is_watched = True
        self._timer = asyncio.get_running_loop().call_later(seconds, self._check)

    def _check(self) -> None:
        """Cancel what is over its limit, then wait for the next."""
        self.is_watched = False
        now = self._clock()
        for delivery, (_, _, began_at) in list(self.calls.items()):
            seconds_left = began_at + self.time_limit_seconds - now
            if seconds_left > 0:
                self._arm(seconds_left)
                return
            if delivery.cancel_cause is None:
                self._cancel(delivery, CancelCause.time_limit)
