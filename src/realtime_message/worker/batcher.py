"""Several messages at once: gathered, handed over together, and told apart when one fails."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Iterable
from time import perf_counter
from typing import TYPE_CHECKING, Any

from realtime_message.errors import Retry
from realtime_message.worker.delivery import Delivery
from realtime_message.worker.handler_end import ENDS
from realtime_message.worker.retry import HandlerTimeoutError
from realtime_message.worker.settle import Settler

if TYPE_CHECKING:
    from realtime_message.worker.calls import BoundHandler
    from realtime_message.worker.held_partition import HeldPartition


class Batcher:
    """Gathers the messages of one partition for one handler that takes several.

    One batch is at work at a time, while the next one is gathered. A batch holds the first
    message of each lane that is ready and those that wait behind it, so that a busy channel fills
    it as well as many quiet ones do.

    When the handler raises, the halves are tried, and so on, until the failing message is alone.
    It goes the way of all failures; the later ones of its channel wait for it. An error that has
    nothing to do with a message (a lost connection, something that was cancelled, the time limit,
    Retry) is not looked into: then every channel of the batch waits for the next attempt.

    Args:
        handler: what takes the batches.
        held: the partition.
        settler: acts on outcomes.
        time_limit_seconds: how long a call may take; 0 for ever. A thread is waited for.

    Attributes:
        at_work: in which the handler has a batch in hand; None if it has none.
    """

    def __init__(
        self,
        handler: BoundHandler,
        held: HeldPartition,
        settler: Settler,
        time_limit_seconds: float,
    ) -> None:
        assert handler.batch is not None  # noqa: S101 - the caller looked
        self._handler = handler
        self._rule = handler.batch
        self._held = held
        self._settler = settler
        self._time_limit_seconds = time_limit_seconds or None
        self._time = asyncio.get_running_loop().time
        self._gathered: deque[Delivery] = deque()
        self._due_at = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self.at_work: asyncio.Task[None] | None = None
        self._is_cut_short = False

    @property
    def is_gathering(self) -> bool:
        """Whether messages wait for more to come."""
        return bool(self._gathered)

    def add(self, delivery: Delivery) -> None:
        """Take a delivery that is ready, and those that wait behind it."""
        gathered = self._gathered
        if not gathered:
            self._due_at = self._time() + self._rule.max_wait_seconds
        gathered.append(delivery)
        room = self._rule.max_messages - len(gathered)
        if room > 0:
            gathered.extend(self._held.lanes.take_following(delivery, room))
        if self.at_work is None:
            self._plan()

    def forget(self) -> None:
        """Drop what is gathered and not begun; it is left to the next owner."""
        self._gathered.clear()
        self._cancel_timer()

    def cancel(self) -> None:
        """Cut the batch at work short, as its lease ends; none begins any more."""
        if self.at_work is not None and not self._is_cut_short:
            self.at_work.cancel()
        self._is_cut_short = True

    def _plan(self) -> None:
        """Begin when the batch is full, else when its first message has waited long enough."""
        if len(self._gathered) >= self._rule.max_messages:
            self._begin()
        elif self._gathered and self._timer is None:
            self._timer = asyncio.get_running_loop().call_at(self._due_at, self._begin)

    def _begin(self) -> None:
        self._cancel_timer()
        self._fill()
        count = min(len(self._gathered), self._rule.max_messages)
        batch = [self._gathered.popleft() for _ in range(count)]
        self._due_at = self._time() + self._rule.max_wait_seconds
        self.at_work = self._held.run_errand(self._work(batch))

    def _fill(self) -> None:
        """Take what waits behind what is gathered by now, as far as it fits.

        It was not there when those came, or the batch before was full. Without it, the first
        messages of all channels could be gathered here, few, while all others wait behind them.
        """
        room = self._rule.max_messages - len(self._gathered)
        if room <= 0:
            return
        filled: deque[Delivery] = deque()
        for lane in _by_channel(self._gathered):
            following = self._held.lanes.take_following(lane[0], room) if room else []
            room -= len(following)
            filled.extend(lane)
            filled.extend(following)
        self._gathered = filled

    async def _work(self, batch: list[Delivery]) -> None:
        try:
            await self._handle(batch)
        finally:
            self.at_work = None
            self._fill()
            self._plan()

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def _handle(self, batch: list[Delivery]) -> None:
        trial = _Trial()
        began_at = perf_counter()
        try:
            await self._try(batch, trial)
        except asyncio.CancelledError:
            for lane in _by_channel(batch):
                self._settle_cut_short(lane, trial, perf_counter() - began_at)
            raise
        took_seconds = perf_counter() - began_at
        if trial.failed:
            for lane in _by_channel(batch):
                self._settle(lane, trial, took_seconds)
        else:
            self._settle_handled(batch, took_seconds)
        self._held.look_again()

    async def _try(self, batch: list[Delivery], trial: _Trial) -> None:
        """Hand a batch over; when it fails, find out which message it is."""
        batch = [d for d in batch if d.message.channel not in trial.stopped]
        if not batch:
            return
        error = await self._call(batch, trial)
        if error is None:
            trial.done.update([d.entry.id for d in batch])
        elif len(batch) == 1 or _concerns_all(error):
            for lane in _by_channel(batch):
                trial.fail(lane[0], error)
        else:
            middle = len(batch) // 2
            await self._try(batch[:middle], trial)
            await self._try(batch[middle:], trial)

    async def _call(self, batch: list[Delivery], trial: _Trial) -> BaseException | None:
        contents = self._contents(batch, trial)
        if not batch:
            return None
        if not self._held.hold.check():
            # Its time ran out while this waited, as when the whole process stood still.
            raise asyncio.CancelledError
        limit = asyncio.timeout(self._time_limit_seconds)
        try:
            async with limit:
                await self._handler.call_batch(batch, contents)
        except ENDS:
            raise
        except BaseException as error:
            if self._is_cut_short and isinstance(error, asyncio.CancelledError):
                raise
            if limit.expired():
                late = HandlerTimeoutError("the batch took longer than its time limit")
                late.__cause__ = error
                return late
            return error
        return None

    def _contents(self, batch: list[Delivery], trial: _Trial) -> list[Any]:
        """Return what the handler gets of a batch, without the messages that cannot be had now."""
        contents = []
        content, stopped = self._handler.content, trial.stopped
        for delivery in list(batch):
            if stopped and delivery.message.channel in stopped:
                batch.remove(delivery)
                continue
            try:
                contents.append(content(delivery))
            except ENDS:
                raise
            except BaseException as reason:  # noqa: BLE001 - a user's type may raise anything
                trial.fail(delivery, reason)
                batch.remove(delivery)
        return contents

    def _settle_cut_short(self, lane: list[Delivery], trial: _Trial, took_seconds: float) -> None:
        """Acknowledge what was handled before the end came; the rest is for the next owner."""
        for delivery in lane:
            if delivery.entry.id in trial.done:
                self._settler.settle_within(delivery, took_seconds)
            else:
                self._settler.abandon(delivery, took_seconds)

    def _settle_handled(self, batch: list[Delivery], took_seconds: float) -> None:
        """Acknowledge a whole batch, in which the messages of a channel stand together."""
        settler = self._settler
        channels = [delivery.message.channel for delivery in batch]
        for delivery, channel, next_channel in zip(
            batch, channels, [*channels[1:], None], strict=True
        ):
            if channel == next_channel:
                settler.settle_within(delivery, took_seconds)
            else:
                settler.settle(delivery, None, took_seconds)

    def _settle(self, lane: list[Delivery], trial: _Trial, took_seconds: float) -> None:
        """Act on what became of the messages of one channel, in order."""
        for place, delivery in enumerate(lane):
            error = trial.failed.get(delivery.entry.id)
            if error is not None:
                self._held.lanes.put_back(lane[place + 1 :])
                self._settler.settle(delivery, error, took_seconds)
                return
            if place + 1 == len(lane):
                self._settler.settle(delivery, None, took_seconds)
            else:
                self._settler.settle_within(delivery, took_seconds)


class _Trial:
    """What is known about the messages of a batch so far."""

    def __init__(self) -> None:
        self.done: set[str] = set()
        self.failed: dict[str, BaseException] = {}
        #: Channels with a failed message: their later ones have to wait.
        self.stopped: set[str] = set()

    def fail(self, delivery: Delivery, error: BaseException) -> None:
        """Note that a message failed."""
        self.failed[delivery.entry.id] = error
        self.stopped.add(delivery.message.channel)


def _by_channel(batch: Iterable[Delivery]) -> list[list[Delivery]]:
    lanes: dict[str, list[Delivery]] = defaultdict(list)
    for delivery in batch:
        lanes[delivery.message.channel].append(delivery)
    return list(lanes.values())


def _concerns_all(error: BaseException) -> bool:
    return isinstance(error, Retry | OSError | HandlerTimeoutError | asyncio.CancelledError)
