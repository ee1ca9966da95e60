"""Whether a part that died starts again, and when. Pure."""

from __future__ import annotations

import signal
from collections import deque
from dataclasses import dataclass, field

from realtime_message.errors import EXIT_COULD_NOT_START

MAX_DEATHS = 5
WINDOW_SECONDS = 60.0
_FIRST_DELAY_SECONDS = 0.1
_LONGEST_DELAY_SECONDS = 8.0


@dataclass(frozen=True, slots=True)
class StartAgain:
    """Start the part again after a while."""

    after_seconds: float


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The part will not get better by itself."""

    reason: str


@dataclass(slots=True)
class RestartRule:
    """Remembers the deaths of one part.

    Exit code 3 says that starting again without a change is no use. More than five deaths in a
    minute say the same. In between, each death within the minute doubles the wait.
    """

    _deaths: deque[float] = field(default_factory=deque)

    def decide(self, exit_code: int, *, died_at: float) -> StartAgain | GiveUp:
        """Return what to do about a death.

        Args:
            exit_code: of the process; negative for a signal.
            died_at: on any clock that does not jump, in seconds.
        """
        if exit_code == EXIT_COULD_NOT_START:
            return GiveUp("it could not start, and trying again would not help")
        self._deaths.append(died_at)
        while self._deaths[0] < died_at - WINDOW_SECONDS:
            self._deaths.popleft()
        if len(self._deaths) > MAX_DEATHS:
            return GiveUp(f"it died {len(self._deaths)} times within {WINDOW_SECONDS:.0f} s")
        delay = _FIRST_DELAY_SECONDS * 2 ** (len(self._deaths) - 1)
        return StartAgain(min(delay, _LONGEST_DELAY_SECONDS))


def describe_exit(exit_code: int) -> str:
    """Return how a process ended, in words."""
    if exit_code >= 0:
        return f"exit code {exit_code}"
    try:
        return f"killed by {signal.Signals(-exit_code).name}"
    except ValueError:
        return f"killed by signal {-exit_code}"
