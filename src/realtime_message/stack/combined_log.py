"""One log for all parts: every line with its part's name before it."""

from __future__ import annotations

import re
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from typing import TextIO

_RESET, _DIM, _BOLD = "\x1b[0m", "\x1b[2m", "\x1b[1m"
# Readable on light and dark: blue, green, magenta, cyan, yellow, and their bright ones.
_COLOURS = ("\x1b[34m", "\x1b[32m", "\x1b[35m", "\x1b[36m", "\x1b[33m", "\x1b[94m", "\x1b[92m")

_ANSI = re.compile(r"\x1b\[[0-9;]*m")
# What follows a line's time and a blank stands below them when it is continued.
_CONTINUATION = " " * 13

#: The name under which the supervisor itself speaks.
OWN_NAME = "rtm"


class CombinedLog:
    """Writes lines of parts and of the supervisor.

    Args:
        names: of the parts; they give the width and the colours.
        stream: where to write; stdout by default.
        has_colour: whether to colour the names.
    """

    def __init__(
        self, names: Sequence[str], *, has_colour: bool, stream: TextIO | None = None
    ) -> None:
        #: Called once when nobody reads any more: the pipe's other end or the terminal is gone.
        self.on_reader_gone: Callable[[], None] = lambda: None
        self.is_reader_gone = False
        self._stream: TextIO | None = stream or sys.stdout
        self._has_colour = has_colour
        self._bar = "│" if _takes(self._stream, "│") else "|"
        self._width = max(len(name) for name in (*names, OWN_NAME))
        self._colours = {name: _COLOURS[index % len(_COLOURS)] for index, name in enumerate(names)}

    def line(self, name: str, text: str) -> None:
        """Write one line of a part."""
        label = f"{name.ljust(self._width)} {self._bar}"
        if self._has_colour:
            label = f"{self._colours.get(name, _BOLD)}{label}{_RESET}"
        for piece in self._fit(text.rstrip()):
            self._write(f"{label} {piece}".rstrip())

    def say(self, text: str) -> None:
        """Write what the supervisor itself has to say."""
        moment = f"{time.strftime('%H:%M:%S')}.{time.time_ns() // 1_000_000 % 1000:03d}"
        if self._has_colour:
            moment = f"{_DIM}{moment}{_RESET}"
        for line in text.splitlines():
            self.line(OWN_NAME, f"{moment} {line}")

    def banner(self, rows: Sequence[tuple[str, str]]) -> None:
        """Write rows of a name and a value, set off from the log."""
        width = max(len(name) for name, _ in rows)
        self._write("")
        for name, value in rows:
            label = name.ljust(width)
            shown = f"{_BOLD}{value}{_RESET}" if self._has_colour and name else value
            self._write(f"  {label}  {shown}")
        self._write("")

    def _fit(self, text: str) -> list[str]:
        """Break a line that is wider than the terminal between words, so that labels stay clear."""
        if self._stream is None or not self._stream.isatty():
            return [text]
        return wrap(text, shutil.get_terminal_size().columns - self._width - 3)

    def _write(self, line: str) -> None:
        if self._stream is None:
            return
        try:
            self._stream.write(f"{line}\n")
            self._stream.flush()
        except OSError:
            self._stream = None
            self.is_reader_gone = True
            self.on_reader_gone()


def wrap(text: str, width: int) -> list[str]:
    """Return a text in lines of at most so many visible characters; longer words stay whole."""
    lines: list[str] = []
    current, *words = text.split(" ")
    for word in words:
        if current.strip() and _visible(current) + 1 + _visible(word) > width:
            lines.append(current)
            current = _CONTINUATION + word
        else:
            current = f"{current} {word}"
    return [*lines, current]


def _takes(stream: TextIO | None, text: str) -> bool:
    """Whether a stream's encoding has these characters."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def _visible(text: str) -> int:
    return len(_ANSI.sub("", text))
