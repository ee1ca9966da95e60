"""A partition while this worker holds its lease: everything that ends when the lease does."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any

from realtime_message.errors import LeaseLostError
from realtime_message.streams.contracts import PartitionReader
from realtime_message.telemetry.logs import get_logger
from realtime_message.telemetry.worker_metrics import Loss
from realtime_message.worker.backoff import until_answered
from realtime_message.worker.batcher import Batcher
from realtime_message.worker.calls import BoundHandler
from realtime_message.worker.committer import Committer
from realtime_message.worker.delivery import Delivery, Origin, redeliver
from realtime_message.worker.lanes import Lanes
from realtime_message.worker.lease_hold import LeaseHold
from realtime_message.worker.parking import ChannelParker, Parking
from realtime_message.worker.suspects import Suspects

log = get_logger("worker.held_partition")

# To look a member up in its enumeration takes longer than to compare it.
_ASIDE = Origin.aside


class HeldPartition:
    """One tenure of a partition, from acquire to release or loss.

    Args:
        hold: the lease.
        reader: the fenced reader under it.
        lanes: where its messages wait.
        on_ready: called when a delivery became ready outside the handling of another one.
        suspects: those of all partitions.
        parker: parks channels in the streams.

    Attributes:
        number: the partition's number.
        is_draining: whether no further message is handed to a handler.
        is_at_gate: whether what was read last is held back until a resize is further; see gate.py.
        handling: how many deliveries runners have in hand.
        failure: a defect that was met; the fetcher raises it.
    """

    def __init__(
        self,
        hold: LeaseHold,
        reader: PartitionReader,
        lanes: Lanes,
        *,
        on_ready: Callable[[], None],
        suspects: Suspects,
        parker: ChannelParker,
    ) -> None:
        self.hold = hold
        self.number = hold.lease.partition
        self.reader = reader
        self.lanes = lanes
        lanes.on_low = self._read_again
        self.committer = Committer(self.wake)
        self.suspects = suspects
        self.parking = Parking(self, parker)
        self.handling = 0
        self.failure: BaseException | None = None
        self._on_ready = on_ready
        self.is_draining = False
        self.is_at_gate = False
        self._errands: set[asyncio.Task[None]] = set()
        self._retries: dict[Delivery, asyncio.TimerHandle] = {}
        self._batchers: dict[BoundHandler, Batcher] = {}
        self._progress = asyncio.Event()

    @property
    def is_idle(self) -> bool:
        """Whether no handler and no errand works on this partition."""
        return not self.handling and not self._errands

    @property
    def has_work(self) -> bool:
        """Whether anything that was put into lanes is not handled and acknowledged yet."""
        lanes = self.lanes
        return bool(
            lanes.message_count
            or lanes.overflow_count
            or not self.is_idle
            or self.committer.has_finished
        )

    @property
    def is_at_work(self) -> bool:
        """Whether something is under way here, or waits for a time or a turn that will come."""
        return (
            not self.is_idle
            or self.is_at_gate
            or bool(self._retries)
            or self.suspects.has_waiting(self.number)
            or any(batcher.is_gathering for batcher in self._batchers.values())
        )

    @property
    def batch_handlers_at_work(self) -> list[BoundHandler]:
        """The handlers that take several messages and have some in hand."""
        return [handler for handler, batcher in self._batchers.items() if batcher.at_work]

    def wake(self) -> None:
        """Tell the fetcher that there is something to acknowledge, to read, or to give up."""
        self._progress.set()

    async def wait_for_progress(self, timeout_seconds: float | None = None) -> None:
        """Wait until `wake` was called since the last time, or for so long."""
        if timeout_seconds is None:
            await self._progress.wait()
        else:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout_seconds):
                    await self._progress.wait()
        self._progress.clear()

    def finish(self, delivery: Delivery) -> None:
        """Acknowledge a message and let its channel go on. For runners: they look for more."""
        if delivery.origin is _ASIDE:
            self.run_errand(self.parking.finish(delivery, is_last=True))
            return
        self.committer.finish(delivery.entry.id)
        self.lanes.finish(delivery)

    def finish_within(self, delivery: Delivery) -> None:
        """Acknowledge a message of a batch while a later one of its channel is in hand."""
        if delivery.origin is Origin.aside:
            self.run_errand(self.parking.finish(delivery, is_last=False))
        else:
            self.committer.finish(delivery.entry.id)
        self.lanes.drop(delivery)

    def let_go(self, delivery: Delivery) -> None:
        """Let a channel go on whose message needs no acknowledgement. For errands."""
        self.lanes.finish(delivery)
        self.look_again()

    def look_again(self) -> None:
        """After something was settled outside a runner: there may be more to hand out or read."""
        self._on_ready()
        self.wake()

    def make_ready(self, delivery: Delivery) -> None:
        """Queue a delivery up again."""
        self.lanes.make_ready(delivery)
        self._on_ready()

    def retry_later(self, delivery: Delivery, delay_seconds: float) -> None:
        """Queue a delivery up again after a while; its channel waits, others go on."""
        if self.is_draining:
            return

        def retry() -> None:
            del self._retries[delivery]
            self.make_ready(delivery)

        self._retries[delivery] = asyncio.get_running_loop().call_later(delay_seconds, retry)

    def channels_in_retry(self) -> set[str]:
        """Return the channels that wait for another attempt of their first message."""
        return {delivery.message.channel for delivery in self._retries}

    def run_errand(self, errand: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run something beside the runners; a drain waits for it.

        A lost lease ends the tenure, any other error stops the worker.
        """
        task = asyncio.create_task(errand, name=f"errand of partition {self.number}")
        self._errands.add(task)
        task.add_done_callback(self._errand_done)
        return task

    def fail(self, defect: BaseException) -> None:
        """Stop the worker, without a release: what is in hand counts as begun, as after a crash."""
        if self.failure is None:
            self.failure = defect
        self.wake()

    def batcher(self, handler: BoundHandler, make: Callable[[], Batcher]) -> Batcher:
        """Return what gathers this partition's messages for a handler."""
        found = self._batchers.get(handler)
        if found is None:
            found = self._batchers[handler] = make()
        return found

    def cut_short(self) -> None:
        """Cancel the batches at work: a drain has waited for them in vain."""
        for batcher in self._batchers.values():
            batcher.cancel()

    def drain(self) -> None:
        """Hand out nothing more. What was read and not begun is left to the next owner."""
        self.is_draining = True
        self.lanes.close()
        self.suspects.forget(self.number)
        for batcher in self._batchers.values():
            batcher.forget()
        for timer in self._retries.values():
            timer.cancel()
        self._retries.clear()
        self.wake()

    def abandon(self) -> None:
        """Forget all of it: another worker has the partition, or may soon."""
        self.drain()
        self.committer.forget()
        self.cut_short()
        # Batches once only: what a handler still does at its end is not interrupted.
        for task in self._errands - {batcher.at_work for batcher in self._batchers.values()}:
            task.cancel()

    async def _refill(self, channel: str) -> None:
        """Read again what waits in a lane that was too long."""
        stubs = {stub.entry_id: stub for stub in self.lanes.take_overflow(channel)}
        entries = await until_answered(
            lambda: self.reader.reread(list(stubs)), call="reread", partition=self.number
        )
        missing = stubs.keys() - {entry.id for entry in entries}
        if missing:
            log.error("entries.missing", partition=self.number, count=len(missing))
        for entry_id in missing:
            self.committer.finish(entry_id)
        self.lanes.refill(channel, [redeliver(entry, self, stubs[entry.id]) for entry in entries])
        self.look_again()

    def _read_again(self, channel: str) -> None:
        self.run_errand(self._refill(channel))

    def _errand_done(self, task: asyncio.Task[None]) -> None:
        self._errands.discard(task)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, LeaseLostError):
            self.hold.lose(Loss.taken)
        elif error is not None:
            self.fail(error)
        self.wake()
