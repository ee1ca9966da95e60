"""The half of a worker that works on what was read: lanes, runners, dispatcher, settler."""

from __future__ import annotations

from collections.abc import Callable

from realtime_message.patterns import PatternTable
from realtime_message.streams.contracts import PartitionReader
from realtime_message.worker.calls import Binder, BoundHandler
from realtime_message.worker.dispatcher import Dispatcher
from realtime_message.worker.equipment import Equipment
from realtime_message.worker.held_partition import HeldPartition
from realtime_message.worker.lanes import Lanes, Turns
from realtime_message.worker.lease_hold import LeaseHold
from realtime_message.worker.parking import ChannelParker
from realtime_message.worker.retry import RetryPolicy
from realtime_message.worker.runners import Runners
from realtime_message.worker.running import Running
from realtime_message.worker.settle import Observer, Settler
from realtime_message.worker.surroundings import Surroundings
from realtime_message.worker.suspects import Suspects
from realtime_message.worker.threads import HandlerThreads


class Handling:
    """Hands messages to handlers, for all partitions of a worker together.

    Args:
        equipment: what the worker works with.
        on_failure: called when a part met a defect; the worker must stop.

    Attributes:
        running: what handlers work on now.

    Raises:
        AppError: a handler asks for what nothing fits.
    """

    def __init__(self, equipment: Equipment, on_failure: Callable[[BaseException], None]) -> None:
        settings = self._settings = equipment.settings
        self._metrics = equipment.metrics
        self._turns = Turns()
        self._threads = HandlerThreads(settings.concurrency)
        self._surroundings = Surroundings(
            equipment.names.worker, equipment.replies, settings.handler_timeout_seconds
        )
        self.running = Running(
            settings.handler_timeout_seconds, equipment.clock, self._threads.has_call_of
        )
        policy = RetryPolicy(
            settings.max_attempts, settings.backoff_initial_seconds, settings.backoff_max_seconds
        )
        settler = Settler(
            policy,
            _observer(equipment),
            halts_channels=settings.dead_letter_policy == "halt_channel",
        )
        self._suspects = Suspects(settler.begin)
        binder = Binder(
            equipment.app, equipment.resources, self._surroundings.context, self._threads
        )
        dispatcher = Dispatcher(
            self._turns,
            self._handlers(binder, settler, equipment),
            self.running,
            settler,
            unhandled=settings.unhandled,
            clock=equipment.clock,
        )
        self._runners = Runners(self._turns, dispatcher.work, settings.concurrency, on_failure)

    def _handlers(
        self, binder: Binder, settler: Settler, equipment: Equipment
    ) -> PatternTable[BoundHandler]:
        """Return the app's handlers, with spans around their calls where there is tracing."""
        handlers = binder.bind_all()
        if equipment.tracing is None:
            return handlers
        from realtime_message.worker.traced import traced_handlers  # noqa: PLC0415 - an extra

        return traced_handlers(
            handlers,
            equipment.tracing,
            equipment.names.worker,
            settler=settler,
            is_closed=lambda: self._runners.is_closed,
        )

    def announce_stop(self) -> None:
        """Let handlers that ask know that the worker drains."""
        self._surroundings.is_stopping = True

    def open_held(
        self, hold: LeaseHold, reader: PartitionReader, parker: ChannelParker
    ) -> HeldPartition:
        """Make what a partition needs while its lease is held."""
        lanes = Lanes(
            self._turns, self._settings.max_buffered_messages, self._settings.max_buffered_bytes
        )
        return HeldPartition(
            hold,
            reader,
            lanes,
            on_ready=self._runners.wake,
            suspects=self._suspects,
            parker=parker,
        )

    def entries_came(self, count: int) -> None:
        """Entries were put into lanes: see to it that somebody works on them."""
        self._metrics.read_count += count
        self._runners.wake()

    async def close(self) -> None:
        """Cancel what still runs."""
        self._threads.close()
        await self._runners.close()
        self.running.close()


def _observer(equipment: Equipment) -> Observer:
    """Return who is told of each attempt; dead letters are spans where there is tracing."""
    if equipment.tracing is None:
        return equipment.observe
    from realtime_message.worker.traced import traced_observer  # noqa: PLC0415 - an extra

    return traced_observer(equipment.observe, equipment.tracing, equipment.names.worker)
