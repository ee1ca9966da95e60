"""Lets waiting times of the current event loop pass at once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable


class SkippedTime:
    """The event loop's time, put forward.

    Timers whose time has come by it are run in the loop's next turn, in their order. What was
    skipped stays skipped: the loop's time never goes back.

    Args:
        loop: asyncio's own event loop; uvloop does not let its time be changed.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._real_time = loop.time
        #: How many seconds were skipped.
        self.skipped_seconds = 0.0

    def install(self) -> None:
        """Make the loop's time ours.

        Raises:
            RuntimeError: the loop does not allow it.
        """
        if not isinstance(self._loop, asyncio.BaseEventLoop):
            raise RuntimeError(  # noqa: TRY004 - where it runs, not what it was given
                f"time cannot be skipped in {type(self._loop).__module__}'s event loop: "
                "let the tests run in asyncio's own"
            )
        # Its methods ask the attribute.
        self._loop.time = self._time  # type: ignore[method-assign]

    def skip(self, seconds: float) -> None:
        """Put the time forward."""
        self.skipped_seconds += max(0.0, seconds)

    def skip_to_next_timer(self, at_least_seconds: float, at_most_seconds: float) -> None:
        """Put the time forward to the loop's next timer, within limits."""
        # Private, but there since asyncio began; without it, small steps do as well.
        planned: Iterable[asyncio.TimerHandle] = getattr(self._loop, "_scheduled", ())
        next_at = min((timer.when() for timer in planned if not timer.cancelled()), default=None)
        seconds = at_most_seconds if next_at is None else next_at - self._time()
        self.skip(min(at_most_seconds, max(at_least_seconds, seconds)))

    def _time(self) -> float:
        return self._real_time() + self.skipped_seconds
