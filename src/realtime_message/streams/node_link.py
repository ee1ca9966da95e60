"""The appends of one node of a cluster: a batch in flight, the next one gathers meanwhile."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

from realtime_message.errors import StreamsRefusedError, StreamsUnavailableError
from realtime_message.redis_url import Address
from realtime_message.streams.append_outcome import outcome_of, tell
from realtime_message.streams.batch import MAX_BATCH_BYTES
from realtime_message.streams.contracts import Appended
from realtime_message.streams.durability import Barrier, barrier_timeout_ms
from realtime_message.streams.pipeline import MAX_BARRIER_BATCH_ENTRIES, MAX_BATCH_ENTRIES
from realtime_message.streams.scripts import Script
from realtime_message.streams.server_errors import NotDoneError, ScriptMissingError
from realtime_message.streams.stream_queue import Crowd, StreamQueue, Waiting
from realtime_message.streams.wire import Wire, pack

_ASKING = pack(("ASKING",))

#: Told what the last of a queue's appends that a node has not done was answered with, once the
#: queue has them back; None when all that was sent with ASKING is done.
OnReturned = Callable[[StreamQueue, Address, StreamsUnavailableError | None], None]


class _Shipment:
    """What is in flight together.

    Attributes:
        entries: the appends with the queues that they come from.
        deadline_at: of the oldest.
        is_asking: whether each followed ASKING.
    """

    __slots__ = ("deadline_at", "entries", "is_asking")

    def __init__(self, *, is_asking: bool) -> None:
        self.entries: list[tuple[StreamQueue, Waiting]] = []
        self.deadline_at = float("inf")
        self.is_asking = is_asking


class NodeLink:
    """An open connection to a node, and which queues it takes from.

    Args:
        wire: the connection; the script is known to its server.
        crowd: where what waits is counted.
        script: what is sent with its text when the server has forgotten it.
        barrier: what each batch must reach before it is confirmed; None: nothing.
        on_returned: told of queues that have to find another node.
    """

    def __init__(
        self,
        wire: Wire,
        crowd: Crowd,
        script: Script,
        barrier: Barrier | None,
        on_returned: OnReturned,
    ) -> None:
        self._wire = wire
        self._crowd = crowd
        self._script = script
        self._barrier = barrier
        self._on_returned = on_returned
        self._max_entries = MAX_BARRIER_BATCH_ENTRIES if barrier else MAX_BATCH_ENTRIES
        self._loop = asyncio.get_running_loop()
        self._ready: deque[StreamQueue] = deque()
        self._is_scheduled = False
        self._batch: _Shipment | None = None
        self._asking: list[_Shipment] = []

    @property
    def is_open(self) -> bool:
        """Whether the connection is open."""
        return self._wire.is_open

    @property
    def is_idle(self) -> bool:
        """Whether nothing is in flight."""
        return self._batch is None and not self._asking

    def add_ready(self, queue: StreamQueue) -> None:
        """Take from a queue that has something, with the next batch."""
        queue.is_ready = True
        self._ready.append(queue)
        self._schedule()

    def remove_ready(self, queue: StreamQueue) -> None:
        """Take no more from a queue."""
        if queue.is_ready:
            queue.is_ready = False
            self._ready.remove(queue)

    def send_asking(self, queue: StreamQueue) -> None:
        """Send all that waits in a queue, whose slot is on its way to this node."""
        shipment = _Shipment(is_asking=True)
        commands: list[bytes] = []
        self._load(shipment, queue, commands)
        self._asking.append(shipment)
        self._send(shipment, commands)

    def expire(self, now: float) -> None:
        """Cut the connection if something in flight is over its deadline."""
        shipments = [*self._asking, *([self._batch] if self._batch else [])]
        if any(shipment.deadline_at <= now for shipment in shipments):
            self._wire.drop("gave no answer in time")

    def close(self) -> None:
        """Close the connection."""
        self._wire.close()

    def _schedule(self) -> None:
        if self._batch is None and not self._is_scheduled and self._ready:
            self._is_scheduled = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        """Send the next batch: the queues take turns when they do not fit."""
        self._is_scheduled = False
        if not self._ready or self._batch is not None or not self._wire.is_open:
            return
        shipment = self._batch = _Shipment(is_asking=False)
        commands: list[bytes] = []
        size_bytes = 0
        while self._ready and len(commands) < self._max_entries and size_bytes < MAX_BATCH_BYTES:
            queue = self._ready.popleft()
            size_bytes += self._load(shipment, queue, commands, MAX_BATCH_BYTES - size_bytes)
            queue.is_ready = bool(queue.entries)
            if queue.is_ready:
                self._ready.append(queue)
        self._send(shipment, commands)

    def _load(
        self,
        shipment: _Shipment,
        queue: StreamQueue,
        commands: list[bytes],
        max_bytes: int = MAX_BATCH_BYTES,
    ) -> int:
        """Move from a queue what fits, at least one; return its size in bytes."""
        entries = queue.entries
        if entries:
            shipment.deadline_at = min(shipment.deadline_at, entries[0][3])
        size_bytes = 0
        while entries and len(commands) < self._max_entries and size_bytes < max_bytes:
            entry = entries.popleft()
            shipment.entries.append((queue, entry))
            commands.append(entry[0])
            size_bytes += len(entry[0])
        return size_bytes

    def _send(self, shipment: _Shipment, commands: list[bytes]) -> None:
        expected = len(commands)
        if shipment.is_asking:
            data = _ASKING + _ASKING.join(commands)
            expected *= 2
        else:
            data = b"".join(commands)
        if self._barrier is not None:
            left_seconds = shipment.deadline_at - self._loop.time()
            data += pack(self._barrier.command(barrier_timeout_ms(left_seconds)))
            expected += 1
        self._wire.send(data, expected, partial(self._on_replies, shipment))

    def _on_replies(
        self, shipment: _Shipment, replies: list[Any], error: StreamsUnavailableError | None
    ) -> None:
        if shipment.is_asking:
            self._asking.remove(shipment)
        else:
            self._batch = None
        shortfall = None
        if self._barrier is not None:
            shortfall = error or self._barrier.shortfall(replies.pop())
        if shipment.is_asking:
            replies = replies[1::2]
        replies += [error] * (len(shipment.entries) - len(replies))
        returned = self._tell(shipment, replies, shortfall)
        if shipment.is_asking and not returned:
            self._on_returned(shipment.entries[0][0], self._wire.address, None)
        for queue, rows in returned.items():
            queue.put_back(entry for entry, _ in rows)
            self._return(queue, rows[-1][1])
        self._schedule()

    def _tell(
        self,
        shipment: _Shipment,
        replies: list[Any],
        shortfall: StreamsUnavailableError | None,
    ) -> dict[StreamQueue, list[tuple[Waiting, Any]]]:
        """Tell the outcomes; return what was not done, with the replies."""
        returned: dict[StreamQueue, list[tuple[Waiting, Any]]] = {}
        for (queue, entry), reply in zip(shipment.entries, replies, strict=True):
            command, on_appended, script_call, deadline_at = entry
            if isinstance(reply, NotDoneError):
                returned.setdefault(queue, []).append((entry, reply))
                continue
            if script_call is not None and isinstance(reply, ScriptMissingError):
                text = pack(("EVAL", self._script.text, *script_call))
                again = (text, on_appended, None, deadline_at)
                self._crowd.size_bytes += len(text) - len(command)
                returned.setdefault(queue, []).append((again, reply))
                continue
            outcome = outcome_of(reply)
            if queue in returned and not isinstance(outcome, StreamsRefusedError):
                # A later one of this stream is there, or may be: what was not done before it
                # cannot be done any more without changing the order.
                self._give_up(returned.pop(queue))
            if shortfall is not None and isinstance(outcome, Appended):
                outcome = shortfall
            queue.bounces = 0
            self._crowd.leave(command)
            tell(on_appended, outcome)
        return returned

    def _give_up(self, rows: list[tuple[Waiting, Any]]) -> None:
        for (command, on_appended, _, _), reply in rows:
            self._crowd.leave(command)
            tell(on_appended, StreamsUnavailableError(f"not appended: {reply}"))

    def _return(self, queue: StreamQueue, reply: Any) -> None:
        if isinstance(reply, NotDoneError):
            self._on_returned(queue, self._wire.address, reply)
        elif queue.link is not self:
            self._on_returned(queue, self._wire.address, None)
        elif not queue.is_ready:  # again, with the script's text
            self.add_ready(queue)
