"""How a worker comes to its end: asked once to drain, asked twice to end at once, or failed."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
from collections.abc import Coroutine, Iterable, Iterator
from typing import Any

from realtime_message.telemetry.logs import get_logger

log = get_logger("worker")

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopRequest:
    """Whether and how a worker was asked to stop.

    Attributes:
        drain: set by the first request: finish what is in hand and hand over.
        force: set by the second one: end now, leases are left to run out.
        signal: the first signal, if one it was.
    """

    def __init__(self) -> None:
        self.drain = asyncio.Event()
        self.force = asyncio.Event()
        self.signal: signal.Signals | None = None

    def ask(self) -> None:
        """Ask to stop; more urgently the second time."""
        (self.force if self.drain.is_set() else self.drain).set()


class Failure:
    """The first thing that a part of the worker met and could not deal with."""

    def __init__(self) -> None:
        self.error: BaseException | None = None
        self._loop = asyncio.get_running_loop()
        self._is_met = asyncio.Event()

    def meet(self, error: BaseException) -> None:
        """Note it, from whichever thread; only the first one counts."""
        if self.error is None:
            self.error = error
            self._loop.call_soon_threadsafe(self._is_met.set)
            log.error("worker.failed", error=repr(error))

    async def wait(self) -> None:
        """Wait until there is one."""
        await self._is_met.wait()

    def watch(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Run something beside the rest; its error is a failure."""
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(self._check)
        return task

    def _check(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self.meet(error)


async def first_of(*waits: Coroutine[Any, Any, Any]) -> None:
    """Wait until one of several is done; the others are cancelled."""
    tasks = [asyncio.create_task(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await cancel_all(tasks)


async def cancel_all(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel tasks and wait for their end."""
    tasks = list(tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@contextlib.contextmanager
def stop_on_signals(request: StopRequest) -> Iterator[None]:
    """Turn SIGINT and SIGTERM into stop requests; the former handlers come back at the end.

    In another thread than the main one, which gets no signals, nothing is done.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    former = {number: signal.getsignal(number) for number in _SIGNALS}

    def on_signal(number: signal.Signals) -> None:
        request.signal = request.signal or number
        request.ask()

    for number in _SIGNALS:
        loop.add_signal_handler(number, on_signal, number)
    try:
        yield
    finally:
        for number, handler in former.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)
