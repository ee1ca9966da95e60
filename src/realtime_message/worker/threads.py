"""Threads for handlers that are no coroutines."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import itertools
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

_Job = Callable[[], None]


class _Call:
    """A call in a thread, and who waits for it.

    Attributes:
        waiter: done when the outcome is there. A task that is cancelled gets another one.
        outcome: what the function returned and what it raised, when it has ended.
    """

    __slots__ = ("_turns", "outcome", "waiter")

    def __init__(self, waiter: asyncio.Future[None]) -> None:
        self.waiter = waiter
        self.outcome: tuple[Any, BaseException | None] | None = None
        self._turns = [None]

    @property
    def has_begun(self) -> bool:
        """Whether a thread has it, or it never will be called."""
        return not self._turns

    def take(self) -> bool:
        """Whether it is up to the caller now: of a thread and who gives it up, one only."""
        try:
            self._turns.pop()
        except IndexError:
            return False
        return True


class HandlerThreads:
    """As many threads as there are sync handlers at work, at most `max_threads`.

    The standard library's pool waits for its threads at the end of the process. These are daemon
    threads: a handler that hangs for ever must not keep a worker from stopping.

    Args:
        max_threads: how many handlers may be at work; more wait for a free thread.
    """

    def __init__(self, max_threads: int) -> None:
        self._max_threads = max_threads
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._numbers = itertools.count(1)
        self._thread_count = 0
        self._free = 0
        self._calls: dict[asyncio.Task[Any] | None, _Call] = {}
        self._is_closed = False

    async def run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call a function in a thread, with this task's context variables, and return its result.

        If that is awaitable, as with a coroutine function behind an ordinary decorator, it is
        awaited here, in the event loop.

        Nothing can stop a thread, so a task that is cancelled meanwhile waits for its end all the
        same, until `close`. A result stays a result then; what is to be awaited is cancelled. Only
        what has no thread yet is given up.
        """
        loop = asyncio.get_running_loop()
        call = _Call(loop.create_future())
        context = contextvars.copy_context()

        def job() -> None:
            result, error = None, None
            try:
                if call.take():
                    result = context.run(function, *arguments)
            except BaseException as raised:  # noqa: BLE001 - handed to whoever waits
                error = raised
            try:
                loop.call_soon_threadsafe(self._deliver, call, result, error)
            except RuntimeError:
                return  # the loop is closed: nobody waits any more

        if self._free > 0 or self._thread_count >= self._max_threads or not self._start():
            self._free -= 1
        self._jobs.put(job)
        task = asyncio.current_task()
        self._calls[task] = call
        try:
            result, is_cancelled = await self._outcome(call)
        finally:
            del self._calls[task]
        if result is not None and inspect.isawaitable(result):
            if is_cancelled and task is not None:
                task.cancel()
            result = await result
        return result

    def has_call_of(self, task: asyncio.Task[Any]) -> bool:
        """Whether a task waits for a thread that has begun."""
        call = self._calls.get(task)
        return call is not None and call.has_begun

    def close(self) -> None:
        """Let the threads end as soon as they are free, and wait for none of them any more."""
        self._is_closed = True
        for call in self._calls.values():
            call.waiter.cancel()
        for _ in range(self._thread_count):
            self._jobs.put(None)

    async def _outcome(self, call: _Call) -> tuple[Any, bool]:
        """Return what a call returned, or raise its error; and whether the task was cancelled."""
        is_cancelled = False
        while call.outcome is None:
            try:
                await call.waiter
            except asyncio.CancelledError:
                if self._is_closed or call.take():
                    raise
                is_cancelled = True
                if call.waiter.cancelled():
                    call.waiter = asyncio.get_running_loop().create_future()
        result, error = call.outcome
        if error is not None:
            raise error
        return result, is_cancelled

    def _deliver(self, call: _Call, result: Any, error: BaseException | None) -> None:
        self._free += 1
        call.outcome = (result, error)
        if not call.waiter.done():
            call.waiter.set_result(None)

    def _start(self) -> bool:
        """Start a thread; False if none can be had now and the call has to wait for another one.

        Raises:
            RuntimeError: there is no other one.
        """
        name = f"handler thread {next(self._numbers)}"
        try:
            threading.Thread(target=self._work, name=name, daemon=True).start()
        except RuntimeError:
            if not self._thread_count:
                raise
            return False
        self._thread_count += 1
        return True

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
