"""Simulated time: a world with a queue of what happens next, and event loops that live in it.

Each process of the simulation has an event loop of its own, with its own ready callbacks and
timers, so that a process can stand still, be suspended or vanish while the others go on.
"""

from __future__ import annotations

import asyncio
import contextvars
import heapq
from collections import deque
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any

_RUN_LIMIT = 200_000
_TICK_SECONDS = 1e-5


class Handle:
    """A planned callback; what asyncio calls Handle and TimerHandle."""

    __slots__ = ("_when", "arguments", "callback", "context", "is_cancelled")

    def __init__(
        self,
        callback: Callable[..., Any],
        arguments: tuple[Any, ...],
        context: contextvars.Context | None,
        when: float = 0.0,
    ) -> None:
        self.callback = callback
        self.arguments = arguments
        self.context = context
        self.is_cancelled = False
        self._when = when

    def cancel(self) -> None:
        self.is_cancelled = True

    def cancelled(self) -> bool:
        return self.is_cancelled

    def when(self) -> float:
        return self._when


class ProcessLoop(asyncio.AbstractEventLoop):
    """The event loop of one simulated process. It is driven by its world.

    Args:
        world: whose time it lives in.
        is_shuffled: whether callbacks that are ready run in any order, and not in the order in
            which they became so.
        on_error: told of what asyncio reports as unhandled.
    """

    def __init__(
        self, world: World, *, is_shuffled: bool, on_error: Callable[[dict[str, Any]], None]
    ) -> None:
        self._world = world
        self._is_shuffled = is_shuffled
        self._on_error = on_error
        self.ready: deque[Handle] = deque()
        self._floor = 0.0
        #: Every task that was ever made in it.
        self.tasks: list[asyncio.Task[Any]] = []
        self.process: Any = None
        #: Whether it runs nothing: its process stands still, or is gone.
        self.is_standing = False
        #: For how long its clock stood still.
        self.suspended_seconds = 0.0

    def time(self) -> float:
        if not self.suspended_seconds:
            return self._world.now
        # Where both were added up, the sum may be a hair less than the time of a due timer.
        return max(self._world.now - self.suspended_seconds, self._floor)

    def call_soon(self, callback: Callable[..., Any], *args: Any, context: Any = None) -> Handle:
        handle = Handle(callback, args, context)
        if self.is_standing and self.process.is_gone:
            return handle
        if not self.ready:
            self._world.active.append(self)
        self.ready.append(handle)
        return handle

    call_soon_threadsafe = call_soon

    def call_later(
        self, delay: float, callback: Callable[..., Any], *args: Any, context: Any = None
    ) -> Handle:
        when = self._world.now - self.suspended_seconds + delay
        return self.call_at(when, callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[..., Any], *args: Any, context: Any = None
    ) -> Handle:
        world = self._world
        at = when + self.suspended_seconds
        # No clock is finer; without this, whoever waits for "the rest" would wait for ever less.
        at = max(at, world.now + _TICK_SECONDS)
        handle = Handle(callback, args, context, at - self.suspended_seconds)
        world._order += 1
        heapq.heappush(world.planned, (at, world._order, self.run_timer, (handle,)))
        return handle

    def run_timer(self, handle: Handle) -> None:
        """A timer is due, unless the clock stood still meanwhile."""
        if handle.is_cancelled:
            return
        if self.suspended_seconds:
            at = handle._when + self.suspended_seconds
            if at > self._world.now + 1e-9:
                self._world.plan(at, self.run_timer, handle)
                return
            self._floor = max(self._floor, handle._when)
        if not self.ready:
            self._world.active.append(self)
        self.ready.append(handle)

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(
        self, coro: Coroutine[Any, Any, Any], *, name: Any = None, context: Any = None
    ) -> asyncio.Task[Any]:
        task = asyncio.Task(coro, loop=self, name=name, context=context)
        self.tasks.append(task)
        return task

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self._on_error(context)

    def stand_still(self) -> None:
        """Run nothing; what becomes ready waits."""
        self.is_standing = True

    def go_on(self, suspended_seconds: float) -> None:
        """Run again what is ready; in these seconds the clock stood still."""
        self.is_standing = False
        self.suspended_seconds += suspended_seconds
        if self.ready:
            self._world.active.append(self)

    def forget(self) -> None:
        """Drop everything: the process is gone."""
        self.is_standing = True
        self.ready.clear()
        self.tasks.clear()

    def run_ready(self) -> None:
        """Run what is ready until nothing is."""
        if self.is_standing:
            return
        asyncio._set_running_loop(self)
        ready, random = self.ready, self._world.random.random
        is_shuffled = self._is_shuffled
        count = 0
        try:
            while ready:
                if is_shuffled and len(ready) > 1:
                    ready.rotate(-int(random() * len(ready)))
                handle = ready.popleft()
                if handle.is_cancelled:
                    continue
                try:
                    if handle.context is None:
                        handle.callback(*handle.arguments)
                    else:
                        handle.context.run(handle.callback, *handle.arguments)
                except Exception as error:  # noqa: BLE001 - as asyncio does
                    self._on_error({"exception": error})
                count += 1
                if count > _RUN_LIMIT:
                    raise AssertionError("a process spins without waiting for anything")
        finally:
            asyncio._set_running_loop(None)


class World:
    """The time that all processes share, and what is planned in it.

    Args:
        random: the source of all chance.

    Attributes:
        active: the loops that have something ready.
    """

    def __init__(self, random: Random) -> None:
        self.random = random
        self.now = 1000.0
        self.active: deque[ProcessLoop] = deque()
        self.planned: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._order = 0

    def plan(self, at: float, action: Callable[..., None], *arguments: Any) -> None:
        """Do something at a time; at the same time, in the order of the calls."""
        self._order += 1
        heapq.heappush(self.planned, (at, self._order, action, arguments))

    def step(self) -> bool:
        """Let everybody run who can, then go to the next time at which something happens.

        Returns:
            False when nothing will ever happen any more.
        """
        active, planned = self.active, self.planned
        while active:
            active.popleft().run_ready()
        if not planned:
            return False
        at, _, action, arguments = heapq.heappop(planned)
        self.now = max(self.now, at)
        action(*arguments)
        return True
