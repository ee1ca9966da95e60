"""Appends to a cluster: one connection for each master, and streams that follow their slot.

What a node has not done and says so (MOVED, ASK, TRYAGAIN, CLUSTERDOWN, LOADING) waits, in its
order, and is sent again to where it belongs, until its deadline. Whatever else fails is told at
once: it may be there. While a slot's master is known to be down, appends to its streams fail at
once; those to other masters go on.

(Redis: the cluster specification, sections on MOVED and ASK redirection.)
"""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import Iterable

from realtime_message.errors import StreamsError, StreamsUnavailableError
from realtime_message.redis_url import Address
from realtime_message.streams.cluster_map import ClusterMap
from realtime_message.streams.connection import Connector
from realtime_message.streams.durability import Barrier
from realtime_message.streams.node_link import NodeLink
from realtime_message.streams.pipeline import Enqueue, Introduce
from realtime_message.streams.scripts import Script, make_known
from realtime_message.streams.server_errors import NotDoneError, RedirectError
from realtime_message.streams.stream_queue import Crowd, StreamQueue
from realtime_message.telemetry.logs import get_logger

#: How often deadlines are looked at; so much earlier an append fails at most.
TICK_SECONDS = 0.05
RETRY_INITIAL_SECONDS = 0.01
#: How late a new master is noticed at most.
RETRY_MAX_SECONDS = 0.5
#: After so many doublings a pause has reached its maximum in any case.
_MAX_DOUBLINGS = 10

_log = get_logger("streams.append")


