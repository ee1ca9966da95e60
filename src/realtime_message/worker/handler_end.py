"""What the end of a handler means."""

from __future__ import annotations

import asyncio

from realtime_message.worker.delivery import CancelCause, Delivery
from realtime_message.worker.retry import HandlerTimeoutError

#: What a handler may raise without ending the worker.
HANDLER_ERRORS = (Exception, SystemExit, asyncio.CancelledError)


def meaning_of(
    error: BaseException, delivery: Delivery, task: asyncio.Task[None]
) -> BaseException | None:
    """Return what a handler's error means for its message; None if the runner itself is to end.

    The time limit is kept by whoever cancels the task: it notes the cause with the delivery.

    Args:
        error: what the handler raised.
        delivery: what it was called with.
        task: the current one.
    """
    if delivery.cancel_cause is CancelCause.time_limit:
        limit = HandlerTimeoutError("the handler took longer than its time limit")
        limit.__cause__ = error
        return limit
    is_cancelled = isinstance(error, asyncio.CancelledError)
    if is_cancelled and delivery.cancel_cause is None and task.cancelling():
        return None
    # Also a CancelledError of something that the handler awaited: a failure like others.
    return error
