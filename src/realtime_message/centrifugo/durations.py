"""Durations as Centrifugo writes them: `1s`, `300ms`, `1h30m`.

A plain number would be nanoseconds to Centrifugo, which passes its own check and makes every proxy
call fail at once. Such a number is therefore refused here.
"""

from __future__ import annotations

import re
from typing import Any

_SECONDS_PER_UNIT = {
    "ns": 1e-9,
    "us": 1e-6,
    "µs": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
}
_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)")


class Seconds(float):
    """A duration in seconds; a type of its own, so that msgspec hands over its text unparsed."""

    __slots__ = ()


def parse_duration(value: Any) -> Seconds:
    """Return the seconds of a duration in Go's notation.

    Raises:
        ValueError: the value is not such a text; says what to write instead.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        unit = "nanosecond" if value == 1 else "nanoseconds"
        raise ValueError(  # noqa: TRY004 - msgspec adds the path to a ValueError
            f'the number {value} would mean {value} {unit}; write a text such as "{value}s"'
        )
    if not isinstance(value, str):
        raise ValueError(  # noqa: TRY004 - as above
            'a duration is a text such as "1s" or "300ms"'
        )
    text = value.removeprefix("+")
    if text == "0":
        return Seconds(0)
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f'{value!r} is not a duration; write a text such as "1s" or "300ms"')
    # Rounded to nanoseconds, Go's resolution: three times 0.1 s is then 0.3 s.
    return Seconds(round(sum(float(n) * _SECONDS_PER_UNIT[unit] for n, unit in parts), 9))


def format_duration(seconds: float) -> str:
    """Return a duration for a configuration file: `1s`, `300ms`."""
    milliseconds = round(seconds * 1000)
    if milliseconds % 1000:
        return f"{milliseconds}ms"
    return f"{milliseconds // 1000}s"