class ClusterPipeline:
    """Sends packed appends to the masters of a cluster and tells their outcomes.

    Args:
        connector: opens the connections; it knows that this is a cluster.
        cluster: its map.
        script: what appends may call; every master gets to know it before its first batch.
        timeout_seconds: within which an append has its outcome.
        barrier: what each batch must reach before it is confirmed; None: nothing.
        introduce: called with each new connection before anything is appended on it.
    """

    def __init__(
        self,
        connector: Connector,
        cluster: ClusterMap,
        script: Script,
        timeout_seconds: float,
        barrier: Barrier | None = None,
        *,
        introduce: Introduce,
    ) -> None:
        self._connector = connector
        self._map = cluster
        self._script = script
        self._timeout_seconds = timeout_seconds
        self._barrier = barrier
        self._introduce = introduce
        self._loop = asyncio.get_running_loop()
        self._crowd = Crowd(self._keep_time)
        self._queues: dict[str, StreamQueue] = {}
        self._links: dict[Address, NodeLink] = {}
        #: Streams of which it is not known where to, or whose node is not connected.
        self._unsettled: dict[StreamQueue, None] = {}
        self._mending: asyncio.Task[None] | None = None
        self._is_closed = False
        self._is_keeping_time = False
        self._tick_seconds = min(TICK_SECONDS, timeout_seconds / 8)

    @property
    def is_connected(self) -> bool:
        """Whether every stream has a node that takes its appends."""
        return not self._unsettled

    async def connect(self, streams: Iterable[str]) -> None:
        """Connect to the masters of streams; lost connections are opened again by themselves.

        Raises:
            StreamsError: one cannot be opened.
        """
        for stream in streams:
            self._queue(stream)
        await self._settle_all()
        for queue in self._unsettled:
            await self.close()
            raise StreamsUnavailableError(queue.refusal or "not connected")

    def enqueuer(self, stream: str) -> Enqueue:
        """Return what takes the appends to a stream."""
        queue = self._queue(stream)
        self._mend()
        return queue.enqueue

    def one_for_each_server(self) -> list[str]:
        """Return streams by which every server is reached that appends go to."""
        first = {self._map.known_owner(stream): stream for stream in reversed(self._queues)}
        return list(first.values())

    def fail_waiting(self, error: StreamsUnavailableError) -> None:
        """Tell an error to all that was not sent yet."""
        for queue in self._queues.values():
            queue.fail_waiting(error)

    async def close(self) -> None:
        """Take no more, wait for what was taken, and close the connections."""
        self._is_closed = True
        for queue in self._queues.values():
            queue.refusal = "the streams are closed"
        while self._crowd.entries:
            await self._crowd.emptied.wait()  # ends: every append has a deadline
        if self._mending is not None:
            self._mending.cancel()
            await asyncio.gather(self._mending, return_exceptions=True)
        for link in self._links.values():
            link.close()

    def _queue(self, stream: str) -> StreamQueue:
        queue = self._queues.get(stream)
        if queue is None:
            queue = StreamQueue(stream, self._crowd, self._timeout_seconds)
            self._queues[stream] = queue
            self._unsettled[queue] = None
        return queue

    def _keep_time(self) -> None:
        """Look at the deadlines while something waits."""
        if not self._is_keeping_time:
            self._is_keeping_time = True
            self._loop.call_later(self._tick_seconds, self._expire)

    def _expire(self) -> None:
        self._is_keeping_time = False
        soon = self._loop.time() + self._tick_seconds
        text = f"no node of the cluster took it within {self._timeout_seconds:g} s"
        for link in tuple(self._links.values()):
            link.expire(soon)
        for queue in tuple(self._queues.values()):
            queue.fail_waiting(StreamsUnavailableError(f"not appended: {text}"), soon)
        if self._crowd.entries:
            self._keep_time()

    def _on_returned(
        self, queue: StreamQueue, address: Address, reply: StreamsUnavailableError | None
    ) -> None:
        """Find the node of a queue again, at once if that is known and has not just failed."""
        queue.leave_link()
        if reply is not None:
            queue.bounces += 1
        if isinstance(reply, RedirectError):
            self._connector.follow(reply, address)
            queue.asks = reply.address(address) if reply.is_ask else None
        elif isinstance(reply, NotDoneError):
            self._map.mark_stale()
        is_known = reply is None or isinstance(reply, RedirectError)
        if not (is_known and queue.bounces <= 1 and self._settle(queue)):
            self._unsettled[queue] = None
            self._mend()

    def _on_lost(self, address: Address) -> None:
        _log.warning("append.connection_lost", redis=str(address))
        link = self._links.pop(address)
        self._map.mark_stale()
        for queue in self._queues.values():
            if queue.link is link:
                queue.leave_link()
                self._unsettled[queue] = None
        self._mend()

    def _settle(self, queue: StreamQueue) -> bool:
        """Give a queue to the connection of its node; False if there is none."""
        address = queue.asks or self._map.known_owner(queue.stream)
        link = self._links.get(address) if address else None
        if link is None or not link.is_open:
            return False
        if queue.asks is not None and not queue.entries:
            queue.asks = None  # what had to go there has run out of time
            return self._settle(queue)
        if not self._is_closed:
            queue.refusal = None
        self._unsettled.pop(queue, None)
        if queue.asks is not None:
            queue.asks = None
            link.send_asking(queue)
        else:
            queue.link = link
            if queue.entries:
                link.add_ready(queue)
        return True

    def _mend(self) -> None:
        """See to it that every queue finds a node."""
        if self._unsettled and not self._is_closed and (not self._mending or self._mending.done()):
            self._mending = self._loop.create_task(self._keep_mending(), name="append.mend")

    async def _keep_mending(self) -> None:
        attempts = 0
        while self._unsettled:
            bounces = max(queue.bounces for queue in self._unsettled)
            doublings = min(attempts + max(0, bounces - 1), _MAX_DOUBLINGS)
            if doublings:
                pause_seconds = min(RETRY_INITIAL_SECONDS * 2**doublings, RETRY_MAX_SECONDS)
                spread = random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, guards nothing
                await asyncio.sleep(pause_seconds * spread)
            await self._settle_all()
            attempts += 1
        self._close_unused()

    async def _settle_all(self) -> None:
        """Ask for the map, connect to what is needed, and settle or refuse each queue."""
        self._map.mark_stale()
        try:
            await self._map.refresh_if_stale()
        except StreamsError as error:
            for queue in tuple(self._unsettled):
                self._refuse(queue, str(error))
            return
        wanted: defaultdict[Address | None, list[StreamQueue]] = defaultdict(list)
        for queue in self._unsettled:
            wanted[queue.asks or self._map.known_owner(queue.stream)].append(queue)
        reasons = await asyncio.gather(*map(self._open, wanted))
        for (address, queues), reason in zip(wanted.items(), reasons, strict=True):
            for queue in queues:
                if queue not in self._unsettled or self._settle(queue):
                    continue
                self._refuse(queue, reason or f"the connection to {address} was lost")

    async def _open(self, address: Address | None) -> str | None:
        """Connect to a node unless that is done; return why it cannot be."""
        if address is None:
            return f"no node of the cluster at {self._connector.where} has its slot"
        if address in self._links:
            return None
        try:
            wire = await self._connector.connect_to(address)
            await make_known(self._script, wire, self._timeout_seconds)
            await self._introduce(wire)
        except StreamsError as error:
            return str(error)
        self._links[address] = NodeLink(
            wire, self._crowd, self._script, self._barrier, self._on_returned
        )
        wire.on_lost = lambda: self._on_lost(address)
        if not wire.is_open:
            del self._links[address]
            return f"Redis at {wire.where}: lost as soon as it was connected"
        _log.info("append.connected", redis=str(address))
        return None

    def _refuse(self, queue: StreamQueue, reason: str) -> None:
        """A node is known to be down: fail what waits for it, and all that comes, at once."""
        queue.asks = None
        if not self._is_closed:
            queue.refusal = reason
        queue.fail_waiting(StreamsUnavailableError(f"not appended: {reason}"))

    def _close_unused(self) -> None:
        used = {queue.link for queue in self._queues.values()}
        for address, link in tuple(self._links.items()):
            if link not in used and link.is_idle:
                del self._links[address]
                link.close()
