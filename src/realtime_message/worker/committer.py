"""Which entries of a partition are done and not yet acknowledged."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Committer:
    """Collects finished entries until the fetcher's next cycle acknowledges them.

    Entries are acknowledged one by one and not up to a position: a slow channel holds back nothing
    but itself. They go out together with the next read, in one fenced step, at once when the
    partition is idle. No handler waits for this.

    Args:
        on_first: called when there is something to acknowledge after there was nothing.
    """

    def __init__(self, on_first: Callable[[], None]) -> None:
        self._on_first = on_first
        self._finished: list[str] = []
        self._takes = 0
        self._acknowledged_takes = 0
        self._has_acknowledged = asyncio.Event()

    @property
    def has_finished(self) -> bool:
        """Whether there is something to acknowledge."""
        return bool(self._finished)

    def finish(self, entry_id: str) -> None:
        """Note that an entry is done."""
        finished = self._finished
        finished.append(entry_id)
        if len(finished) == 1:
            self._on_first()

    def take(self) -> list[str]:
        """Return the entries to acknowledge now; whoever takes them repeats until it worked."""
        taken, self._finished = self._finished, []
        self._takes += 1
        return taken

    def acknowledged(self) -> None:
        """Note that what was taken last is acknowledged."""
        self._acknowledged_takes = self._takes
        self._has_acknowledged.set()

    async def wait_for_acknowledgement(self) -> None:
        """Wait until everything that is done by now is acknowledged, whatever is done meanwhile."""
        last = self._takes + bool(self._finished)
        while self._acknowledged_takes < last:
            self._has_acknowledged.clear()
            await self._has_acknowledged.wait()

    def forget(self) -> None:
        """Drop everything: the lease is lost, and its next holder gets the messages again."""
        self._finished = []
