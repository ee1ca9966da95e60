"""Calls a handler for one message, and says what its end means."""

from __future__ import annotations

import asyncio

from realtime_message.worker.calls import BoundHandler
from realtime_message.worker.delivery import CancelCause, Delivery
from realtime_message.worker.retry import HandlerTimeoutError


async def invoke(
    handler: BoundHandler, delivery: Delivery, task: asyncio.Task[None]
) -> BaseException | None:
    """Call a handler in the current task and return what it raised, or None.

    The time limit is kept by whoever cancels the task: it notes the cause with the delivery.

    Args:
        handler: takes messages one by one.
        delivery: what it gets.
        task: the current one.
    """
    try:
        await handler.call(delivery)
    except asyncio.CancelledError as error:
        if delivery.cancel_cause is None and task.cancelling():
            raise  # the runner itself is to end
        return _meaning(delivery, error)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever it raises is its outcome
        return _meaning(delivery, error)
    return None


def _meaning(delivery: Delivery, error: BaseException) -> BaseException:
    if delivery.cancel_cause is not CancelCause.time_limit:
        # Also a CancelledError of something that the handler awaited: a failure like others.
        return error
    limit = HandlerTimeoutError("the handler took longer than its time limit")
    limit.__cause__ = error
    return limit
