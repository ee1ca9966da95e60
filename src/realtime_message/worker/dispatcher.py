"""Hands one delivery to its handler."""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import Literal

from realtime_message.patterns import PatternTable
from realtime_message.telemetry.logs import get_logger
from realtime_message.worker.batcher import Batcher
from realtime_message.worker.calls import BoundHandler
from realtime_message.worker.delivery import Delivery
from realtime_message.worker.handler_end import HANDLER_ERRORS, meaning_of
from realtime_message.worker.held_partition import HeldPartition
from realtime_message.worker.running import Running
from realtime_message.worker.settle import Settler

log = get_logger("worker.dispatcher")

# Channels that no handler wants are named in the log once for each first part of their names, so
# that neither silence nor a flood hides them.
_MAX_NAMED = 100


class Dispatcher:
    """Hands deliveries to handlers. The good path waits for nothing but the handler.

    Args:
        handlers: the app's handlers by channel pattern.
        running: what is being handled now.
        settler: acts on the outcome.
        unhandled: what happens to messages of channels that no handler wants.
    """

    def __init__(
        self,
        handlers: PatternTable[BoundHandler],
        running: Running,
        settler: Settler,
        unhandled: Literal["ack", "dead_letter"],
    ) -> None:
        self._find = handlers.find
        self._running = running
        self._settler = settler
        self._unhandled = unhandled
        self._time = asyncio.get_running_loop().time
        self._named: set[str] = set()

    async def handle(self, delivery: Delivery, task: asyncio.Task[None]) -> None:
        """See a delivery through one attempt, unless it is someone else's by now.

        Args:
            delivery: as taken from its lane.
            task: the current one; to be cancelled when the handler is to be cut short.
        """
        held = delivery.held
        if held.is_draining or not held.hold.check():
            return
        if held.parking.channels and held.parking.takes(delivery):
            return
        if not delivery.is_recorded:
            self._settler.prepare(delivery)
            return
        handler = self._find(delivery.message.channel)
        if handler is None:
            self._refuse(delivery)
            return
        if handler.batch is not None:
            self._batcher(handler, held).add(delivery)
            return
        delivery.handler = handler
        held.handling += 1
        self._running.start(delivery, task, self._time())
        # uvloop's own time stands still within a turn and counts whole milliseconds.
        began_at = perf_counter()
        error: BaseException | None = None
        try:
            await handler.call(delivery)
        except HANDLER_ERRORS as raised:
            error = meaning_of(raised, delivery, task)
            if error is None:
                raise
        finally:
            self._running.finish(delivery)
            held.handling_ended()
        self._settler.settle(delivery, error, perf_counter() - began_at)

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
