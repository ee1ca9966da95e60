"""What waits behind a slow channel: only its ids, so that the partition can be read on."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from realtime_message.worker.delivery import Delivery


class Stub(NamedTuple):
    """What is kept of a delivery whose payload was let go; see Delivery for the fields."""

    entry_id: str
    attempt: int
    is_recorded: bool
    is_suspect: bool


class Overflow:
    """The later messages of channels that are slow or wait for a retry.

    The entries stay in the stream, pending, and are read again when their turn comes. An id takes
    about a fiftieth of the memory of a message, so a slow channel holds up the others only after
    very many messages.

    Args:
        max_count: how many ids may be kept; whoever reads must stop then.
    """

    __slots__ = ("_max_count", "_stubs", "count")

    def __init__(self, max_count: int) -> None:
        self._max_count = max_count
        self._stubs: dict[str, deque[Stub]] = {}
        #: How many ids are kept.
        self.count = 0

    def __contains__(self, channel: str) -> bool:
        return channel in self._stubs

    @property
    def is_full(self) -> bool:
        """Whether no more may be put in."""
        return self.count >= self._max_count

    def put(self, delivery: Delivery) -> None:
        """Keep the id of a delivery behind those of its channel."""
        self._stubs.setdefault(delivery.message.channel, deque()).append(_stub(delivery))
        self.count += 1

    def put_first(self, delivery: Delivery) -> None:
        """Keep the id of a delivery before those of its channel."""
        self._stubs.setdefault(delivery.message.channel, deque()).appendleft(_stub(delivery))
        self.count += 1

    def take(self, channel: str, count: int) -> list[Stub]:
        """Return and forget the first `count` of a channel."""
        stubs = self._stubs.get(channel)
        if stubs is None:
            return []
        taken = [stubs.popleft() for _ in range(min(count, len(stubs)))]
        self.count -= len(taken)
        if not stubs:
            del self._stubs[channel]
        return taken

    def clear(self) -> None:
        """Forget everything."""
        self._stubs.clear()
        self.count = 0


def _stub(delivery: Delivery) -> Stub:
    return Stub(delivery.entry.id, delivery.attempt, delivery.is_recorded, delivery.is_suspect)
