"""The parts together: started at once, ready together, ended in order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from itertools import groupby

from realtime_message.errors import EXIT_COULD_NOT_START, EXIT_FAILED
from realtime_message.stack.combined_log import CombinedLog
from realtime_message.stack.kept_part import KeptPart, Part


class Supervisor:
    """Runs parts until a stop is asked for or one of them is given up.

    Args:
        parts: what to run.
        log: where everything is written.
        on_ready: called once when every part is ready.
        start_timeout_seconds: how long the start may take.
        reloads: whether parts that follow the source wait for a change when they cannot start.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        log: CombinedLog,
        *,
        on_ready: Callable[[], None],
        start_timeout_seconds: float = 30.0,
        reloads: bool = False,
    ) -> None:
        self._parts = [KeptPart(part, log, reloads=reloads) for part in parts]
        self._log = log
        self._on_ready = on_ready
        self._start_timeout_seconds = start_timeout_seconds
        self._reloads = reloads
        self._stop = asyncio.Event()
        log.on_reader_gone = self._stop.set
        if log.is_reader_gone:
            self._stop.set()

    def request_stop(self) -> None:
        """End everything in order; a second request kills what still runs."""
        if self._stop.is_set():
            self._log.say("asked again: everything is killed")
            for part in self._parts:
                part.kill()
        self._stop.set()

    def reload(self) -> None:
        """Start the parts anew that run the app's source."""
        for kept in self._parts:
            if kept.part.follows_source:
                kept.restart()

    async def run(self) -> int:
        """Run the parts; return the exit code of their end: 0, 1 failed, 3 could not start."""
        keeping = {
            asyncio.create_task(kept.keep(), name=kept.part.name): kept for kept in self._parts
        }
        stopping = asyncio.create_task(self._stop.wait(), name="stop")
        readiness = asyncio.create_task(self._wait_until_ready(), name="readiness")
        try:
            await asyncio.wait({*keeping, stopping, readiness}, return_when=asyncio.FIRST_COMPLETED)
            if readiness.done() and not self._stop.is_set() and readiness.result():
                self._on_ready()
                await asyncio.wait({*keeping, stopping}, return_when=asyncio.FIRST_COMPLETED)
            exit_code, reasons = self._judge_end(keeping, readiness)
            for reason in reasons:
                self._log.say(reason)
            await self._end_in_order()
            # Once more where it is looked for: below what the others said at their end.
            for reason, last_line in reasons.items():
                self._log.say(f"{reason}; its last line: {last_line}" if last_line else reason)
            return exit_code
        finally:
            stopping.cancel()
            readiness.cancel()
            for kept in self._parts:
                kept.kill()  # none is left, unless a fault of ours brought us here
            await asyncio.gather(*keeping)

    async def _wait_until_ready(self) -> bool:
        """Return whether every part became ready in time."""
        try:
            async with asyncio.timeout(self._start_timeout_seconds):
                for kept in self._parts:
                    await kept.ready.wait()
        except TimeoutError:
            return False
        return True

    def _judge_end(
        self, keeping: dict[asyncio.Task[str], KeptPart], readiness: asyncio.Task[bool]
    ) -> tuple[int, dict[str, str]]:
        """Return the exit code, and why nobody asked for this end, with a part's last line."""
        given_up = {kept: task.result() for task, kept in keeping.items() if task.done()}
        if given_up:
            was_ready = readiness.done() and readiness.result()
            return EXIT_FAILED if was_ready else EXIT_COULD_NOT_START, {
                f"{kept.part.name} is given up: {reason}": kept.last_line.removeprefix("rtm: ")
                for kept, reason in given_up.items()
            }
        if self._stop.is_set():
            return 0, {}
        late = ", ".join(kept.part.name for kept in self._parts if not kept.ready.is_set())
        reason = f"not ready within {self._start_timeout_seconds:g} s: {late}"
        return EXIT_COULD_NOT_START, {reason: ""}

    async def _end_in_order(self) -> None:
        self._stop.set()
        ordered = sorted(self._parts, key=lambda kept: kept.part.stop_after)
        for _, stage in groupby(ordered, key=lambda kept: kept.part.stop_after):
            parts = list(stage)
            self._log.say(f"ending {', '.join(kept.part.name for kept in parts)}")
            await asyncio.gather(*(kept.stop() for kept in parts))
