"""Every public exception.

RealtimeMessageError
├── StartupError                  a process cannot start; exit code 3
│   ├── ConfigurationError        a setting is missing or wrong
│   ├── AppError                  the user's module does not import, or holds no usable App
│   ├── LayoutMismatchError       Redis holds streams of another partition count or hash
│   ├── UnsupportedServerError    the Redis server lacks a command or a right that is needed
│   └── PortInUseError            another program listens on the port
├── StreamsError                  Redis did not do what was asked
│   ├── StreamsUnavailableError   unreachable, loading, failing over, too slow: try again
│   ├── StreamsRefusedError       Redis answered with an error (read-only, no right)
│   │   └── StreamsFullError      Redis has no room for more
│   ├── ResizeRefusedError        the partition count cannot be changed, or not now
│   └── LeaseLostError            another worker holds the partition now
├── MalformedEntryError           a stream entry is not one of ours
├── ServerApiError                Centrifugo's server API refused, or did not answer
└── StuckHandlerError             a handler does not end; only a new process is free of it

ControlSignal                     what handlers and hooks raise to say what happens next
├── Retry                         handler: try this message again later
├── Reject                        handler: this message can never succeed; dead letter
├── Skip                          handler: done with this message, nothing to do
├── Refuse                        hook: answer the client with an error
└── Disconnect                    hook: close the client's connection
"""

from __future__ import annotations

from math import isfinite

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_COULD_NOT_START = 3
EXIT_INTERRUPTED = 130


class RealtimeMessageError(Exception):
    """Base of every error of this package. Its text says what was wrong, where, and what to do."""

    exit_code = EXIT_FAILED


class StartupError(RealtimeMessageError):
    """A process cannot start. Restarting it without a change will not help."""

    exit_code = EXIT_COULD_NOT_START


class ConfigurationError(StartupError):
    """A setting is missing or wrong; the text names it, where it came from and what fits."""


class AppError(StartupError):
    """The user's module does not import, or the attribute it names is no usable App."""


class LayoutMismatchError(StartupError):
    """Redis holds streams that were made with another partition count or hash."""


class UnsupportedServerError(StartupError):
    """The Redis server lacks a command, a version or an access right that this package needs."""


class PortInUseError(StartupError):
    """Another program listens on the port."""


class StreamsError(RealtimeMessageError):
    """Redis did not do what was asked."""


class StreamsUnavailableError(StreamsError):
    """Redis is unreachable, loading, failing over or too slow: the same call may succeed later."""


class StreamsRefusedError(StreamsError):
    """Redis answered with an error: out of memory, read-only, not enough replicas, no right."""


class StreamsFullError(StreamsRefusedError):
    """Redis has no room for more: its memory limit is reached."""


class ResizeRefusedError(StreamsError):
    """The partition count cannot be changed to what was asked for, or not now."""


class LeaseLostError(StreamsError):
    """Another worker holds the partition now, so nothing was read or acknowledged."""

    def __init__(self, partition: int, epoch: int) -> None:
        super().__init__(
            f"partition {partition}: the lease of epoch {epoch} is lost; another worker holds it"
        )
        self.partition = partition
        self.epoch = epoch


class MalformedEntryError(RealtimeMessageError):
    """A stream entry is not one of ours: no payload field, broken JSON, or missing fields."""


class ServerApiError(RealtimeMessageError):
    """Centrifugo's server API refused a call, or did not answer."""


class StuckHandlerError(RealtimeMessageError):
    """A handler does not end although its partition was lost; only a new process is free of it."""


class ControlSignal(Exception):  # noqa: N818 - it says what happens next, it is not a failure
    """What handlers and hooks raise to say what happens next."""


class Retry(ControlSignal):
    """Handler: try this message again later; its channel waits.

    Args:
        after_seconds: how long to wait; None takes the next step of the back-off.
        reason: kept with the dead letter if the attempts run out.

    Raises:
        TypeError: the time is no number, or the reason no text.
        ValueError: the time is infinite or no number at all.
    """

    def __init__(
        self, after_seconds: float | None = None, reason: str = "asked for a retry"
    ) -> None:
        if after_seconds is not None and not isinstance(after_seconds, int | float):
            raise TypeError(
                f"Retry: after_seconds must be a number, not {type(after_seconds).__name__}; "
                "a text is given as reason=…, a timedelta by its total_seconds()"
            )
        if after_seconds is not None and not isfinite(after_seconds):
            raise ValueError(f"Retry: after_seconds must be finite, not {after_seconds}")
        super().__init__(_text("Retry", reason))
        self.after_seconds = after_seconds
        self.reason = reason


class Reject(ControlSignal):
    """Handler: this message can never succeed. It becomes a dead letter at once.

    Args:
        reason: kept with the dead letter.

    Raises:
        TypeError: the reason is no text.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(_text("Reject", reason))
        self.reason = reason


class Skip(ControlSignal):
    """Handler: nothing to do for this message; it is acknowledged and counted as skipped."""


class Refuse(ControlSignal):
    """Hook: answer the client with an error.

    Args:
        code: 400 to 1999, Centrifugo's range for custom errors.
        message: shown to the client.
        temporary: whether the client may try again.

    Raises:
        ValueError: the code is outside the range.
    """

    def __init__(self, code: int, message: str, *, temporary: bool = False) -> None:
        if not 400 <= code <= 1999:  # noqa: PLR2004 - the range stands in the message
            raise ValueError(
                f"Refuse: error code {code} is outside Centrifugo's custom range 400-1999"
            )
        super().__init__(message)
        self.code = code
        self.message = message
        self.temporary = temporary


class Disconnect(ControlSignal):
    """Hook: close the client's connection.

    Args:
        code: 4000-4499 (the client reconnects) or 4500-4999 (it does not): Centrifugo's custom
            disconnect ranges.
        reason: at most 32 ASCII characters, Centrifugo's own limit.

    Raises:
        ValueError: the code or the reason does not fit.
    """

    def __init__(self, code: int, reason: str) -> None:
        if not 4000 <= code <= 4999:  # noqa: PLR2004 - the range stands in the message
            raise ValueError(
                f"Disconnect: code {code} is outside Centrifugo's custom range 4000-4999"
            )
        if len(reason) > 32 or not reason.isascii():  # noqa: PLR2004 - as above
            raise ValueError("Disconnect: the reason must be ASCII and at most 32 characters long")
        super().__init__(reason)
        self.code = code
        self.reason = reason


def _text(signal: str, reason: object) -> str:
    """Return a signal's reason, which is kept with the message: it must be text."""
    if not isinstance(reason, str):
        raise TypeError(
            f"{signal}: the reason must be text, not {type(reason).__name__}; give its str(…)"
        )
    return reason
