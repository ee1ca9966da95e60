"""What waits to be appended to one stream of a cluster, in order.

A stream's appends are in flight at one node at a time, and go to another one only when none is:
that keeps their order when the slot moves.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from realtime_message.errors import StreamsUnavailableError
from realtime_message.redis_url import Address
from realtime_message.streams.append_outcome import tell
from realtime_message.streams.contracts import OnAppended
from realtime_message.streams.pipeline import MAX_QUEUED_BYTES, MAX_QUEUED_ENTRIES
from realtime_message.streams.wire import Command

if TYPE_CHECKING:
    from realtime_message.streams.node_link import NodeLink

#: An append: packed; who is told; for a script its arguments after the hash; the deadline by the
#: event loop's clock. A plain tuple: one is made for each message.
Waiting = tuple[bytes, OnAppended, Command | None, float]


class Crowd:
    """How much waits for an outcome, in all queues together.

    Args:
        on_busy: called when something waits again after nothing did.
    """

    def __init__(self, on_busy: Callable[[], None]) -> None:
        self._on_busy = on_busy
        self.entries = 0
        self.size_bytes = 0
        self.emptied = asyncio.Event()

    @property
    def is_full(self) -> bool:
        """Whether no more may come."""
        return self.entries >= MAX_QUEUED_ENTRIES or self.size_bytes >= MAX_QUEUED_BYTES

    def enter(self, command: bytes) -> None:
        """Count one more."""
        if not self.entries:
            self.emptied.clear()
            self._on_busy()
        self.entries += 1
        self.size_bytes += len(command)

    def leave(self, command: bytes) -> None:
        """Count one less: its outcome is about to be told."""
        self.entries -= 1
        self.size_bytes -= len(command)
        if not self.entries:
            self.emptied.set()


class StreamQueue:
    """See the module.

    Args:
        stream: the stream's key.
        crowd: where what waits is counted.
        timeout_seconds: within which an append has its outcome.

    Attributes:
        entries: what waits and is not in flight.
        link: the node's connection that takes from here; None while that is being found out.
        is_ready: whether that connection knows that something waits.
        asks: where this slot is on its way to, if what waits must go there next, with ASKING.
        bounces: how often in a row a node has not done what it was sent.
        refusal: why appends fail at once; None while they are taken.
    """

    def __init__(self, stream: str, crowd: Crowd, timeout_seconds: float) -> None:
        self.stream = stream
        self._crowd = crowd
        self._timeout_seconds = timeout_seconds
        self._loop = asyncio.get_running_loop()
        self.entries: deque[Waiting] = deque()
        self.link: NodeLink | None = None
        self.is_ready = False
        self.asks: Address | None = None
        self.bounces = 0
        self.refusal: str | None = None

    def enqueue(
        self, command: bytes, on_appended: OnAppended, script_call: Command | None = None
    ) -> None:
        """Append after all that were enqueued before. See Pipeline.enqueue."""
        refusal = self.refusal
        if refusal is None and self._crowd.is_full:
            refusal = "too many appends wait for Redis"
        if refusal is not None:
            error = StreamsUnavailableError(f"not appended: {refusal}")
            self._loop.call_soon(on_appended, error)
            return
        self._crowd.enter(command)
        deadline_at = self._loop.time() + self._timeout_seconds
        self.entries.append((command, on_appended, script_call, deadline_at))
        if self.link is not None and not self.is_ready:
            self.link.add_ready(self)

    def put_back(self, entries: Iterable[Waiting]) -> None:
        """Let what a node has not done wait before all the others."""
        self.entries.extendleft(reversed(tuple(entries)))

    def leave_link(self) -> None:
        """Be nobody's for now."""
        if self.link is not None:
            self.link.remove_ready(self)
            self.link = None

    def fail_waiting(self, error: StreamsUnavailableError, until: float = float("inf")) -> None:
        """Fail what waits and whose deadline is not after a time."""
        while self.entries and self.entries[0][3] <= until:
            command, on_appended, _, _ = self.entries.popleft()
            self._crowd.leave(command)
            tell(on_appended, error)
