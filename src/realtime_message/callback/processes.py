"""Several processes that do the same: started, replaced when they die, rolled, stopped.

The parent does nothing else, so that nothing else can go wrong in it. It is single-threaded and
forks: the children share its listening socket and its block of metrics.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import sys
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from time import monotonic
from typing import Any

from realtime_message.errors import (
    EXIT_COULD_NOT_START,
    EXIT_INTERRUPTED,
    RealtimeMessageError,
    StartupError,
)
from realtime_message.telemetry.logs import get_logger

MAX_DEATHS = 5
WINDOW_SECONDS = 60.0
# How long a child may take to end after the second signal.
_HURRY_SECONDS = 2.0
_FIRST_DELAY_SECONDS = 0.1
# How often the delay is doubled at most until a start that failed is tried again.
_MAX_STEPS = 6

_log = get_logger("callback.processes")
_fork = multiprocessing.get_context("fork")

#: What a child does, given its number, a file that ends with the parent, and where it reports.
ChildMain = Callable[[int, int, Connection], None]


#: What is told of a service that is up: fields of a log line.
Ready = dict[str, Any]


def report_ready(reports: Connection, ready: Ready) -> None:
    """In a child: tell the parent that requests are taken."""
    reports.send(("ready", ready))


def report_failure(reports: Connection, error: StartupError) -> None:
    """In a child: tell the parent why it cannot start, and end."""
    reports.send(("failed", str(error)))
    sys.exit(EXIT_COULD_NOT_START)


@dataclass(eq=False)
class _Child:
    process: BaseProcess
    place: int
    part: int
    reports: Connection
    replaces: _Child | None = None
    is_ready: bool = False
    failure: str = ""


class Processes:
    """Keeps a number of child processes running until a signal says stop.

    Args:
        count: how many.
        main: what a child does. Its number is its place, or count + place for every second process
            in a place: the one that leaves and the one that comes have different numbers.
        stop_timeout_seconds: how long a child may take to stop before it is killed.
        on_ready: told what the first ready child reported, once all are ready.
        on_stop: called when the children are told to stop for good.
    """

    def __init__(
        self,
        count: int,
        main: ChildMain,
        *,
        stop_timeout_seconds: float,
        on_ready: Callable[[Ready], None],
        on_stop: Callable[[], None],
    ) -> None:
        self._on_stop = on_stop
        self._count = count
        self._main = main
        self._stop_timeout_seconds = stop_timeout_seconds
        self._on_ready = on_ready
        self._children: list[_Child] = []
        self._ready: Ready = {}
        self._is_announced = False
        self._deaths: deque[float] = deque()
        self._due: dict[int, tuple[float, int]] = {}
        #: How often in a row no process could start in a place.
        self._failed_starts: Counter[int] = Counter()
        self._to_roll: deque[_Child] = deque()
        self._told = 0
        self._kill_at = float("inf")
        self._error: RealtimeMessageError | None = None
        self._lifeline, self._life = os.pipe()
        self._wake_up, self._waker = socket.socketpair()

    def run(self) -> int:
        """Run until told to stop; return the exit code.

        Raises:
            StartupError: a child could not start, at first or while no other one was ready.
            RealtimeMessageError: children died again and again.
        """
        self._wake_up.setblocking(False)
        self._waker.setblocking(False)
        before = signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
        handlers = {number: signal.signal(number, lambda *_: None) for number in numbers}
        try:
            for place in range(self._count):
                self._start(place, place)
            while self._children or self._due:
                self._look()
        finally:
            signal.set_wakeup_fd(before)
            for number, handler in handlers.items():
                signal.signal(number, handler)
            for file in (self._lifeline, self._life):
                os.close(file)
        if self._error is not None:
            raise self._error
        return EXIT_INTERRUPTED if self._told == signal.SIGINT else 0

    def _look(self) -> None:
        """Wait for something to happen, and deal with it."""
        times = [self._kill_at, *(at for at, _ in self._due.values())]
        timeout = max(0.0, min(times) - monotonic())
        waited: list[Connection | socket.socket | int] = [self._wake_up]
        for child in self._children:
            waited += [child.reports, child.process.sentinel]
        ready = wait(waited, None if timeout == float("inf") else timeout)
        if self._wake_up in ready:
            for number in self._wake_up.recv(1024):
                self._on_signal(number)
        for child in list(self._children):
            if child.reports in ready:
                self._on_report(child)
            if child.process.sentinel in ready:
                self._on_death(child)
        self._on_time()

    def _start(self, place: int, part: int, replaces: _Child | None = None) -> None:
        ours, theirs = _fork.Pipe(duplex=False)
        process = _fork.Process(target=self._be_child, args=(part, theirs), name=f"callback-{part}")
        process.start()
        theirs.close()
        self._children.append(_Child(process, place, part, ours, replaces))

    def _be_child(self, part: int, reports: Connection) -> None:
        """Forget, in a new child, what is the parent's."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.close(self._life)
        self._waker.close()
        self._wake_up.close()
        self._main(part, self._lifeline, reports)

    def _on_signal(self, number: int) -> None:
        if number == signal.SIGHUP:
            if not self._to_roll:
                self._to_roll.extend(self._children)
                self._roll_on()
        elif number in (signal.SIGTERM, signal.SIGINT):
            # A second time it is passed on again: the children then stop without waiting. Two
            # signals in quick succession can reach a child as one, so it is killed if it waits.
            if self._told:
                self._kill_at = min(self._kill_at, monotonic() + _HURRY_SECONDS)
            self._told = number
            self._stop_all()

    def _stop_all(self) -> None:
        self._on_stop()
        self._to_roll.clear()
        self._due.clear()
        self._kill_at = min(self._kill_at, monotonic() + self._stop_timeout_seconds)
        for child in self._children:
            self._stop(child)

    def _stop(self, child: _Child) -> None:
        if child.process.is_alive() and child.process.pid is not None:
            os.kill(child.process.pid, signal.SIGTERM)

    def _on_report(self, child: _Child) -> None:
        try:
            kind, told = child.reports.recv()
        except EOFError:
            return  # its death is seen as well
        if kind == "failed":
            child.failure = told
            return
        child.is_ready = True
        del self._failed_starts[child.place]
        self._ready = self._ready or told
        if not self._is_announced and all(other.is_ready for other in self._children):
            self._is_announced = True
            self._on_ready(self._ready)
        if child.replaces in self._children:
            self._stop(child.replaces)

    def _on_death(self, child: _Child) -> None:
        if child.reports.poll():
            self._on_report(child)
        child.process.join()
        child.reports.close()
        self._children.remove(child)
        if self._told or self._error is not None:
            return
        if child.replaces is not None and not child.is_ready:
            _log.error("roll.given_up", reason=child.failure or f"exit {child.process.exitcode}")
            self._to_roll.clear()
        if not any(other.place == child.place for other in self._children):
            self._replace(child)
        if self._to_roll and self._to_roll[0] is child:
            self._roll_on()

    def _replace(self, child: _Child) -> None:
        """Decide what a death that nobody asked for leads to."""
        now = monotonic()
        if child.failure and self._is_announced and any(c.is_ready for c in self._children):
            # As while Redis is away: that is no reason to end those that go on.
            self._failed_starts[child.place] += 1
            _log.error("process.not_replaced", reason=child.failure)
            delay = _FIRST_DELAY_SECONDS * 2 ** min(_MAX_STEPS, self._failed_starts[child.place])
            self._due[child.place] = (now + delay, child.part)
            return
        if child.failure:
            self._error = StartupError(child.failure)
            self._stop_all()
            return
        self._deaths.append(now)
        while self._deaths[0] < now - WINDOW_SECONDS:
            self._deaths.popleft()
        _log.error(
            "process.died", exit_code=child.process.exitcode, deaths_in_a_minute=len(self._deaths)
        )
        if len(self._deaths) > MAX_DEATHS:
            self._error = RealtimeMessageError(
                f"the callback service's processes died {len(self._deaths)} times within "
                f"{WINDOW_SECONDS:.0f} s: see the log for the first of them"
            )
            self._stop_all()
            return
        delay = _FIRST_DELAY_SECONDS * 2 ** (len(self._deaths) - 1)
        self._due[child.place] = (now + delay, child.part)

    def _on_time(self) -> None:
        now = monotonic()
        for place, (due_at, part) in list(self._due.items()):
            if due_at <= now:
                del self._due[place]
                self._start(place, part)
        if now >= self._kill_at:
            self._kill_at = float("inf")
            for child in self._children:
                _log.error("process.killed", pid=child.process.pid)
                child.process.kill()

    def _roll_on(self) -> None:
        """Start the replacement of the next process; it is told to leave when that is ready."""
        while self._to_roll and self._to_roll[0] not in self._children:
            self._to_roll.popleft()
        if self._to_roll:
            old = self._to_roll[0]
            self._start(old.place, (old.part + self._count) % (2 * self._count), replaces=old)
        else:
            _log.info("processes.rolled", count=self._count)
