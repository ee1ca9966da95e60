"""Hands one delivery to its handler."""

from __future__ import annotations

import asyncio
from contextvars import Context, copy_context
from typing import Literal, Protocol

from realtime_message.patterns import PatternTable
from realtime_message.telemetry.logs import get_logger
from realtime_message.worker.batcher import Batcher
from realtime_message.worker.calls import BoundHandler
from realtime_message.worker.delivery import Delivery
from realtime_message.worker.handler_end import meaning_of
from realtime_message.worker.held_partition import HeldPartition
from realtime_message.worker.lanes import Turns
from realtime_message.worker.lease_hold import Clock
from realtime_message.worker.running import Running
from realtime_message.worker.settle import Settler

log = get_logger("worker.dispatcher")

# Channels that no handler wants are named in the log once for each first part of their names, so
# that neither silence nor a flood hides them.
_MAX_NAMED = 100

# How many deliveries are handled without giving way to the rest of the event loop: timers, reads,
# renewals. At some µs each this is well under a millisecond.
_BEFORE_GIVING_WAY = 64


class Pool(Protocol):
    """Where another runner comes from; see runners."""

    is_one_coming: bool
    is_closed: bool

    def wake(self) -> None:
        """Call one."""
        ...


class Dispatcher:
    """Hands deliveries to handlers. The good path waits for nothing but the handler.

    Args:
        turns: what is ready.
        handlers: the app's handlers by channel pattern.
        running: what is being handled now.
        settler: acts on the outcome.
        unhandled: what happens to messages of channels that no handler wants.
        clock: the leases', for the time an attempt takes, too.
    """

    def __init__(
        self,
        turns: Turns,
        handlers: PatternTable[BoundHandler],
        running: Running,
        settler: Settler,
        *,
        unhandled: Literal["ack", "dead_letter"],
        clock: Clock,
    ) -> None:
        self._turns = turns
        self._find = handlers.find
        self._running = running
        self._settler = settler
        self._unhandled = unhandled
        self._clock = clock
        self._named: set[str] = set()

    # What a message passes is written out here: a call costs more than most of the steps.
    async def work(self, task: asyncio.Task[None], runners: Pool) -> bool:  # noqa: C901 - see above
        """Handle what is ready, until there is nothing, or others should have a turn.

        Args:
            task: the current one; to be cancelled when a handler is to be cut short.
            runners: where another one is called to go on while a handler waits.

        Returns:
            Whether the task is as it was: nothing may pass from one handler to the next.
        """
        turns, running, calls, clock = self._turns, self._running, self._running.calls, self._clock
        pristine = copy_context()
        now = clock()
        delivery: Delivery | None = None
        try:
            for _ in range(_BEFORE_GIVING_WAY):
                delivery = turns.take()
                if delivery is None:
                    return True
                if not runners.is_one_coming and turns:
                    runners.wake()
                handler = self._handler_of(delivery, now)
                if handler is None:
                    continue
                held = delivery.held
                calls[delivery] = (task, handler, now)
                if not running.is_watched:
                    running.watch()
                held.handling += 1
                error: BaseException | None = None
                try:
                    await handler.call(delivery)
                except BaseException as raised:
                    error = meaning_of(raised, delivery, is_closed=runners.is_closed)
                    if error is None:
                        raise
                finally:
                    del calls[delivery]
                    held.handling -= 1
                    if held.is_draining:
                        held.wake()  # the drain may wait for this
                began_at, now = now, clock()  # the next one begins now: until then nothing waits
                self._settler.settle(delivery, error, now - began_at)
                delivery = None  # nothing is in hand
                if copy_context() != pristine or task.cancelling():
                    return False
        except BaseException as defect:  # noqa: BLE001 - raised again by `_meet`
            _meet(defect, None if runners.is_closed else delivery, pristine)
            return False
        return True

    def _handler_of(self, delivery: Delivery, now: float) -> BoundHandler | None:
        """Return what is to handle a delivery now; None if nothing is, or something else is done.

        Args:
            delivery: as taken from its lane.
            now: by the clock.
        """
        held = delivery.held
        hold = held.hold
        if held.is_draining or hold.lost_because is not None or now >= hold.until:
            hold.check()  # it is someone else's by now, or will be
            return None
        if held.parking.channels and held.parking.takes(delivery):
            return None
        if not delivery.is_recorded:
            self._settler.prepare(delivery)
            return None
        handler = self._find(delivery.message.channel)
        if handler is None:
            self._refuse(delivery)
        elif handler.batch is not None:
            self._batcher(handler, held).add(delivery)
            return None
        return handler

    def _batcher(self, handler: BoundHandler, held: HeldPartition) -> Batcher:
        limit = self._running.time_limit_seconds
        return held.batcher(handler, lambda: Batcher(handler, held, self._settler, limit))

    def _refuse(self, delivery: Delivery) -> None:
        channel = delivery.message.channel
        name = channel.split(":", 1)[0]
        if name not in self._named and len(self._named) < _MAX_NAMED:
            self._named.add(name)
            log.warning(
                "message.unhandled",
                channel=channel,
                policy=self._unhandled,
                advice='no @app.on_message pattern matches; "*" matches every channel',
            )
        if self._unhandled == "ack":
            self._settler.pass_over(delivery)
        else:
            self._settler.give_up(delivery, "no handler wants its channel")


def _meet(defect: BaseException, delivery: Delivery | None, pristine: Context) -> None:
    """Raise a defect, unless a handler left values behind whose comparison is what raised it.

    Nobody may believe that the message in hand had not begun.

    Args:
        defect: what was raised.
        delivery: the one in hand; None if it was settled, or all is given up anyway.
        pristine: the context variables as they should be.
    """
    if delivery is not None:
        delivery.held.fail(defect)
    elif isinstance(defect, Exception) and not _is_comparable(pristine):
        return
    raise defect


def _is_comparable(pristine: Context) -> bool:
    """Whether the context variables can be compared with those of before."""
    try:
        return (copy_context() == pristine) is not None
    except Exception:  # noqa: BLE001 - a user's values may raise anything
        return False
