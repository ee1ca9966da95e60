"""Waiting longer after each failure in a row, never in step with others."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

from realtime_message.errors import LeaseLostError, StreamsError
from realtime_message.telemetry.logs import get_logger

log = get_logger("worker.streams")

T = TypeVar("T")


def backoff_delays(initial_seconds: float = 0.05, max_seconds: float = 2.0) -> Iterator[float]:
    """Yield waits in seconds without end: doubled each time, each between half and the whole."""
    step = initial_seconds
    while True:
        yield step * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, keeps no secret
        step = min(max_seconds, step * 2)


async def until_answered(action: Callable[[], Awaitable[T]], **what: object) -> T:
    """Call the streams until they answer, and return the answer.

    Args:
        action: makes one call; it must be safe to repeat.
        what: fields for the log, which names the first failure and the recovery.

    Raises:
        LeaseLostError: the partition is another worker's.
    """
    failures = 0
    delays = backoff_delays()
    while True:
        try:
            answer = await action()
        except LeaseLostError:
            raise
        except StreamsError as error:
            failures += 1
            if failures == 1:
                log.warning("streams.failed", error=str(error), **what)
            await asyncio.sleep(next(delays))
        else:
            if failures:
                log.info("streams.recovered", failures=failures, **what)
            return answer
