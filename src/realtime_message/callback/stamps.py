"""What each message is stamped with: an id and a time."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime

_BATCH = 256
_VARIANT = "89ab"


class MessageIds:
    """Random UUIDs (version 4) as text.

    Made in batches: one read of the kernel's randomness for many ids costs a third of uuid.uuid4.
    A process that forks must make its own, or two processes would hand out the same ids.
    """

    def __init__(self) -> None:
        self._ready: list[str] = []

    def next(self) -> str:
        """Return an id that was never returned before."""
        if not self._ready:
            self._ready = _uuids(_BATCH)
        return self._ready.pop()


def _uuids(count: int) -> list[str]:
    digits = os.urandom(16 * count).hex()
    return [_uuid(digits[i : i + 32]) for i in range(0, 32 * count, 32)]


def _uuid(h: str) -> str:
    variant = _VARIANT[int(h[16], 16) & 3]
    return f"{h[:8]}-{h[8:12]}-4{h[13:16]}-{variant}{h[17:20]}-{h[20:]}"


class Clock:
    """The time as ISO 8601 in UTC with milliseconds; the part before the fraction is remembered."""

    def __init__(self) -> None:
        self._second = -1
        self._prefix = ""

    def now(self) -> str:
        """Return the current time, such as `2026-01-31T12:00:00.123Z`."""
        now_ms = time.time_ns() // 1_000_000
        second, millisecond = divmod(now_ms, 1000)
        if second != self._second:
            self._second = second
            self._prefix = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S.")
        return f"{self._prefix}{millisecond:03d}Z"
