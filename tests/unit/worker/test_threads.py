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


async def test_thread_that_cannot_start_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where processes and threads are limited: the call fails, or waits for a thread there is."""
    threads = HandlerThreads(2)
    start, is_limited = threading.Thread.start, True

    def start_or_not(thread: threading.Thread) -> None:
        if is_limited and thread.name.startswith("handler thread"):
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_or_not)
    for _ in range(5):
        with pytest.raises(RuntimeError, match="start new thread"):
            await threads.run(lambda: 1)
    is_limited = False
    go_on = threading.Event()
    first = asyncio.create_task(threads.run(go_on.wait, 10))
    await until(lambda: threads.has_call_of(first))
    is_limited = True
    second = asyncio.create_task(threads.run(lambda: 2))
    await asyncio.sleep(0.01)
    is_limited = False
    third = asyncio.create_task(threads.run(lambda: 3))
    assert await asyncio.wait_for(asyncio.gather(second, third), 5) == [2, 3]
    go_on.set()
    assert await first is True
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


async def test_cancelled_task_waits_for_its_thread_and_keeps_the_result() -> None:
    """A thread cannot be stopped: who asks for the end again and again gets it when it is there."""
    threads = HandlerThreads(1)
    go_on = threading.Event()

    def job() -> str:
        go_on.wait(10)
        return "done"

    task = asyncio.create_task(threads.run(job))
    await until(lambda: threads.has_call_of(task))
    for _ in range(3):
        await asyncio.sleep(0.01)
        task.cancel()
    await asyncio.sleep(0.01)
    assert not task.done()
    assert threads.has_call_of(task)
    task.cancel()
    go_on.set()
    assert await task == "done"
    assert not threads.has_call_of(task)
    threads.close()


async def test_call_that_has_no_thread_yet_is_given_up() -> None:
    """Its message may be another worker's by the time at which it could begin."""
    threads = HandlerThreads(1)
    go_on = threading.Event()
    begun: list[int] = []
    first = asyncio.create_task(threads.run(go_on.wait, 10))
    await until(lambda: threads.has_call_of(first))
    second = asyncio.create_task(threads.run(begun.append, 2))
    await asyncio.sleep(0.01)
    assert not threads.has_call_of(second)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    third = asyncio.create_task(threads.run(begun.append, 3))
    go_on.set()
    await asyncio.gather(first, third)
    assert begun == [3]
    threads.close()


async def test_closed_threads_are_waited_for_no_more() -> None:
    """At the end of a worker a thread that hangs keeps nobody."""
    threads = HandlerThreads(1)
    go_on = threading.Event()
    task = asyncio.create_task(threads.run(go_on.wait, 10))
    await asyncio.sleep(0.01)
    threads.close()
    with pytest.raises(asyncio.CancelledError):
        await task
    go_on.set()


async def test_what_a_thread_returns_to_be_awaited_is_awaited_in_the_loop() -> None:
    """As with a coroutine function behind a decorator; that can be cancelled."""
    threads = HandlerThreads(1)
    begun, ended = [], []

    async def work(seconds: float) -> str:
        begun.append(threading.current_thread() is threading.main_thread())
        try:
            await asyncio.sleep(seconds)
        finally:
            ended.append(seconds)
        return "done"

    assert await threads.run(lambda: work(0)) == "done"
    task = asyncio.create_task(threads.run(work, 60))
    await until(lambda: len(begun) == 2)
    assert not threads.has_call_of(task)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert begun == [True, True]
    assert ended == [0, 60]
    threads.close()


async def test_cancelled_while_the_thread_made_it_the_awaitable_is_cancelled() -> None:
    """The request to end is not forgotten."""
    threads = HandlerThreads(1)
    go_on = threading.Event()

    def make() -> object:
        go_on.wait(10)
        return asyncio.sleep(60)

    task = asyncio.create_task(threads.run(make))
    await until(lambda: threads.has_call_of(task))
    task.cancel()
    await asyncio.sleep(0.01)
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    threads.close()
