"""One part, kept running: started, its output collected, started again by rule, ended."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from realtime_message.errors import EXIT_COULD_NOT_START
from realtime_message.stack.combined_log import CombinedLog
from realtime_message.stack.part_process import PartProcess
from realtime_message.stack.partition_moves import PartitionMoves
from realtime_message.stack.restarts import GiveUp, RestartRule, describe_exit

#: What a part needs beyond its drain time-out: most a worker with a handler that ignores that it
#: is cancelled, which takes four seconds more to give its partitions up.
STOP_MARGIN_SECONDS = 6.0

_LAST_LINES = 10
_READY_EVERY_SECONDS = 0.03


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A process of the stack.

    Attributes:
        name: shown before its lines.
        command: program and arguments.
        environment: all of its environment.
        answers: whether it is ready; asked again and again. None: see `ready_line`.
        ready_line: text that its output has once it is ready.
        is_quiet_start: whether its lines are shown only once it is ready, or has failed.
        shows: which lines are shown while it runs; its last ones are shown when it dies.
        joins_partitions: whether what it says of many partitions is shown as one line.
        directory: its working directory; None for ours.
        stop_after: the place in the order of ending: lower numbers end first.
        stop_timeout_seconds: how long it may take to end before it is killed.
        follows_source: whether it starts again when the app's source changes.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    answers: Callable[[], Awaitable[bool]] | None = None
    ready_line: str = ""
    is_quiet_start: bool = False
    shows: Callable[[str], bool] = lambda _: True
    joins_partitions: bool = False
    directory: Path | None = None
    stop_after: int = 0
    stop_timeout_seconds: float = 5.0
    follows_source: bool = False


class KeptPart:
    """Keeps one part running until it is stopped or given up.

    Args:
        part: what to run.
        log: where its lines go.
        reloads: whether a change of the source starts it again, so that a part which cannot start
            waits for one.
    """

    def __init__(self, part: Part, log: CombinedLog, *, reloads: bool = False) -> None:
        self.part = part
        self.ready = asyncio.Event()
        self._log = log
        self._rule = RestartRule()
        self._moves = PartitionMoves(self._show)
        self._reloads = reloads and part.follows_source
        self._process: PartProcess | None = None
        self._last_lines: deque[str] = deque(maxlen=_LAST_LINES)
        self._is_stopping = False
        self._is_reloading = False
        self._died_at: float | None = None
        # Ends the wait before a restart early: a stop, or a change of the source.
        self._wake = asyncio.Event()

    @property
    def last_line(self) -> str:
        """What it wrote last."""
        return next((line for line in reversed(self._last_lines) if line), "")

    async def keep(self) -> str:
        """Run the part until it is stopped. Return why it was given up, or nothing."""
        while not self._is_stopping:
            self._is_reloading = False
            exit_code, reason = await self._run_once()
            if reason:
                return reason
            if self._is_stopping or self._is_reloading:
                continue
            if exit_code == EXIT_COULD_NOT_START and self._reloads:
                self._log.say(f"{self.part.name} waits for a change of the source")
                await self._pause(None)
                continue
            self._tell_death(exit_code)
            self._died_at = time.monotonic()
            decision = self._rule.decide(exit_code, died_at=self._died_at)
            if isinstance(decision, GiveUp):
                return decision.reason
            self._log.say(f"{self.part.name} starts again in {decision.after_seconds:g} s")
            await self._pause(decision.after_seconds)
        return ""

    async def stop(self) -> None:
        """End the part, and do not start it again."""
        self._is_stopping = True
        self._wake.set()
        process = self._process
        if process is None:
            return
        process.terminate()
        try:
            async with asyncio.timeout(self.part.stop_timeout_seconds):
                await process.wait()
        except TimeoutError:
            self._log.say(
                f"{self.part.name} did not end within {self.part.stop_timeout_seconds:g} s and is "
                "killed"
            )
            process.kill()
            await process.wait()

    def restart(self) -> None:
        """End the part in its own time and start it anew."""
        self._is_reloading = True
        self._wake.set()
        if self._process is not None:
            self._process.terminate()

    def kill(self) -> None:
        """Kill the part and what it started."""
        self._is_stopping = True
        self._wake.set()
        if self._process is not None:
            self._process.kill()

    async def _run_once(self) -> tuple[int, str]:
        """Run the process to its end; return exit code, or why it cannot be run at all."""
        self._last_lines.clear()
        try:
            process = await PartProcess.start(
                self.part.command,
                environment=self.part.environment,
                directory=self.part.directory,
                on_line=self._take_line,
            )
        except OSError as error:
            program = self.part.command[0]
            return EXIT_COULD_NOT_START, f"{program} cannot be run: {error.strerror}"
        self._process = process
        if self._is_stopping:
            process.terminate()
        readiness = asyncio.create_task(self._watch_readiness(), name=f"{self.part.name} readiness")
        try:
            exit_code = await process.wait()
        finally:
            self._process = None
            readiness.cancel()
            self.ready.clear()
        await process.clear_away()
        self._moves.flush()
        return exit_code, ""

    def _show(self, text: str) -> None:
        self._log.line(self.part.name, text)

    def _take_line(self, text: str) -> None:
        self._last_lines.append(text)
        if (self.ready.is_set() or not self.part.is_quiet_start) and self.part.shows(text):
            take = self._moves.take if self.part.joins_partitions else self._show
            take(text)
        if self.part.ready_line and self.part.ready_line in text:
            self._become_ready()

    async def _watch_readiness(self) -> None:
        if self.part.answers is None:
            return
        while not await self.part.answers():  # noqa: ASYNC110 - another process tells nobody
            await asyncio.sleep(_READY_EVERY_SECONDS)
        self._become_ready()

    def _become_ready(self) -> None:
        self.ready.set()
        if self._died_at is not None:
            self._log.say(
                f"{self.part.name} is back after {time.monotonic() - self._died_at:.1f} s"
            )
            self._died_at = None

    def _tell_death(self, exit_code: int) -> None:
        died = f"{self.part.name} died ({describe_exit(exit_code)})"
        if exit_code == EXIT_COULD_NOT_START and not self.part.is_quiet_start:
            # It said why, and that was shown.
            self._log.say(died)
            return
        self._log.say(f"{died}; its last lines:")
        for line in self._last_lines or ["(it wrote nothing)"]:
            self._log.say(f"    {line}")

    async def _pause(self, seconds: float | None) -> None:
        self._wake.clear()
        if self._is_stopping:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()
