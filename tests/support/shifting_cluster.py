"""A cluster in memory whose slots move and whose connections break at random, between any two
commands: what it stores shows whether a client keeps order and appends nothing twice.

(Redis: the cluster specification, sections on MOVED and ASK redirection, and getNodeByQuery.)
"""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import hiredis

from realtime_message.errors import StreamsUnavailableError
from realtime_message.redis_url import Address
from realtime_message.streams.cluster_map import SLOT_COUNT
from realtime_message.streams.command_keys import slot_of
from realtime_message.streams.server_errors import RedirectError, from_reply

NODES = [Address("node", port) for port in (1, 2, 3)]


class ShiftingCluster:
    """See the module.

    Args:
        seed: of everything that happens.
        streams: the keys; no two in one slot.

    Attributes:
        stored: what each stream has, in its order.
        events: how often each thing happened.
    """

    def __init__(self, seed: int, streams: Sequence[str]) -> None:
        self._random = random.Random(seed)
        self._streams = list(streams)
        self._owner = {stream: self._random.choice(NODES) for stream in streams}
        self._target: dict[str, Address] = {}
        self._has_moved: set[str] = set()
        self._is_down = False
        self._is_calm = False
        self._refused: set[Address] = set()
        self._wires: list[NodeWire] = []
        self.stored: dict[str, list[bytes]] = defaultdict(list)
        self.events: dict[str, int] = defaultdict(int)

    async def slots(self, _: Address, command: Sequence[str]) -> list[Any]:
        """Answer CLUSTER SLOTS, at times with what was true before."""
        assert command == ("CLUSTER", "SLOTS")
        await asyncio.sleep(0)
        owners = dict(self._owner)
        if not self._is_calm and self._random.random() < 0.2:
            owners[self._random.choice(self._streams)] = self._random.choice(NODES)
        rows = [
            [slot_of(stream), slot_of(stream), [node.host.encode(), node.port, b"id"]]
            for stream, node in owners.items()
        ]
        return [[0, SLOT_COUNT - 1, [NODES[0].host.encode(), NODES[0].port, b"id"]], *rows]

    async def connect_to(self, address: Address) -> NodeWire:
        """Open a connection, unless the node refuses it now."""
        await asyncio.sleep(self._random.random() * 0.002)
        if address in self._refused:
            raise StreamsUnavailableError("Connect call failed")
        wire = NodeWire(self, address)
        self._wires.append(wire)
        return wire

    def calm_down(self) -> None:
        """Let nothing happen any more."""
        self._is_calm = True
        self._is_down = False
        self._refused.clear()

    def delay_seconds(self) -> float:
        """How long a batch is under way."""
        return self._random.random() * 0.002

    def execute(self, node: Address, command: list[bytes], *, is_asking: bool) -> Any:
        """Do a command, or say why not; before that something may happen."""
        if not self._is_calm and self._random.random() < 0.05:
            self._happen()
        if command[0] != b"XADD":
            return b"OK"
        stream = command[1].decode()
        slot, owner, target = slot_of(stream), self._owner[stream], self._target.get(stream)
        if self._is_down:
            return from_reply("CLUSTERDOWN The cluster is down")
        if node == owner:
            if target is not None and stream in self._has_moved:
                return from_reply(f"ASK {slot} {target}")
        elif not (is_asking and node == target):
            return from_reply(f"MOVED {slot} {owner}")
        if target is not None and self._random.random() < 0.3:  # as for a command of two keys
            return from_reply("TRYAGAIN Multiple keys request during rehashing of slot")
        self.stored[stream].append(command[-1])
        return b"%d-0" % len(self.stored[stream])

    def _happen(self) -> None:
        kind = self._random.choice(["migrate", "migrate", "migrate", "lose", "refuse", "down"])
        self.events[kind] += 1
        if kind == "migrate":
            self._move_on(self._random.choice(self._streams))
        elif kind == "lose" and self._wires:
            wire = self._random.choice(self._wires)
            asyncio.get_running_loop().call_soon(wire.drop, "was lost")
        elif kind == "refuse":
            node = self._random.choice(NODES)
            self._refused.add(node)
            asyncio.get_running_loop().call_later(0.03, self._refused.discard, node)
        elif kind == "down":
            self._is_down = True
            asyncio.get_running_loop().call_later(0.02, setattr, self, "_is_down", False)

    def _move_on(self, stream: str) -> None:
        """Take the next step of moving a stream's slot: begin, move the key, end."""
        if stream not in self._target:
            others = [node for node in NODES if node != self._owner[stream]]
            self._target[stream] = self._random.choice(others)
        elif stream not in self._has_moved:
            self._has_moved.add(stream)
        else:
            self._owner[stream] = self._target.pop(stream)
            self._has_moved.discard(stream)


class NodeWire:
    """A connection to one node, with what the pipeline uses of a Wire."""

    def __init__(self, cluster: ShiftingCluster, address: Address) -> None:
        self._cluster = cluster
        self.address = address
        self.where = f"redis://{address}"
        self.is_open = True
        self.on_lost: Callable[[], None] | None = None
        self._under_way: list[tuple[bytes, int, Any]] = []
        self._loop = asyncio.get_running_loop()

    def send(self, data: bytes, expected: int, on_replies: Any) -> None:
        """Let the node do the commands a little later, in order."""
        if not self.is_open:
            self._loop.call_soon(on_replies, [], StreamsUnavailableError("is closed"))
            return
        self._under_way.append((data, expected, on_replies))
        self._loop.call_later(self._cluster.delay_seconds(), self._deliver)

    async def call(self, commands: Sequence[Any], timeout_seconds: float) -> list[Any]:
        """Answer what prepares a connection."""
        del timeout_seconds
        await asyncio.sleep(0)
        return [b"OK" for _ in commands]

    def drop(self, reason: str) -> None:
        """Lose the connection: what was sent may have been done in part."""
        if not self.is_open:
            return
        self.is_open = False
        under_way, self._under_way = self._under_way, []
        for data, expected, on_replies in under_way:
            replies = self._execute(data, self._loop.time() % 1 < 0.5)
            on_replies(replies[: expected // 2], StreamsUnavailableError(reason))
        if self.on_lost is not None:
            self.on_lost()

    def close(self) -> None:
        """End it for good."""
        self.on_lost = None
        self.drop("was closed")

    def _deliver(self) -> None:
        if self.is_open and self._under_way:
            data, expected, on_replies = self._under_way.pop(0)
            replies = self._execute(data, was_done=True)
            assert len(replies) == expected
            on_replies(replies, None)

    def _execute(self, data: bytes, was_done: bool) -> list[Any]:
        if not was_done:
            return []
        reader = hiredis.Reader()
        reader.feed(data)
        replies, is_asking = [], False
        while (command := reader.gets()) is not False:
            replies.append(self._cluster.execute(self.address, command, is_asking=is_asking))
            is_asking = command[0] == b"ASKING"
        return replies


class ShiftingConnector:
    """What the pipeline uses of a Connector."""

    def __init__(self, cluster: ShiftingCluster) -> None:
        self._cluster = cluster
        self.where = "redis+cluster://node:1"
        self.map: Any = None

    async def connect_to(self, address: Address) -> NodeWire:
        """Open a connection to a node."""
        return await self._cluster.connect_to(address)

    def follow(self, redirect: RedirectError, asked: Address) -> None:
        """Take what a node says, as Connector does."""
        if redirect.is_ask:
            self.map.mark_stale()
        else:
            self.map.learn(redirect.slot, redirect.address(asked))
