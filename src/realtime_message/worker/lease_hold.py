"""How far this process may rely on a lease, by its own clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from realtime_message.streams.contracts import Lease
from realtime_message.telemetry.worker_metrics import Loss

Clock = Callable[[], float]


def _steady_clock() -> Clock:
    """A clock that never jumps and goes on while the machine is suspended.

    Python's monotonic clock stands still during a suspend on Linux; a lease does not.
    """
    boot_time = getattr(time, "CLOCK_BOOTTIME", None)
    if boot_time is None:
        return time.monotonic
    return partial(time.clock_gettime, boot_time)


#: Seconds since some point in the past; only differences mean something.
steady_clock = _steady_clock()


class LeaseHold:
    """A lease of ours until its time is up or it is known to be lost. Used by two threads.

    The streams' fence decides in the end; this is what keeps a worker without Redis from handling
    messages that another one may have by now.

    Args:
        lease: the lease.
        until: the time by `clock` up to which it may be relied on.
        clock: seconds, never jumping.
        on_lost: called once, in the thread that noticed.

    Attributes:
        until: the time by the clock up to which it may be relied on.
        lost_because: why it was given up; None while it is ours.
    """

    def __init__(
        self, lease: Lease, until: float, clock: Clock, on_lost: Callable[[], None]
    ) -> None:
        self.lease = lease
        self.lost_because: Loss | None = None
        self.until = until
        self._clock = clock
        self._on_lost = on_lost

    @property
    def is_held(self) -> bool:
        """Whether the lease may be relied on now."""
        return self.lost_because is None and self._clock() < self.until

    @property
    def is_lost(self) -> bool:
        """Whether it was given up; it is never ours again, even if the time was not up."""
        return self.lost_because is not None

    @property
    def seconds_left(self) -> float:
        """How long it may be relied on without a further renewal."""
        return self.until - self._clock()

    def check(self) -> bool:
        """Whether it may be relied on now; once its time is up it is given up for good."""
        if self.lost_because is None and self._clock() < self.until:
            return True
        self.lose(Loss.expired)
        return False

    def extend(self, until: float) -> None:
        """Rely on it longer: a renewal succeeded."""
        self.until = max(self.until, until)

    def lose(self, because: Loss) -> None:
        """Give it up; the first reason stays.

        Two threads may get here at once. Then `on_lost` is called twice, which it must bear.
        """
        if self.lost_because is None:
            self.lost_because = because
            self._on_lost()
