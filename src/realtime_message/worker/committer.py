"""Which entries of a partition are done and not yet acknowledged."""

from __future__ import annotations

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

    @property
    def has_finished(self) -> bool:
        """Whether there is something to acknowledge."""
        return bool(self._finished)

    def finish(self, entry_id: str) -> None:
        """Note that an entry is done."""
        self._finished.append(entry_id)
        if len(self._finished) == 1:
            self._on_first()

    def take(self) -> list[str]:
        """Return the entries to acknowledge now; whoever takes them repeats until it worked."""
        taken, self._finished = self._finished, []
        return taken

    def forget(self) -> None:
        """Drop everything: the lease is lost, and its next holder gets the messages again."""
        self._finished = []
