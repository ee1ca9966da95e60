"""Commands one after the other, on connections that are opened again when they were lost.

One server: one connection. A cluster: one for each node that is needed; the commands of a call go
to the nodes that have their keys, and what a node has not done is sent again to where it says.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from realtime_message.errors import StreamsError, StreamsUnavailableError
from realtime_message.redis_url import Address
from realtime_message.streams.cluster_map import ClusterMap
from realtime_message.streams.command_keys import key_of
from realtime_message.streams.connection import Connector
from realtime_message.streams.scripts import Script
from realtime_message.streams.server_errors import (
    NotDoneError,
    ReadOnlyServerError,
    RedirectError,
    ScriptMissingError,
)
from realtime_message.streams.wire import Command, Wire

RETRY_INITIAL_SECONDS = 0.01
RETRY_MAX_SECONDS = 0.2

#: Where a command goes: a node of a cluster, or None for the one server.
Place = Address | None


class Session:
    """The rare paths share one of these: leases, members, dead letters, inspection.

    Calls may overlap; their commands go out in the order of the calls.

    Args:
        connector: opens the connections, at the first call and after each loss.
        timeout_seconds: how long a call may take once it is connected.
        home_key: commands without a key go to the node of a cluster that has this one.
        retry_seconds: for how long what a node of a cluster has not done is sent again; None: as
            long as a call may take.
    """

    def __init__(
        self,
        connector: Connector,
        timeout_seconds: float,
        home_key: str,
        retry_seconds: float | None = None,
    ) -> None:
        self._connector = connector
        self._timeout_seconds = timeout_seconds
        self._home_key = home_key
        self._retry_seconds = timeout_seconds if retry_seconds is None else retry_seconds
        self._wires: dict[Place, Wire] = {}
        self._connecting: defaultdict[Place, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._is_closed = False

    async def call(self, *commands: Command) -> list[Any]:
        """Send commands, those of one node in one write, and return their replies.

        Error replies are among them; in a cluster also StreamsUnavailableError for those whose node
        did not answer while another one did.

        Raises:
            StreamsUnavailableError: no connection or no answer; whether they were done is unknown.
            StreamsRefusedError: the login was refused.
        """
        if not commands:
            return []  # or a reply would be waited for that nothing brings
        await self._connector.identify()
        cluster = self._connector.cluster
        if cluster is None:
            return await self._send(None, commands)
        return await self._call_cluster(cluster, commands)

    async def run_all(self, *commands: Command) -> list[Any]:
        """Send commands as `call` does and return their replies; the first error is raised."""
        replies = await self.call(*commands)
        for reply in replies:
            if isinstance(reply, StreamsError):
                raise reply
        return replies

    async def run(self, *command: str | bytes | int) -> Any:
        """Send one command and return its reply; an error reply is raised."""
        (reply,) = await self.run_all(command)
        return reply

    async def run_script(
        self, script: Script, keys: Sequence[str], arguments: Sequence[str | bytes | int]
    ) -> Any:
        """Run a script and return its reply.

        Args:
            script: what to run.
            keys: every key that it touches, all in one hash slot.
            arguments: its ARGV.
        """
        rest = (len(keys), *keys, *arguments)
        try:
            return await self.run("EVALSHA", script.sha, *rest)
        except ScriptMissingError:
            # EVAL also keeps the script for the next time.
            return await self.run("EVAL", script.text, *rest)

    async def masters(self) -> list[Place]:
        """Return every server that takes writes: of a cluster its masters, else the one server."""
        await self._connector.identify()
        cluster = self._connector.cluster
        if cluster is None:
            return [None]
        await cluster.refresh_if_stale()
        return list(cluster.masters)

    async def spread(self, keys: Iterable[str]) -> dict[str, int]:
        """Return how many of the keys each of the `masters` has, by what it is called in texts."""
        cluster = self._connector.cluster
        if cluster is not None:
            cluster.mark_stale()  # slots may have moved that nobody has used since
        counts = {self.shown(place): 0 for place in await self.masters()}
        cluster = self._connector.cluster
        for key in keys:
            name = self.shown(cluster.known_owner(key) if cluster else None)
            counts[name] = counts.get(name, 0) + 1
        return counts

    async def call_at(self, place: Place, *commands: Command) -> list[Any]:
        """Send commands to one of the `masters`, whatever their keys are. Raises as `call`."""
        return await self._send(place, commands)

    def shown(self, place: Place) -> str:
        """Return what may stand in a text for one of the `masters`."""
        return self._connector.where if place is None else str(place)

    def close(self) -> None:
        """Close the connections; later calls raise StreamsUnavailableError."""
        self._is_closed = True
        for wire in self._wires.values():
            wire.close()
        self._connector.close()

    async def _call_cluster(self, cluster: ClusterMap, commands: Sequence[Command]) -> list[Any]:
        replies: list[Any] = [None] * len(commands)
        # A transaction goes to one node as a whole: a part of it means something else.
        is_transaction = any(command[0] == "MULTI" for command in commands)
        loop = asyncio.get_running_loop()
        until = loop.time() + self._retry_seconds
        pause_seconds = RETRY_INITIAL_SECONDS
        left: Iterable[int] = range(len(commands))
        while True:
            await self._send_each(cluster, commands, left, replies)
            left = [n for n in left if isinstance(replies[n], NotDoneError)]
            if not left or is_transaction or loop.time() + pause_seconds > until:
                break
            await asyncio.sleep(pause_seconds)
            cluster.mark_stale()
            pause_seconds = min(pause_seconds * 2, RETRY_MAX_SECONDS)
        unanswered = [reply for reply in replies if isinstance(reply, StreamsUnavailableError)]
        if unanswered and len(unanswered) == len(replies):
            raise unanswered[0]
        return replies

    async def _send_each(
        self,
        cluster: ClusterMap,
        commands: Sequence[Command],
        numbers: Iterable[int],
        replies: list[Any],
    ) -> None:
        """Send some of the commands to the nodes that have their keys, and put in the replies."""
        await cluster.refresh_if_stale()
        groups: defaultdict[tuple[Address, bool], list[int]] = defaultdict(list)
        for number in numbers:
            asked = replies[number]
            home = cluster.known_owner(key_of(commands[number]) or self._home_key)
            if home is None:
                cluster.mark_stale()
                replies[number] = NotDoneError(
                    f"Redis at {self._connector.where}: no node of the cluster has the slot"
                )
            elif isinstance(asked, RedirectError) and asked.is_ask:
                groups[asked.address(home), True].append(number)
            else:
                groups[home, False].append(number)
        results = await asyncio.gather(
            *(
                self._send_group(cluster, place, [commands[n] for n in group], is_asking)
                for (place, is_asking), group in groups.items()
            )
        )
        for group, result in zip(groups.values(), results, strict=True):
            for number, reply in zip(group, result, strict=True):
                replies[number] = reply

    async def _send_group(
        self, cluster: ClusterMap, place: Address, commands: Sequence[Command], is_asking: bool
    ) -> list[Any]:
        """Send commands to one node; if it does not answer each reply is the error."""
        try:
            await self._connected(place)
        except StreamsUnavailableError as error:
            # Worth another try only if another node has taken its place.
            cluster.mark_stale()
            await cluster.refresh_if_stale()
            is_gone = place not in cluster.masters
            return [NotDoneError(str(error)) if is_gone else error] * len(commands)
        if is_asking:
            commands = [part for command in commands for part in (("ASKING",), command)]
        try:
            replies = await self._send(place, commands)
        except StreamsUnavailableError as error:
            cluster.mark_stale()
            replies = [error] * len(commands)
        for reply in replies:
            if isinstance(reply, RedirectError):
                self._connector.follow(reply, place)
        return replies[1::2] if is_asking else replies

    async def _send(self, place: Place, commands: Sequence[Command]) -> list[Any]:
        wire = await self._connected(place)
        replies = await wire.call(commands, self._timeout_seconds)
        if any(isinstance(reply, ReadOnlyServerError) for reply in replies):
            wire.drop("leads to a server that is read-only")
        return replies

    async def _connected(self, place: Place) -> Wire:
        if self._is_closed:
            raise StreamsUnavailableError("the streams are closed")
        wire = self._wires.get(place)
        if wire is None or not wire.is_open:
            async with self._connecting[place]:
                wire = self._wires.get(place)
                if wire is None or not wire.is_open:
                    wire = self._wires[place] = await self._open(place)
        return wire

    async def _open(self, place: Place) -> Wire:
        if place is None:
            return await self._connector.connect(self._home_key)
        return await self._connector.connect_to(place)
