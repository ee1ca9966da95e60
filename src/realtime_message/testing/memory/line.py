"""How the calls of one process reach the streams in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from realtime_message.errors import StreamsUnavailableError

T = TypeVar("T")


class Line:
    """Carries calls. A subclass may delay them, lose them, or lose their replies.

    Attributes:
        outage: raised by every call while set: the server is away.
        on_call: called with each call's name and partition (-1 for none) before it is done; may
            raise.
        call_count: how many calls there were.
        delay_seconds: how long each call takes; renewals of leases take none.
    """

    def __init__(self) -> None:
        self.outage: Exception | None = None
        self.call_count = 0
        self.delay_seconds = 0.0
        self.on_call: Callable[[str, int], None] = _ignore

    async def call(self, name: str, partition: int, step: Callable[[], T]) -> T:
        """Have a step done, as if by a server: the caller gives way to others meanwhile."""
        await asyncio.sleep(self.delay_seconds)
        return self.call_now(name, partition, step)

    def call_now(self, name: str, partition: int, step: Callable[[], T]) -> T:
        """Have a step done while the caller's thread waits."""
        self.call_count += 1
        self.on_call(name, partition)
        if self.outage is not None:
            raise self.outage
        return step()

    def go_away(self) -> None:
        """Let every call fail from now on."""
        self.outage = StreamsUnavailableError("the server is away")

    def come_back(self) -> None:
        """Answer again."""
        self.outage = None


def _ignore(_name: str, _partition: int) -> None:
    """Stand for on_call until somebody listens."""
