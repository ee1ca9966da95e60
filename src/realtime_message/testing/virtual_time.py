"""An event loop whose time passes only when nobody has anything to do: hours in milliseconds."""

from __future__ import annotations

import asyncio
import functools
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

# Nothing is planned, so only a thread or a socket can go on: looked at again after this time.
_REAL_WAIT_SECONDS = 5.0


class _JumpingSelector(selectors.SelectSelector):
    """Instead of sleeping until the next timer, jumps there."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0

    def select(self, timeout: float | None = None) -> list[Any]:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None:
            return super().select(_REAL_WAIT_SECONDS)
        self.now += timeout
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """See the module. `time()` is the virtual time in seconds.

    For code that waits for timers only: while a socket or a thread is waited for, timers run out.
    """

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        """Return the virtual time."""
        return self._jumping.now


def run_in_virtual_time(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end, in an event loop of its own in virtual time."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main)


def in_virtual_time(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Make a test of a coroutine function: a decorator, which runs it in virtual time."""

    @functools.wraps(test)
    def run_test(*arguments: Any, **named: Any) -> None:
        run_in_virtual_time(test(*arguments, **named))

    return run_test


async def until(condition: Callable[[], bool], timeout_seconds: float = 60.0) -> None:
    """Wait for a condition in the loop's time.

    Raises:
        TimeoutError: it did not come true.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout_seconds
    while not condition():
        if loop.time() >= deadline:
            raise TimeoutError(f"the condition did not come true within {timeout_seconds:g} s")
        await asyncio.sleep(0.01)
