"""Handlers with a span around each call. Loaded only where tracing is on.

The span is the current one for the handler and for all that it calls, in its thread too, and ends
with it: nothing of it is left in the runner's task when the next message comes.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from realtime_message.patterns import PatternTable
from realtime_message.streams.trace_contracts import trace_of
from realtime_message.telemetry import tracing as names
from realtime_message.telemetry.tracing import Tracing
from realtime_message.telemetry.worker_metrics import Outcome
from realtime_message.worker.calls import BoundHandler
from realtime_message.worker.delivery import Delivery
from realtime_message.worker.handler_end import meaning_of
from realtime_message.worker.settle import Observer, Settler

_FAILURES = (Outcome.retry, Outcome.dead_letter)


def traced_handlers(
    handlers: PatternTable[BoundHandler],
    tracing: Tracing,
    worker: str,
    *,
    settler: Settler,
    is_closed: Callable[[], bool],
) -> PatternTable[BoundHandler]:
    """Return handlers whose calls are spans.

    Args:
        handlers: by channel pattern.
        tracing: makes spans.
        worker: the worker's name.
        settler: knows what becomes of a message.
        is_closed: whether all runners are to end.
    """
    ends = _Ends(settler, is_closed)
    return PatternTable(
        (bound.handler.pattern, _Traced(bound, tracing, worker, ends).bound)
        for bound in handlers.values
    )


def traced_observer(observe: Observer, tracing: Tracing, worker: str) -> Observer:
    """Return what tells of an attempt, and makes a span of each dead letter.

    It stands beside the attempts' own spans, because a message may become one without an attempt:
    its workers ended again and again, or nobody wants it.
    """

    def tell(delivery: Delivery, outcome: Outcome, took_seconds: float) -> None:
        observe(delivery, outcome, took_seconds)
        if outcome is Outcome.dead_letter:
            about = {**_message(delivery), **_place(delivery, worker)}
            tracing.dead_letter(trace_of(delivery.entry), about)

    return tell


class _Ends:
    """What the end of a call means.

    Args:
        settler: knows what becomes of a message.
        is_closed: whether all runners are to end.
    """

    def __init__(self, settler: Settler, is_closed: Callable[[], bool]) -> None:
        self._settler = settler
        self._is_closed = is_closed

    def of_one(
        self, delivery: Delivery, raised: BaseException | None
    ) -> tuple[str, BaseException | None]:
        """Return what becomes of a message, and the failure if it is one."""
        error = raised
        if raised is not None:
            error = meaning_of(raised, delivery, is_closed=self._is_closed())
            if error is None:
                return Outcome.abandoned.value, None
        outcome = self._settler.outcome_of(delivery, error)
        return outcome.value, error if outcome in _FAILURES else None

    def of_batch(
        self, deliveries: Sequence[Delivery], raised: BaseException | None
    ) -> tuple[str, BaseException | None]:
        """Return the same of a batch; after a failure, its messages may have different ends."""
        if isinstance(raised, asyncio.CancelledError) and deliveries[0].held.is_draining:
            return Outcome.abandoned.value, None
        if raised is None or len(deliveries) == 1:
            return self.of_one(deliveries[0], raised)
        return "", raised


class _Traced:
    """A handler, and what its spans say.

    Attributes:
        bound: the handler with spans around its calls.
    """

    def __init__(self, bound: BoundHandler, tracing: Tracing, worker: str, ends: _Ends) -> None:
        self._call, self._call_batch = bound.call, bound.call_batch
        self._pattern = bound.handler.pattern
        self._about = {names.HANDLER: bound.handler.name}
        self._tracing = tracing
        self._worker = worker
        self._ends = ends
        self.bound = dataclasses.replace(bound, call=self.call, call_batch=self.call_batch)

    async def call(self, delivery: Delivery) -> None:
        """Call the handler with one message."""
        about = {**self._about, **_message(delivery), **_place(delivery, self._worker)}
        if delivery.is_suspect:
            about[names.AFTER_CRASH] = True
        span = self._tracing.start_process(self._pattern, trace_of(delivery.entry), about)
        with self._tracing.active(span):
            raised = await _raised_by(self._call(delivery))
        self._tracing.end_process(span, *self._ends.of_one(delivery, raised))
        if raised is not None:
            raise raised

    async def call_batch(self, deliveries: Sequence[Delivery], contents: Sequence[Any]) -> None:
        """Call the handler with a batch."""
        about = {
            **self._about,
            **_place(deliveries[0], self._worker),
            names.BATCH_COUNT: len(deliveries),
        }
        messages = [(trace_of(delivery.entry), _message(delivery)) for delivery in deliveries]
        span = self._tracing.start_batch(self._pattern, messages, about)
        with self._tracing.active(span):
            raised = await _raised_by(self._call_batch(deliveries, contents))
        self._tracing.end_process(span, *self._ends.of_batch(deliveries, raised))
        if raised is not None:
            raise raised


async def _raised_by(call: Awaitable[Any]) -> BaseException | None:
    """Return what a call raises; None if it raises nothing."""
    try:
        await call
    except BaseException as error:  # noqa: BLE001 - raised again by the caller
        return error
    return None


def _message(delivery: Delivery) -> dict[str, Any]:
    return {
        names.CHANNEL: delivery.message.channel,
        names.MESSAGE_ID: delivery.message.id,
        names.ENTRY_ID: delivery.entry.first_id,
        names.ATTEMPT: delivery.attempt,
    }


def _place(delivery: Delivery, worker: str) -> dict[str, Any]:
    return {names.PARTITION: str(delivery.held.number), names.WORKER: worker}
