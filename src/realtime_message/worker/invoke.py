"""How a user's handler is called, and what its end means."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from realtime_message.app import Handler
from realtime_message.context import Context, Replies
from realtime_message.worker.delivery import CancelCause, Delivery
from realtime_message.worker.retry import HandlerTimeoutError
from realtime_message.worker.threads import HandlerThreads


@dataclass(slots=True)
class Surroundings:
    """What a Context tells a handler about its worker.

    Attributes:
        worker: the worker's name.
        replies: Centrifugo's server API.
        time_limit_seconds: how long a handler may take; 0 for ever.
        is_stopping: whether the worker drains.
    """

    worker: str
    replies: Replies
    time_limit_seconds: float
    is_stopping: bool = False


class Invoker:
    """Calls handlers: coroutine functions in the runner's task, others in a thread.

    Args:
        surroundings: for the Context of handlers that want one.
        threads: where sync handlers run.
    """

    def __init__(self, surroundings: Surroundings, threads: HandlerThreads) -> None:
        self._surroundings = surroundings
        self._threads = threads

    async def invoke(self, handler: Handler, delivery: Delivery) -> BaseException | None:
        """Call the handler and return what it raised, or None.

        The time limit is kept by whoever cancels this task: it notes the cause with the delivery.
        """
        try:
            await self._call(handler, delivery)
        except asyncio.CancelledError as error:
            if delivery.cancel_cause is not None:
                return _cut_short(delivery, error)
            if _is_being_cancelled():
                raise
            return error  # the handler awaited something that was cancelled: a failure like others
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever it raises is its outcome
            if delivery.cancel_cause is not None:
                return _cut_short(delivery, error)
            return error
        return None

    async def _call(self, handler: Handler, delivery: Delivery) -> None:
        arguments: tuple[object, ...] = (delivery.message,)
        if handler.wants_context:
            arguments = (delivery.message, self._context(delivery))
        if handler.is_async:
            await handler.function(*arguments)
        else:
            await self._threads.run(handler.function, *arguments)

    def _context(self, delivery: Delivery) -> Context:
        surroundings = self._surroundings
        limit = surroundings.time_limit_seconds
        held = delivery.held
        return Context(
            entry_id=delivery.entry.id,
            partition=held.number,
            epoch=held.hold.lease.epoch,
            worker=surroundings.worker,
            attempt=delivery.attempt,
            deadline=delivery.started_at + limit if limit else None,
            _message_id=delivery.message.id,
            _is_lease_held=lambda: held.hold.is_held,
            _is_stop_requested=lambda: surroundings.is_stopping or held.is_draining,
            _replies=surroundings.replies,
        )


def _cut_short(delivery: Delivery, error: BaseException) -> BaseException:
    if delivery.cancel_cause is CancelCause.time_limit:
        limit = HandlerTimeoutError("the handler took longer than worker.handler_timeout_seconds")
        limit.__cause__ = error
        return limit
    return error


def _is_being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
