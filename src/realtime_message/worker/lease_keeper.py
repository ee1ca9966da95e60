"""Renews leases from a thread of its own, so that a blocked event loop does not lose them."""

from __future__ import annotations

import threading
from collections.abc import Callable

from realtime_message.errors import StreamsError
from realtime_message.streams.contracts import LeaseRenewer
from realtime_message.telemetry.logs import get_logger
from realtime_message.telemetry.worker_metrics import Loss
from realtime_message.worker.lease_hold import Clock, LeaseHold

log = get_logger("worker.lease_keeper")

# Of a lease's duration: renewed after a third, relied on for two thirds. The last third is for what
# a handler still does after it was cancelled, and for clocks that run at different speeds.
_RENEW_AFTER = 1 / 3
_RELY_ON = 2 / 3
_RETRY_AFTER = 1 / 12


class LeaseKeeper:
    """Keeps leases until they are taken out, lost, or the event loop hangs for too long.

    A handler that blocks the event loop must not lose the lease, or another worker would handle
    its message at the same time; nor may it keep the lease for ever.

    Args:
        open_renewer: opens a connection for this thread.
        lease_seconds: the duration of the leases.
        clock: seconds, never jumping.
        blocked_seconds: returns for how long the event loop has been blocked.
        max_blocked_seconds: after so long a block everything is given up; 0 for never.
        on_death: called in the thread if it ends by a defect. A worker must not go on without it.
    """

    def __init__(
        self,
        open_renewer: Callable[[], LeaseRenewer],
        lease_seconds: float,
        *,
        clock: Clock,
        blocked_seconds: Callable[[], float],
        max_blocked_seconds: float,
        on_death: Callable[[BaseException], None],
    ) -> None:
        self._open_renewer = open_renewer
        self._lease_seconds = lease_seconds
        self._clock = clock
        self._blocked_seconds = blocked_seconds
        self._max_blocked_seconds = max_blocked_seconds
        self._on_death = on_death
        self._holds: set[LeaseHold] = set()
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._renewer: LeaseRenewer | None = None
        self._renew_at = 0.0
        self._is_failing = False
        self._thread = threading.Thread(target=self._run, name="lease keeper", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread: the last thing that a worker stops."""
        self._stopped.set()
        self._thread.join()

    def reliable_until(self, asked_at: float) -> float:
        """Return until when a lease may be relied on that was asked for at a time."""
        return asked_at + self._lease_seconds * _RELY_ON

    def add(self, hold: LeaseHold) -> None:
        """Renew a lease from now on."""
        with self._lock:
            self._holds.add(hold)

    def remove(self, hold: LeaseHold) -> None:
        """Renew a lease no more."""
        with self._lock:
            self._holds.discard(hold)

    def turn(self) -> float:
        """Renew what is due and give up what cannot be kept; return the seconds to the next turn.

        The thread does nothing but call this; tests call it with a clock of their own.
        """
        blocked_seconds = self._blocked_seconds()
        is_hanging = 0 < self._max_blocked_seconds < blocked_seconds
        with self._lock:
            holds = [hold for hold in self._holds if not hold.is_lost]
        for hold in holds:
            if is_hanging:
                hold.lose(Loss.blocked)
            hold.check()
        now = self._clock()
        if now >= self._renew_at:
            self._renew([hold for hold in holds if hold.is_held])
        until_renewal = self._renew_at - self._clock()
        return max(0.0, min([until_renewal, 0.25, *(h.seconds_left for h in holds if h.is_held)]))

    def _renew(self, holds: list[LeaseHold]) -> None:
        asked_at = self._clock()
        self._renew_at = asked_at + self._lease_seconds * _RENEW_AFTER
        if not holds:
            return
        try:
            if self._renewer is None:
                self._renewer = self._open_renewer()
            answers = self._renewer.renew([hold.lease for hold in holds], self._lease_seconds)
        except StreamsError as error:
            self._renew_at = asked_at + self._lease_seconds * _RETRY_AFTER
            self._report(error)
            return
        self._report(None)
        for hold, is_renewed in zip(holds, answers, strict=True):
            if is_renewed is None:  # its node of a cluster is silent; the others' are renewed
                self._renew_at = asked_at + self._lease_seconds * _RETRY_AFTER
            elif is_renewed:
                hold.extend(self.reliable_until(asked_at))
            else:
                hold.lose(Loss.taken)

    def _report(self, error: StreamsError | None) -> None:
        if error is not None and not self._is_failing:
            log.warning("renewal.failed", error=str(error))
        elif error is None and self._is_failing:
            log.info("renewal.recovered")
        self._is_failing = error is not None

    def _run(self) -> None:
        try:
            while not self._stopped.wait(self.turn()):
                pass
        except BaseException as error:  # noqa: BLE001 - whatever it is, the worker must stop
            self._on_death(error)
        finally:
            if self._renewer is not None:
                self._renewer.close()
