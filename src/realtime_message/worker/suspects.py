"""Messages that may have ended the workers that handled them: one at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

from realtime_message.worker.delivery import Delivery


class Suspects:
    """Lets suspects begin one after the other, over all partitions of a worker.

    After a crash nobody knows which of the messages in hand was the cause. If all of them began
    side by side again and again, each crash would count as an attempt of every one, and innocent
    messages would become dead letters together with the culprit. So those that were in hand at
    several crashes begin alone, and the next one only when Redis knows the outcome. Messages that
    no crash has touched are not held up.

    Args:
        begin: lets a suspect begin.
    """

    def __init__(self, begin: Callable[[Delivery], None]) -> None:
        self._begin = begin
        self._waiting: deque[Delivery] = deque()
        self._current: Delivery | None = None

    def add(self, delivery: Delivery) -> None:
        """Let a suspect begin when it is its turn."""
        self._waiting.append(delivery)
        self._next()

    def clear(self, delivery: Delivery) -> None:
        """Suspect it no more: Redis knows the outcome of its attempt."""
        if delivery is self._current:
            self._current = None
            self._next()

    def acknowledged(self, entry_ids: Iterable[str], partition: int) -> None:
        """Note which entries of a partition Redis has acknowledged."""
        current = self._current
        if (
            current is not None
            and current.held.number == partition
            and current.entry.id in entry_ids
        ):
            self.clear(current)

    def has_waiting(self, partition: int) -> bool:
        """Whether a suspect of a partition waits for its turn."""
        return any(delivery.held.number == partition for delivery in self._waiting)

    def forget(self, partition: int) -> None:
        """Let none of a partition begin any more: it is drained or lost."""
        self._waiting = deque(d for d in self._waiting if d.held.number != partition)
        if self._current is not None and self._current.held.number == partition:
            self.clear(self._current)

    def _next(self) -> None:
        if self._current is None and self._waiting:
            self._current = self._waiting.popleft()
            self._begin(self._current)
