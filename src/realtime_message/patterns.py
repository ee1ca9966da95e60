"""Channel patterns, and which of several a channel belongs to. Pure.

`*` stands for any run of characters, also none; everything else stands for itself. The pattern
without `*` wins, then the one with more literal characters, then the one declared first.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

T = TypeVar("T")

# Channels come and go by the million; the answers of the busiest ones are worth keeping.
_REMEMBERED_CHANNELS = 10_000


def compile_pattern(pattern: str) -> re.Pattern[str]:
    """Return the regular expression that matches what the pattern stands for.

    Raises:
        ValueError: the pattern is empty.
    """
    if not pattern:
        raise ValueError('a channel pattern cannot be empty; use "*" for every channel')
    return re.compile(".*".join(re.escape(part) for part in pattern.split("*")), re.DOTALL)


class PatternTable(Generic[T]):
    """Values by channel pattern.

    Args:
        pairs: patterns with their values.

    Attributes:
        find: returns the value of the most specific pattern that matches a channel, or None.
    """

    def __init__(self, pairs: Iterable[tuple[str, T]] = ()) -> None:
        self._rows: list[tuple[str, re.Pattern[str], T]] = []
        self._remembered = _Remembered(self._search)
        # On the path of every message: what is remembered costs no call of a Python function.
        self.find: Callable[[str], T | None] = self._remembered.__getitem__
        for pattern, value in pairs:
            self.add(pattern, value)

    def add(self, pattern: str, value: T) -> None:
        """Add a pattern.

        Raises:
            ValueError: the pattern is empty or there already.
        """
        if pattern in self.patterns:
            raise ValueError(f'the channel pattern "{pattern}" is there twice')
        self._rows.append((pattern, compile_pattern(pattern), value))
        self._rows.sort(key=lambda row: ("*" in row[0], -len(row[0].replace("*", ""))))
        self._remembered.clear()

    @property
    def patterns(self) -> list[str]:
        """The patterns, the most specific first."""
        return [row[0] for row in self._rows]

    @property
    def values(self) -> list[T]:
        """The values, that of the most specific pattern first."""
        return [row[2] for row in self._rows]

    def _search(self, channel: str) -> T | None:
        return next((value for _, regex, value in self._rows if regex.fullmatch(channel)), None)


class _Remembered(dict[str, T | None]):
    """The answers of a function for the latest channels."""

    def __init__(self, search: Callable[[str], T | None]) -> None:
        super().__init__()
        self._search = search

    def __missing__(self, channel: str) -> T | None:
        if len(self) >= _REMEMBERED_CHANNELS:
            self.clear()
        found = self[channel] = self._search(channel)
        return found
