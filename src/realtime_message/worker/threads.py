"""Threads for handlers that are no coroutines."""

from __future__ import annotations

import asyncio
import contextvars
import itertools
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

_Job = Callable[[], None]


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

    async def run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call a function in a thread, with this task's context variables, and return its result.

        When the waiting task is cancelled the function goes on to its end: nothing can stop a
        thread. Its result is dropped.
        """
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Any] = loop.create_future()
        context = contextvars.copy_context()

        def job() -> None:
            result, error = None, None
            try:
                result = context.run(function, *arguments)
            except BaseException as raised:  # noqa: BLE001 - handed to whoever waits
                error = raised
            try:
                loop.call_soon_threadsafe(self._deliver, done, result, error)
            except RuntimeError:
                return  # the loop is closed: nobody waits any more

        if self._free <= 0 and self._thread_count < self._max_threads:
            self._start()
        else:
            self._free -= 1
        self._jobs.put(job)
        return await done

    def close(self) -> None:
        """Let the threads end as soon as they are free."""
        for _ in range(self._thread_count):
            self._jobs.put(None)

    def _deliver(self, done: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
        self._free += 1
        if done.cancelled():
            return
        if error is None:
            done.set_result(result)
        elif isinstance(error, StopIteration):
            # A future refuses it, as it would end the generator that waits.
            done.set_exception(RuntimeError(f"the handler raised {error!r}"))
        else:
            done.set_exception(error)

    def _start(self) -> None:
        self._thread_count += 1
        name = f"handler thread {next(self._numbers)}"
        threading.Thread(target=self._work, name=name, daemon=True).start()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
