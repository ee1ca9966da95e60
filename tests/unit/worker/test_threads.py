"""Threads for sync handlers."""

import asyncio
import contextvars
import threading

import pytest

from realtime_message.testing.virtual_time import until
from realtime_message.worker.threads import HandlerThreads

VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


async def test_result_and_error_come_back() -> None:
    """What the function returns or raises reaches the waiting task."""
    threads = HandlerThreads(2)
    assert await threads.run(lambda a, b: a + b, 1, 2) == 3
    with pytest.raises(ZeroDivisionError):
        await threads.run(lambda: 1 / 0)
    with pytest.raises(RuntimeError, match="StopIteration"):
        await threads.run(next, iter(()))
    threads.close()


async def test_idle_thread_is_used_again() -> None:
    """One after the other needs one thread only."""
    threads = HandlerThreads(8)
    names = [await threads.run(lambda: threading.current_thread().name) for _ in range(5)]
    assert len(set(names)) == 1
    threads.close()


async def test_no_more_threads_than_allowed() -> None:
    """More jobs than threads wait, and all are done."""
    threads = HandlerThreads(3)
    go_on = threading.Event()
    at_work = []

    def job() -> str:
        at_work.append(1)
        go_on.wait(10)
        return threading.current_thread().name

    jobs = [asyncio.create_task(threads.run(job)) for _ in range(9)]
    await until(lambda: len(at_work) == 3)
    go_on.set()
    assert len(set(await asyncio.gather(*jobs))) == 3
    assert len(at_work) == 9
    threads.close()


async def test_context_variables_go_along() -> None:
    """The function sees the variables of the task that waits, and changes only a copy."""
    threads = HandlerThreads(1)
    VARIABLE.set("outer")

    def job() -> str:
        seen = VARIABLE.get()
        VARIABLE.set("inner")
        return seen

    assert await threads.run(job) == "outer"
    assert VARIABLE.get() == "outer"
    threads.close()


async def test_cancelled_wait_leaves_the_thread_to_finish() -> None:
    """A thread cannot be stopped; its result is dropped and it serves the next job."""
    threads = HandlerThreads(1)
    go_on, ended = threading.Event(), threading.Event()

    def job() -> None:
        go_on.wait(10)
        ended.set()

    task = asyncio.create_task(threads.run(job))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    go_on.set()
    assert await threads.run(ended.is_set) is True
    threads.close()
