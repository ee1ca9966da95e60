"""What the end of a handler means."""

from __future__ import annotations

import asyncio

from realtime_message.worker.delivery import CancelCause, Delivery
from realtime_message.worker.retry import HandlerTimeoutError

#: What ends a process or a coroutine, whoever raises it. All else is the outcome of a handler.
ENDS = (KeyboardInterrupt, GeneratorExit)


def meaning_of(
    error: BaseException, delivery: Delivery, *, is_closed: bool
) -> BaseException | None:
    """Return what a handler's error means for its message; None if the runner itself is to end.

    The time limit is kept by whoever cancels the task: it notes the cause with the delivery.

    Args:
        error: what the handler raised.
        delivery: what it was called with.
        is_closed: whether all runners are to end.
    """
    if isinstance(error, ENDS):
        return None
    if delivery.cancel_cause is CancelCause.time_limit:
        limit = HandlerTimeoutError("the handler took longer than its time limit")
        limit.__cause__ = error
        return limit
    if isinstance(error, asyncio.CancelledError) and delivery.cancel_cause is None and is_closed:
        return None
    # Also a CancelledError that we did not ask for, of something that the handler awaited, or
    # because it cancelled its own task: a failure like others.
    return error
