"""Where a program's words go: made fit for whatever stdout and stderr are."""

from __future__ import annotations

import io
import os
import sys
from typing import TextIO

_STANDARD = range(3)


class _Watched(io.TextIOWrapper):
    """A stream that remembers why it took no more.

    Attributes:
        failure: why.
        former: the stream in whose place it stands. What was made before, such as an exporter of
            spans, goes on writing there.
    """

    failure: OSError | None = None
    former: TextIO

    def write(self, text: str, /) -> int:
        """Write, as ever."""
        try:
            return super().write(text)
        except OSError as error:
            self.failure = error
            raise

    def flush(self) -> None:
        """Flush, as ever."""
        try:
            super().flush()
        except OSError as error:
            self.failure = error
            raise


def prepare_output() -> None:
    """Let no character and no closed stream fail the program.

    What the encoding of stdout or stderr lacks is written as an escape. What was closed is opened
    as /dev/null: else the next file or socket would get its number, and `print` would write there.
    """
    for descriptor in _STANDARD:
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free
    sys.stdout = _fit(sys.stdout, 1)
    sys.stderr = _fit(sys.stderr, 2)


def settle_stdout() -> None:
    """Write out what waits.

    Raises:
        OSError: stdout took no more, now or before; a reader that went away counts only now.
    """
    sys.stdout.flush()
    failure = stdout_failure()
    if failure is not None and not isinstance(failure, BrokenPipeError):
        raise failure


def stdout_failure() -> OSError | None:
    """Return why stdout took no more; None if all went well."""
    return sys.stdout.failure if isinstance(sys.stdout, _Watched) else None


def give_up_stdout() -> None:
    """Throw away what could not be written: Python would complain again at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fit(stream: TextIO | None, descriptor: int) -> TextIO:
    if stream is None:
        return open(descriptor, "w", closefd=False)
    if type(stream) is not io.TextIOWrapper:
        return stream
    encoding = stream.encoding
    line_buffering, write_through = stream.line_buffering, stream.write_through
    stream.flush()
    watched = _Watched(
        stream.buffer,
        encoding,
        "backslashreplace",
        line_buffering=line_buffering,
        write_through=write_through,
    )
    watched.former = stream
    return watched
