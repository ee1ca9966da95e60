"""What follows a failed attempt. Pure: values in, a decision out."""

from __future__ import annotations

import traceback
from dataclasses import dataclass

from realtime_message.errors import Reject, Retry, Skip
from realtime_message.telemetry.worker_metrics import Outcome

# A dead letter keeps the end of the traceback, where the cause stands.
_MAX_ERROR_CHARACTERS = 4000


class HandlerTimeoutError(Exception):
    """A handler ran into its time limit and was cancelled."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What happens to a message after an attempt.

    Attributes:
        outcome: skip, retry or dead_letter.
        delay_seconds: for retry, how long its channel waits.
        reason: for retry and dead_letter, one line for people.
        error: for retry and dead_letter, the traceback's end; empty for a signal of the handler.
    """

    outcome: Outcome
    delay_seconds: float = 0.0
    reason: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how soon a message is tried again.

    Attributes:
        max_attempts: attempts before it becomes a dead letter.
        initial_seconds: the wait before the second attempt; doubled for each further one.
        max_seconds: the longest wait.
    """

    max_attempts: int
    initial_seconds: float
    max_seconds: float

    def decide(self, error: BaseException, attempt: int, jitter: float) -> Decision:
        """Return what follows an attempt whose handler raised something.

        Args:
            error: what the handler raised.
            attempt: the number of the attempt, from 1.
            jitter: a random number from 0 to 1, so that messages that failed together do not all
                come back together.
        """
        if isinstance(error, Skip):
            return Decision(Outcome.skip)
        if isinstance(error, Reject):
            return Decision(Outcome.dead_letter, reason=printable(error.reason))
        reason = printable(error.reason) if isinstance(error, Retry) else _one_line(error)
        text = "" if isinstance(error, Retry) else _traceback(error)
        if attempt >= self.max_attempts:
            reason = f"{reason} (attempt {attempt} of {self.max_attempts})"
            return Decision(Outcome.dead_letter, reason=reason, error=text)
        delay = self._delay(error, attempt, jitter)
        return Decision(Outcome.retry, delay_seconds=delay, reason=reason, error=text)

    def is_exhausted(self, attempts: int) -> bool:
        """Whether a message that was handed out so often gets no further attempt."""
        return attempts >= self.max_attempts

    def is_late(self, attempt: int) -> bool:
        """Whether an attempt is one of the last two, but not the first of several."""
        return attempt >= max(min(2, self.max_attempts), self.max_attempts - 1)

    def _delay(self, error: BaseException, attempt: int, jitter: float) -> float:
        if isinstance(error, Retry) and error.after_seconds is not None:
            return max(0.0, error.after_seconds)
        # The exponent is bounded: 2.0 ** 1024 overflows, and max_attempts has no upper limit.
        step = min(self.max_seconds, self.initial_seconds * 2.0 ** min(attempt - 1, 63))
        return step * (1 + jitter) / 2


def printable(text: str) -> str:
    """Return a text that can be written anywhere: what is no Unicode in it is escaped."""
    return text.encode("utf-8", "backslashreplace").decode()


def _one_line(error: BaseException) -> str:
    name = type(error).__name__
    try:
        text = " ".join(str(error).split())
    except Exception:  # noqa: BLE001 - a user's class may raise anything here
        return name
    return printable(f"{name}: {text}"[:300]) if text else name


def _traceback(error: BaseException) -> str:
    try:
        text = "".join(traceback.format_exception(error))
    except Exception:  # noqa: BLE001 - as above
        return ""
    return printable(text[-_MAX_ERROR_CHARACTERS:])
