"""A worker: its parts, wired. A message travels through them from top to bottom.

membership   which partitions are ours: what all members agreed on, or what the settings fix
ownership    an owner for each: it acquires the lease, works under it, hands over or loses it
keeper       renews the leases, from a thread of its own
fetcher      one for each partition held: reads entries, acknowledges what is done
gate         beside it: holds back what was appended by a new partition count
handling     lanes (one message of a channel at a time, channels side by side) → runners (tasks
             that take what is ready) → dispatcher (calls the handler) → settler (acknowledge, try
             again, or dead letter)

Each part has a file of its own name and does not know this one.
"""

from __future__ import annotations

from typing import Any

from realtime_message.telemetry.logs import get_logger
from realtime_message.worker.equipment import Equipment
from realtime_message.worker.handling import Handling
from realtime_message.worker.lease_keeper import LeaseKeeper
from realtime_message.worker.lifecycle import Failure, StopRequest, cancel_all, first_of
from realtime_message.worker.loop_watch import LoopWatch
from realtime_message.worker.membership import make_membership
from realtime_message.worker.ownership import Ownership
from realtime_message.worker.partition_owner import Tenancy
from realtime_message.worker.progress_watch import ProgressWatch
from realtime_message.worker.resize_watch import ResizeWatch
from realtime_message.worker.trimming import keep_trimmed

log = get_logger("worker")


class Worker:
    """One worker; made and run in the same event loop.

    Args:
        equipment: what it works with.
        keeper_type: renews the leases; a simulation renews them without a thread.

    Raises:
        StartupError: a handler asks for what nothing fits, or the settings contradict the layout.
    """

    def __init__(self, equipment: Equipment, keeper_type: type[LeaseKeeper] = LeaseKeeper) -> None:
        app, settings = equipment.app, equipment.settings
        self.equipment = equipment
        self.failure = Failure()
        self.handling = Handling(equipment, self.failure.meet)
        self.watch = LoopWatch(app.message_handlers.values, equipment.clock)
        self.keeper = keeper_type(
            equipment.streams.renewer,
            settings.lease_seconds,
            clock=equipment.clock,
            blocked_seconds=self.watch.look,
            max_blocked_seconds=settings.max_blocked_seconds,
            on_death=self.failure.meet,
        )
        self.resizes = ResizeWatch(equipment.streams.resizer, equipment.clock, self.failure.meet)
        tenancy = Tenancy(equipment, self.keeper, self.handling, self.resizes)
        self.ownership = Ownership(tenancy, self.failure.meet)
        self.membership = make_membership(equipment, self.ownership.aim_at, self.resizes.notice)
        self.progress = ProgressWatch(equipment, self.ownership.held, self.handling.running)

    async def run(self, stop: StopRequest) -> None:
        """Work until asked to stop, then drain.

        Raises:
            BaseException: what a part met and could not deal with; the rest was drained.
        """
        app, settings, streams = self.equipment.app, self.equipment.settings, self.equipment.streams
        trimming = keep_trimmed(streams.trimmer, self.ownership.in_hand, settings)
        self.watch.start()
        self.keeper.start()
        beside = [
            self.failure.watch(self.membership.follow(), "membership"),
            self.failure.watch(trimming, "trimming"),
            self.failure.watch(self.progress.watch(), "progress watch"),
        ]
        named = {"app": app.name} if app.name else {}
        handlers = app.message_handlers.patterns
        log.info("worker.started", worker=self.equipment.names.worker, handlers=handlers, **named)
        try:
            await first_of(stop.drain.wait(), self.failure.wait())
        finally:
            await cancel_all(beside)
            await self._drain(stop)
        if self.failure.error is not None:
            raise self.failure.error

    async def _drain(self, stop: StopRequest) -> None:
        """Step back, finish, acknowledge, release; renewing leases is the last thing to stop."""
        log.info("worker.draining", in_hand=sum(self.ownership.in_hand().values()))
        self.handling.announce_stop()
        await self.membership.leave()
        await first_of(self.ownership.drain(), stop.force.wait())
        await self.ownership.cancel()
        await self.resizes.close()
        await self.handling.close()
        self.keeper.stop()
        self.watch.stop()
        log.info("worker.stopped", worker=self.equipment.names.worker)

    def health(self) -> tuple[bool, dict[str, Any]]:
        """Return whether all is well, and what to show. May be called from another thread."""
        blocked_seconds = self.watch.blocked_seconds
        return blocked_seconds == 0 and self.failure.error is None, {
            "worker": self.equipment.names.worker,
            "partitions": sorted(self.ownership.in_hand()),
            "assigned": sorted(self.ownership.target),
            "blocked_seconds": round(blocked_seconds, 1),
        }
