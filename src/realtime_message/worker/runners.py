"""The tasks that run handlers: a pool of runners instead of a task for each message.

A runner takes a delivery, awaits the handler *within its own task*, and takes the next. A handler
that never really waits (a cache hit, a counter, a batch insert that is only queued) therefore costs
a coroutine call and no task: 0.2 µs instead of 3 µs. Only when a handler waits does the event loop
get to the next runner, which goes on with the next channel. The alternative, driving the handler's
coroutine by hand and making a task of it when it first waits, would run its beginning without a
current task of its own: `asyncio.timeout`, task groups and every library on anyio would attach
themselves to the wrong task.

Handlers share a runner one after the other, so a runner takes care that nothing passes from one to
the next. It ends and is replaced when a handler left context variables changed, or a request to
cancel that it did not answer.
"""

from __future__ import annotations

import asyncio
import contextvars
import itertools
from collections.abc import Awaitable, Callable
from typing import Protocol, cast

# Runners that wait for work. More of them end: thousands may have been needed in a burst.
_MAX_PARKED = 64

# How long handlers that were cancelled may still take at the end.
_CLOSE_SECONDS = 1.0


class Source(Protocol):
    """Where there is something to do."""

    def __bool__(self) -> bool:
        """Whether there is."""
        ...


class Runners:
    """Up to `concurrency` runners.

    Args:
        source: what is ready to be handled.
        work: handles what is ready in the current task, which it is given beside these runners.
            It calls another one before it waits, and returns when nothing is ready or others
            should have a turn, and at once, with False, when a handler left something behind in
            the task.
        concurrency: how many run at once.
        on_failure: called if `work` raises.

    Attributes:
        is_one_coming: whether a runner was called and has not begun yet.
        is_closed: whether all are to end.
    """

    def __init__(
        self,
        source: Source,
        work: Callable[[asyncio.Task[None], Runners], Awaitable[bool]],
        concurrency: int,
        on_failure: Callable[[BaseException], None],
    ) -> None:
        self._source = source
        self._work = work
        self._concurrency = concurrency
        self._on_failure = on_failure
        self._context = contextvars.copy_context()
        self._numbers = itertools.count(1)
        self._tasks: set[asyncio.Task[None]] = set()
        self._parked: list[asyncio.Future[None]] = []
        self.is_one_coming = False
        self.is_closed = False

    def wake(self) -> None:
        """See to it that a runner comes and looks, if one is free and none is coming already."""
        if self.is_one_coming or self.is_closed:
            return
        if self._parked:
            self.is_one_coming = True
            self._parked.pop().set_result(None)
        elif len(self._tasks) < self._concurrency:
            self.is_one_coming = True
            self._start()

    async def close(self) -> None:
        """Cancel all runners and wait for their end, a moment: a handler may refuse to."""
        self.is_closed = True
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_CLOSE_SECONDS)

    def _start(self) -> None:
        task = asyncio.get_running_loop().create_task(
            self._run(), name=f"runner {next(self._numbers)}", context=self._context.copy()
        )
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._on_failure(error)
        if self._source:
            self.wake()

    async def _run(self) -> None:
        task = cast("asyncio.Task[None]", asyncio.current_task())
        self.is_one_coming = False
        while True:
            if not await self._work(task, self):
                return
            if self._source:
                await asyncio.sleep(0)
            elif len(self._parked) < _MAX_PARKED:
                await self._park()
            else:
                return

    async def _park(self) -> None:
        """Wait until `wake` calls."""
        call = asyncio.get_running_loop().create_future()
        self._parked.append(call)
        try:
            await call
        finally:
            self.is_one_coming = False
            if call in self._parked:  # cancelled by `close`
                self._parked.remove(call)
