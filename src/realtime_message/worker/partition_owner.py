"""Owning one partition: acquire it, work on it, hand it over or lose it, until told to stop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from realtime_message.errors import LeaseLostError, StreamsError
from realtime_message.telemetry.logs import get_logger
from realtime_message.telemetry.worker_metrics import Loss
from realtime_message.worker.backoff import backoff_delays
from realtime_message.worker.equipment import Equipment
from realtime_message.worker.fetcher import Fetcher
from realtime_message.worker.gate import Gate
from realtime_message.worker.handling import Handling
from realtime_message.worker.held_partition import HeldPartition
from realtime_message.worker.lease_hold import LeaseHold
from realtime_message.worker.lease_keeper import LeaseKeeper
from realtime_message.worker.resize_watch import ResizeWatch
from realtime_message.worker.stuck_handlers import StuckHandlers

log = get_logger("worker.partition_owner")

# While another member holds the lease: a hand-over is noticed within this time.
_POLL_SECONDS = 0.1
# After a drain has cancelled the handlers, how long it waits for those that do not end at once.
_GRACE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Tenancy:
    """What every partition of a worker is owned with.

    Attributes:
        equipment: what the worker works with.
        keeper: renews the leases.
        handling: works on what is read.
        resizes: knows about a change of the partition count.
    """

    equipment: Equipment
    keeper: LeaseKeeper
    handling: Handling
    resizes: ResizeWatch


class PartitionOwner:
    """Sees to one partition for as long as it is assigned to this worker.

    Args:
        partition: its number.
        tenancy: what all partitions share.
    """

    def __init__(self, partition: int, tenancy: Tenancy) -> None:
        equipment = tenancy.equipment
        self.partition = partition
        self._streams = equipment.streams
        self._settings = equipment.settings
        self._names = equipment.names
        self._metrics = equipment.metrics
        self._clock = equipment.clock
        self._keeper = tenancy.keeper
        self._handling = tenancy.handling
        self._resizes = tenancy.resizes
        self._stopping = asyncio.Event()
        self._fetching: asyncio.Task[None] | None = None
        #: The partition while its lease is held.
        self.held: HeldPartition | None = None

    def stop(self) -> None:
        """Hand the partition over: `run` ends when its handlers have."""
        self._stopping.set()
        if self.held is not None:
            self._drain(self.held)

    async def run(self) -> None:
        """Own the partition whenever it is free, until `stop`."""
        delays = backoff_delays()
        while (hold := await self._acquire()) is not None:
            began_at = self._clock()
            await self._work(hold)
            if self._clock() - began_at > self._settings.lease_seconds:
                delays = backoff_delays()
            await self._pause(next(delays))

    async def _acquire(self) -> LeaseHold | None:
        """Wait until the lease is ours; None when told to stop."""
        lease_seconds = self._settings.lease_seconds
        waiting = _Waiting(self.partition, self._clock() + 2 * lease_seconds)
        while not self._stopping.is_set():
            asked_at = self._clock()
            try:
                lease = await self._streams.leases.acquire(
                    self.partition, self._names.member, lease_seconds
                )
            except StreamsError as error:
                await self._pause(waiting.failed(error))
                continue
            if lease is None:
                await self._pause(waiting.refused(self._clock()))
                continue
            until = self._keeper.reliable_until(asked_at)
            return LeaseHold(lease, until, self._clock, self._on_lost())
        return None

    def _on_lost(self) -> Callable[[], None]:
        """What a lost lease does, from whichever thread: it ends the fetcher, which ends all."""
        loop = asyncio.get_running_loop()

        def cancel() -> None:
            if self._fetching is not None:
                self._fetching.cancel()

        def on_lost() -> None:
            # A loop that has closed meanwhile has nothing left to end.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(cancel)

        return on_lost

    async def _work(self, hold: LeaseHold) -> None:
        """Work under one lease, until it is handed over or lost."""
        reader = self._streams.reader(hold.lease, self._names.consumer)
        held = self.held = self._handling.open_held(hold, reader, self._streams.parker(hold.lease))
        self._keeper.add(hold)
        self._metrics.acquired_count += 1
        log.info("partition.acquired", partition=self.partition, epoch=hold.lease.epoch)
        name = f"partition {self.partition}"
        guard = asyncio.create_task(_watch_clock(hold), name=f"clock of {name}")
        running = self._handling.running
        gate = Gate(held, self._streams.gatekeeper(hold.lease), self._resizes)
        fetcher = Fetcher(held, gate, self._handling.entries_came, running.slow_channels)
        self._fetching = asyncio.create_task(fetcher.run(), name=f"fetcher of {name}")
        held.run_errand(self._retire_consumers(hold, is_leaving=False))
        if self._stopping.is_set():
            self._drain(held)
        try:
            await self._fetching
        except LeaseLostError:
            hold.lose(Loss.taken)
        except asyncio.CancelledError:
            if not hold.is_lost:
                raise
        finally:
            guard.cancel()
            self.held = self._fetching = None
            held.abandon()
            running.abandon(running.of(held))
            self._keeper.remove(hold)
            await reader.close()
        await self._end(hold)
        await self._outlast(held)

    async def _outlast(self, held: HeldPartition) -> None:
        """Wait for handlers that a lost lease has left at work, such as threads.

        Another worker may begin the same messages meanwhile; this one must not do so beside itself.
        But the partition stays assigned to this one, so the wait has a limit.

        Raises:
            StuckHandlerError: they do not end.
        """
        waiting = StuckHandlers(held, self._handling.running, self._clock)
        while not held.is_idle and not self._stopping.is_set():
            waiting.look(self._settings.max_blocked_seconds)
            await self._pause(_POLL_SECONDS)

    async def _end(self, hold: LeaseHold) -> None:
        if hold.lost_because is not None:
            self._metrics.losses[hold.lost_because] += 1
            log.warning(
                "partition.lost",
                partition=self.partition,
                epoch=hold.lease.epoch,
                reason=hold.lost_because,
            )
            return
        self._metrics.released_count += 1
        await self._retire_consumers(hold, is_leaving=True)
        try:
            await self._streams.leases.release(hold.lease)
        except StreamsError as error:
            # It runs out by itself; the next owner only waits longer.
            log.warning("release.failed", partition=self.partition, error=str(error))
        else:
            log.info("partition.released", partition=self.partition, epoch=hold.lease.epoch)

    async def _retire_consumers(self, hold: LeaseHold, *, is_leaving: bool) -> None:
        """Leave no names of ended processes in the consumer group, for nobody else deletes them."""
        try:
            await self._streams.retire_consumers(
                hold.lease, self._names.consumer, is_leaving=is_leaving
            )
        except LeaseLostError:
            hold.lose(Loss.taken)
        except StreamsError as error:
            log.debug("consumers.stay", partition=self.partition, error=str(error))

    def _drain(self, held: HeldPartition) -> None:
        held.drain()
        timeout = self._settings.drain_timeout_seconds
        asyncio.get_running_loop().call_later(timeout, self._cut_short, held)

    def _cut_short(self, held: HeldPartition) -> None:
        """Cancel handlers that the drain has waited for in vain."""
        if self.held is not held:
            return
        late = self._handling.running.of(held)
        log.warning("handlers.cancelled", partition=self.partition, count=len(late))
        self._handling.running.abandon(late)
        held.cut_short()
        asyncio.get_running_loop().call_later(_GRACE_SECONDS, self._stop_waiting, held)

    def _stop_waiting(self, held: HeldPartition) -> None:
        """Leave without a release: a handler that ignores being cancelled may still be at work."""
        if self.held is held:
            held.hold.lose(Loss.stuck)

    async def _pause(self, seconds: float) -> None:
        """Wait, but not longer than until `stop`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()


class _Waiting:
    """Says once why a partition is waited for: the streams fail, or somebody keeps it for long."""

    def __init__(self, partition: int, is_long_at: float) -> None:
        self._partition = partition
        self._is_long_at = is_long_at
        self._has_said_long = False
        self._delays: Iterator[float] | None = None

    def failed(self, error: StreamsError) -> float:
        """Return how long to wait after a failed call."""
        if self._delays is None:
            self._delays = backoff_delays()
            log.warning("acquire.failed", partition=self._partition, error=str(error))
        return next(self._delays)

    def refused(self, now: float) -> float:
        """Return how long to wait while another member has the lease."""
        self._delays = None
        if now > self._is_long_at and not self._has_said_long:
            self._has_said_long = True
            log.warning(
                "partition.waited_for",
                partition=self._partition,
                advice="another worker holds its lease and keeps it: a long hand-over, or two "
                "workers with the same WORKER_ID or overlapping PARTITIONS",
            )
        return _POLL_SECONDS


async def _watch_clock(hold: LeaseHold) -> None:
    """Give up when renewals stay away, even if the thread that renews hangs."""
    while True:
        await asyncio.sleep(max(0.01, hold.seconds_left))
        if not hold.check():
            return
