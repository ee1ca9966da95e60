"""Notices a handler that blocks the event loop, and names it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable
from types import CodeType

from realtime_message.app import Handler
from realtime_message.telemetry.logs import get_logger
from realtime_message.worker.lease_hold import Clock
from realtime_message.worker.stacks import code_of, frame_of, is_on_stack, stack_text

log = get_logger("worker.loop_watch")

_BEAT_SECONDS = 0.1
# Shorter blocks are common and harmless: a garbage collection, a large JSON document.
_WARN_SECONDS = 1.0


class LoopWatch:
    """The event loop beats; another thread looks whether it still does.

    Args:
        handlers: the user's handlers, to find the one on the loop's stack.
        clock: seconds, never jumping.
    """

    def __init__(self, handlers: Iterable[Handler], clock: Clock) -> None:
        self._names: dict[CodeType, str] = {
            code: handler.name for handler in handlers if (code := code_of(handler)) is not None
        }
        self._clock = clock
        self._beat_at = clock()
        self._thread_id = threading.get_ident()
        self._timer: asyncio.TimerHandle | None = None
        self._is_reported = False
        #: How often the loop was found blocked.
        self.block_count = 0

    def start(self) -> None:
        """Begin to beat, in the running loop and thread."""
        self._thread_id = threading.get_ident()
        self._beat()

    def stop(self) -> None:
        """Stop beating; nobody must look any more."""
        if self._timer is not None:
            self._timer.cancel()

    def look(self) -> float:
        """Return for how many seconds the loop has been blocked; 0.0 if it is not.

        To be called from another thread. A block is written to the log once, with the handler and
        its stack.
        """
        silent_seconds = self.blocked_seconds
        if not silent_seconds:
            self._is_reported = False
        elif not self._is_reported:
            self._is_reported = True
            self.block_count += 1
            self._report(silent_seconds)
        return silent_seconds

    @property
    def blocked_seconds(self) -> float:
        """For how many seconds the loop has been blocked; 0.0 for less than a second."""
        silent_seconds = self._clock() - self._beat_at
        return silent_seconds if silent_seconds >= _WARN_SECONDS else 0.0

    def _beat(self) -> None:
        self._beat_at = self._clock()
        self._timer = asyncio.get_running_loop().call_later(_BEAT_SECONDS, self._beat)

    def _report(self, silent_seconds: float) -> None:
        frame = frame_of(self._thread_id)
        log.error(
            "loop.blocked",
            seconds=round(silent_seconds, 2),
            handler=next(
                (name for code, name in self._names.items() if is_on_stack(code, frame)), "unknown"
            ),
            advice="do blocking work in a handler declared with `def`, not `async def`",
            stack=stack_text(frame),
        )
