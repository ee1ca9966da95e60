"""What each message is stamped with: an id and a time."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime

_BATCH = 256

# A random byte → the same with the bits that mark a UUID's version (4) and variant (RFC 9562).
_VERSION = bytes(byte & 0x0F | 0x40 for byte in range(256))
_VARIANT = bytes(byte & 0x3F | 0x80 for byte in range(256))


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
    random = bytearray(os.urandom(16 * count))
    random[6::16] = random[6::16].translate(_VERSION)
    random[8::16] = random[8::16].translate(_VARIANT)
    h = random.hex()
    return [
        f"{h[i : i + 8]}-{h[i + 8 : i + 12]}-{h[i + 12 : i + 16]}-{h[i + 16 : i + 20]}"
        f"-{h[i + 20 : i + 32]}"
        for i in range(0, 32 * count, 32)
    ]


class Clock:
    """The time as ISO 8601 in UTC with milliseconds, made once a millisecond."""

    def __init__(self) -> None:
        self._now_ms = -1
        self._text = ""

    def now(self) -> str:
        """Return the current time, such as `2026-01-31T12:00:00.123Z`."""
        now_ms = time.time_ns() // 1_000_000
        if now_ms != self._now_ms:
            self._now_ms = now_ms
            seconds, millisecond = divmod(now_ms, 1000)
            text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
            self._text = f"{text}.{millisecond:03d}Z"
        return self._text
