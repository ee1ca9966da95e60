"""Which node of a cluster has which slot: learned from any node, and again when it has changed."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from realtime_message.errors import StreamsError, StreamsUnavailableError
from realtime_message.redis_url import Address
from realtime_message.streams.command_keys import slot_of
from realtime_message.streams.server_errors import LoginRefusedError, WrongTargetError
from realtime_message.streams.wire import pair_up

SLOT_COUNT = 16_384

#: No cluster is asked more often than this.
MIN_AGE_SECONDS = 0.05

_NAMELESS = b"?"

#: Sends a command to a node, on a connection of any kind, and returns its reply.
AskNode = Callable[[Address, Sequence[str]], Awaitable[Any]]


class ClusterMap:
    """The slots' owners, as last heard.

    Args:
        seeds: nodes to ask first.
        ask: how to ask one; it raises, or returns, a StreamsError.
        where: the cluster, for texts.

    Attributes:
        masters: the nodes that have slots, in the order of their first slot.
    """

    def __init__(self, seeds: Sequence[Address], ask: AskNode, where: str) -> None:
        self._seeds = tuple(seeds)
        self._ask = ask
        self._where = where
        self._owners: list[Address | None] = [None] * SLOT_COUNT
        self._nodes: tuple[Address, ...] = ()
        self._silent: set[Address] = set()
        self._refreshing = asyncio.Lock()
        self._refreshed_at = float("-inf")
        self._is_stale = True
        self.masters: tuple[Address, ...] = ()

    def mark_stale(self) -> None:
        """Ask again before the next answer: a node was lost, or was not the right one."""
        self._is_stale = True

    def learn(self, slot: int, owner: Address) -> None:
        """Take one slot's owner from a redirect; the rest is asked for soon."""
        if owner.host.encode() != _NAMELESS:
            self._owners[slot] = owner
        self._is_stale = True

    def known_owner(self, key: str | bytes) -> Address | None:
        """Return the node that has a key's slot as far as is known, without asking."""
        return self._owners[slot_of(key)]

    async def owner(self, key: str | bytes) -> Address:
        """Return the node that has a key's slot.

        Raises:
            StreamsUnavailableError: no node answers, or none has the slot.
            StreamsRefusedError: the nodes that answer refuse, or are no cluster.
        """
        await self.refresh_if_stale()
        owner = self._owners[slot_of(key)]
        if owner is None:
            self._is_stale = True
            raise StreamsUnavailableError(
                f"Redis at {self._where}: no node of the cluster has slot {slot_of(key)}"
            )
        return owner

    async def refresh_if_stale(self) -> None:
        """Ask for the map if it may have changed since it was last heard. Raises as `owner`."""
        if not self._is_stale:
            return
        async with self._refreshing:  # whoever waited here takes what the other one heard
            loop = asyncio.get_running_loop()
            if self._is_stale and loop.time() - self._refreshed_at >= MIN_AGE_SECONDS:
                await self._refresh()
                self._refreshed_at = loop.time()

    async def _refresh(self) -> None:
        """Ask one node after the other until one answers.

        In random order, so that a node which lives in the past is not asked each time; those that
        were silent last.
        """
        known = random.sample(self._nodes, len(self._nodes))
        asked = dict.fromkeys((*known, *(seed for seed in self._seeds if seed not in known)))
        reason: StreamsError | None = None
        for node in sorted(asked, key=self._silent.__contains__):
            try:
                reply = await self._ask(node, ("CLUSTER", "SLOTS"))
            except StreamsError as error:
                reply = error
            if reply == []:
                # It has lost its memory, or was never in: what the others know still holds.
                reply = StreamsUnavailableError(
                    f"Redis at {self._where}: no node of the cluster has any slot, as {node} says"
                )
            if not isinstance(reply, StreamsError):
                self._silent.discard(node)
                self._take(node, reply)
                return
            self._silent.add(node)
            if "cluster support disabled" in str(reply):
                reply = WrongTargetError(
                    f"Redis at {self._where} is no cluster ({node} says so): use redis:// or "
                    "rediss:// for one server"
                )
            # What a user has to change says more than that some node is down.
            if reason is None or isinstance(reply, LoginRefusedError | WrongTargetError):
                reason = reply
        assert reason is not None  # noqa: S101 - there is at least one seed
        raise reason

    def _take(self, asked: Address, rows: list[Any]) -> None:
        owners: list[Address | None] = [None] * SLOT_COUNT
        nodes: dict[Address, None] = {}
        masters: dict[Address, None] = {}
        for first, last, *addresses in rows:
            found = [_address(asked, *address) for address in addresses]
            nodes.update(dict.fromkeys(node for node in found if node is not None))
            master = found[0]
            if master is not None:
                masters[master] = None
                owners[first : last + 1] = [master] * (last + 1 - first)
        self._owners = owners
        self._nodes = tuple(nodes)
        self._silent &= set(nodes) | set(self._seeds)
        self.masters = tuple(masters)
        self._is_stale = False


def _address(
    asked: Address,
    host: bytes | None,
    port: int,
    _id: bytes,
    beside: Sequence[bytes] = (),
    *_: Any,
) -> Address | None:
    """Return where a node listens; None if that is not told.

    No host means the asked node's own. A question mark stands for a host name that the node was not
    given; its IP address stands beside (Redis: CLUSTER SLOTS).
    """
    if host == _NAMELESS:
        host = pair_up(beside).get(b"ip", _NAMELESS)
        if host == _NAMELESS:
            return None
    return Address(host.decode() if host else asked.host, port)
