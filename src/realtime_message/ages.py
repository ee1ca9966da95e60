"""Ages and times as an operator writes and reads them: `90s`, `15m`, `2h`, `7d`."""

from __future__ import annotations

import re
import time

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_AGE = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)([smhd])")


def parse_age(text: str) -> float:
    """Return the seconds of an age.

    Raises:
        ValueError: it is no age.
    """
    found = _AGE.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text}: expected an age such as 90s, 15m, 2h or 7d")
    return float(found[1]) * _UNITS[found[2]]


def shown_time(at: float) -> str:
    """Return a point in time, in seconds since 1970, as this machine's clock would show it."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))


def shown_seconds(seconds: float | None) -> str | None:
    """Return a length of time for people: `850 ms`, `12 s`, `3 h 20 m`; None stays None."""
    if seconds is None:
        return None
    if seconds < 1:
        return f"{round(seconds * 1000)} ms"
    whole = round(seconds)
    if whole < 60:  # noqa: PLR2004 - seconds of a minute
        return f"{whole} s"
    days, rest = divmod(whole, 86400)
    hours, rest = divmod(rest, 3600)
    minutes, left = divmod(rest, 60)
    parts = [(days, "d"), (hours, "h"), (minutes, "m"), (left, "s")]
    first = next(n for n, (count, _) in enumerate(parts) if count)
    return " ".join(f"{count} {unit}" for count, unit in parts[first : first + 2] if count)
