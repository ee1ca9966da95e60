"""Lanes: one message of a channel at a time, in stream order; channels side by side.

Only the first delivery of a lane is ever ready or being handled; when it is finished, the next one
becomes ready. Lanes without a delivery are not kept, so a million channels over time cost nothing,
and neither does an idle one.

Ready deliveries queue up: within a partition channel after channel, between partitions in turns.
Nobody waits longer because another channel or partition has more to do. Nor does a slow lane fill
the room of the others: when it is needed, only the ids of its messages are kept.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence

from realtime_message.worker.delivery import Delivery, Origin
from realtime_message.worker.overflow import Overflow, Stub

# Of a lane with overflow: how many are read again at once, and how few are left then.
_REFILL = 32
_LOW = 16
# How many messages are read while nobody knows how large they are.
_FIRST_READ = 16
# So many ids for each message that may be here.
_OVERFLOW_FACTOR = 100


class Turns:
    """Whose turn it is among the partitions that have something ready."""

    __slots__ = ("_queue",)

    def __init__(self) -> None:
        self._queue: deque[deque[Delivery]] = deque()

    def __bool__(self) -> bool:
        return bool(self._queue)

    def join(self, ready: deque[Delivery]) -> None:
        """Queue up what is ready of a partition that had nothing ready."""
        self._queue.append(ready)

    def take(self) -> Delivery | None:
        """Return the next delivery to handle, or None. Its lane waits until it is finished."""
        queue = self._queue
        while queue:
            ready = queue.popleft()
            if ready:
                delivery = ready.popleft()
                if ready:
                    queue.append(ready)
                return delivery
        return None


class Lanes:
    """The lanes of one partition, bounded in messages and bytes.

    Args:
        turns: where the lanes queue up when they have something ready.
        max_messages: how many messages may be here at once, being handled or waiting.
        max_bytes: how many bytes their payloads may have. The fetcher asks before each read, so
            the last read may go over it. A huge message counts as half of it, so that it holds up
            nobody on its own.

    Attributes:
        ready: the deliveries that may be taken, in the order of their turns.
        on_low: called with a channel of which more is to be read again; `refill` must follow.
    """

    __slots__ = (
        "_bytes",
        "_is_closed",
        "_lanes",
        "_max_bytes",
        "_max_messages",
        "_max_size",
        "_mean_bytes",
        "_messages",
        "_overflow",
        "_refilling",
        "_starved",
        "_turns",
        "on_low",
        "ready",
    )

    def __init__(self, turns: Turns, max_messages: int, max_bytes: int) -> None:
        self._turns = turns
        self._max_messages = max_messages
        self._max_bytes = max_bytes
        self._max_size = max_bytes // 2
        # The channels whose first delivery is ready or taken, each with what waits behind that;
        # None as long as nothing did: most channels have one message at a time.
        self._lanes: dict[str, deque[Delivery] | None] = {}
        self.ready: deque[Delivery] = deque()
        self._messages = 0
        self._bytes = 0
        # As long as nothing is known about the size of messages, few are read.
        self._mean_bytes = max_bytes / _FIRST_READ
        self._is_closed = False
        self._overflow = Overflow(max_messages * _OVERFLOW_FACTOR)
        # The channels of which more is being read again, and those with nothing until then.
        self._refilling: set[str] = set()
        self._starved: set[str] = set()
        self.on_low: Callable[[str], None] = _ignore

    @property
    def message_count(self) -> int:
        """How many messages are here: waiting, being handled, or between two attempts."""
        return self._messages

    @property
    def overflow_count(self) -> int:
        """How many more are known by their ids only."""
        return self._overflow.count

    @property
    def lane_count(self) -> int:
        """How many channels have a message here."""
        return len(self._lanes)

    @property
    def room(self) -> int:
        """How many more messages may be added; none once closed."""
        if self._is_closed or self._bytes >= self._max_bytes or self._overflow.is_full:
            return 0
        if self._messages:
            self._mean_bytes = self._bytes / self._messages
        left = self._max_messages - self._messages
        left_bytes = self._max_bytes - self._bytes
        if left * self._mean_bytes > left_bytes:
            return max(1, int(left_bytes / self._mean_bytes))
        return max(0, left)

    def add(self, deliveries: Sequence[Delivery]) -> None:
        """Put messages at the ends of their channels' lanes; without effect once closed."""
        if self._is_closed:
            return
        if self._overflow.count or self._refilling:
            deliveries = self._without_overflow(deliveries)
        self._count_in(deliveries)
        lanes, ready, was_idle = self._lanes, self.ready, not self.ready
        for delivery in deliveries:
            channel = delivery.message.channel
            if channel in lanes:
                self._behind(channel).append(delivery)
            else:
                lanes[channel] = None
                ready.append(delivery)
        if was_idle and ready:
            self._turns.join(ready)

    def make_ready(self, delivery: Delivery) -> None:
        """Queue up the first delivery of a lane, also again after it waited for a retry."""
        if self._is_closed:
            return
        if not self.ready:
            self._turns.join(self.ready)
        self.ready.append(delivery)

    def finish(self, delivery: Delivery) -> None:
        """Let a delivery that was taken go; the next one of its channel becomes ready."""
        if self._is_closed:
            return
        self._messages -= 1
        self._bytes -= delivery.size
        channel = delivery.message.channel
        waiting = self._lanes[channel]
        if waiting:
            self.make_ready(waiting.popleft())
            if self._overflow.count:
                self._ask_for_more(channel)
        elif (self._refilling or self._overflow.count) and self.has_overflow(channel):
            self._starved.add(channel)
            self._ask_for_more(channel)
        else:
            del self._lanes[channel]

    def drop(self, delivery: Delivery) -> None:
        """Let a delivery go while another one of its channel keeps the lane busy."""
        if not self._is_closed:
            self._messages -= 1
        self._bytes -= delivery.size

    def take_following(self, first: Delivery, count: int) -> list[Delivery]:
        """Take up to `count` deliveries that wait behind one that was taken, for the same batch.

        Only such as may begin without further ado. They are over with `drop`, or `put_back`.
        """
        channel = first.message.channel
        waiting = self._lanes.get(channel)
        if not waiting and not self._overflow.count:
            return []
        taken: list[Delivery] = []
        while waiting and len(taken) < count and _is_plain(waiting[0]):
            taken.append(waiting.popleft())
        if self._overflow.count:
            self._ask_for_more(channel)
        return taken

    def put_back(self, deliveries: Sequence[Delivery]) -> None:
        """Let deliveries of one channel, taken as following, wait again: before all others."""
        if deliveries and not self._is_closed:
            self._behind(deliveries[0].message.channel).extendleft(reversed(deliveries))

    def make_room(self, channels: Iterable[str]) -> None:
        """Keep of these channels' waiting messages only the ids, but for a few."""
        # What is being read again goes behind what waits: meanwhile nothing of that may leave.
        for channel in set(channels) - self._refilling:
            waiting = self._lanes.get(channel)
            while waiting and len(waiting) > _REFILL and _is_kept(waiting[-1]):
                delivery = waiting.pop()
                self.drop(delivery)
                self._overflow.put_first(delivery)

    def insert(self, channel: str, deliveries: Sequence[Delivery]) -> None:
        """Let deliveries wait before all others of a channel whose first one was taken."""
        if not self._is_closed:
            self._count_in(deliveries)
            self._behind(channel).extendleft(reversed(deliveries))

    def has_overflow(self, channel: str) -> bool:
        """Whether some of a channel's messages are known by their ids only."""
        return channel in self._overflow or channel in self._refilling

    def take_overflow(self, channel: str) -> list[Stub]:
        """Return what is to be read again for a channel now; `refill` must follow."""
        return self._overflow.take(channel, _REFILL)

    def refill(self, channel: str, deliveries: Sequence[Delivery]) -> None:
        """Let what was read again wait in its lane, in order, behind what waits there."""
        self._refilling.discard(channel)
        if self._is_closed:
            return
        self._count_in(deliveries)
        waiting = self._behind(channel)
        waiting.extend(deliveries)
        if channel in self._starved and (waiting or channel not in self._overflow):
            self._starved.remove(channel)
            if waiting:
                self.make_ready(waiting.popleft())
            else:  # the entries are gone
                del self._lanes[channel]
        self._ask_for_more(channel)

    def close(self) -> None:
        """Hand out nothing more and forget what waits; what was taken ends without an effect."""
        self._is_closed = True
        self.ready.clear()
        self._lanes.clear()
        self._overflow.clear()
        self._messages = self._bytes = 0

    def _behind(self, channel: str) -> deque[Delivery]:
        """Return what waits behind the first delivery of a channel, to be added to."""
        waiting = self._lanes[channel]
        if waiting is None:
            waiting = self._lanes[channel] = deque()
        return waiting

    def _ask_for_more(self, channel: str) -> None:
        if channel not in self._overflow or channel in self._refilling:
            return
        if len(self._lanes.get(channel) or ()) <= _LOW:
            self._refilling.add(channel)
            self.on_low(channel)

    def _without_overflow(self, deliveries: Iterable[Delivery]) -> list[Delivery]:
        """Keep only the ids of those whose channels have overflow: they must not overtake it."""
        kept = []
        for delivery in deliveries:
            if self.has_overflow(delivery.message.channel):
                self._overflow.put(delivery)
            else:
                kept.append(delivery)
        return kept

    def _count_in(self, deliveries: Sequence[Delivery]) -> None:
        most = self._max_size
        for delivery in deliveries:
            if delivery.size > most:  # noqa: PLR1730 - min() takes longer
                delivery.size = most
        self._messages += len(deliveries)
        self._bytes += sum([delivery.size for delivery in deliveries])


def _is_plain(delivery: Delivery) -> bool:
    """Whether a delivery may begin without further ado."""
    return delivery.is_recorded and delivery.origin is Origin.stream


def _is_kept(delivery: Delivery) -> bool:
    """Whether its id is enough to have it again."""
    return delivery.origin is Origin.stream


def _ignore(_channel: str) -> None:
    """Stand for on_low until there is somebody who reads again."""
