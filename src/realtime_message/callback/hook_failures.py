"""How failing hooks are logged: a line for each, a traceback now and then."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from realtime_message.telemetry.logs import get_logger

_TRACEBACK_EVERY_SECONDS = 60.0

_log = get_logger("callback.hooks")


@dataclass(slots=True)
class _Shown:
    """When a traceback was logged, and how many failures came since."""

    at: float
    since: int = 0


class HookFailures:
    """Logs what hooks raise.

    Clients send again what failed for now, so a broken hook fails many times a second: its
    traceback is logged at the first failure, then once a minute.

    Args:
        clock: seconds, never jumping.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._shown: dict[tuple[str, type[BaseException]], _Shown] = {}

    def tell(self, hook: str, error: BaseException, **fields: Any) -> None:
        """Log one failure.

        Args:
            hook: its name.
            error: what it raised.
            fields: more about it.
        """
        key, now = (hook, type(error)), self._clock()
        shown = self._shown.get(key)
        if shown is not None and now - shown.at < _TRACEBACK_EVERY_SECONDS:
            shown.since += 1
            what = f"{type(error).__name__}: {error}"
            _log.error("hook.failed", hook=hook, **fields, error=what)
            return
        if shown is not None:
            fields["failures_since_last_traceback"] = shown.since
        self._shown[key] = _Shown(now)
        _log.error("hook.failed", hook=hook, **fields, exc_info=error)
