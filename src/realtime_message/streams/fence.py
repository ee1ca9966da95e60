"""The fence: commands that take effect only while the partition's epoch is the worker's own.

By optimistic transaction, because the same check in a script costs the server two to three times
as much per message. The connection keeps the epoch key watched; EXEC answers nil when anyone took
the partition since the last WATCH, and the GET that follows each WATCH proves that the watch began
under our epoch. One transaction and the next watch are one write.

    MULTI · the commands · EXEC · WATCH epoch · GET epoch

(Redis: "Optimistic locking using check-and-set", in the documentation of transactions.)
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, NoReturn

from realtime_message.errors import LeaseLostError, StreamsError, StreamsUnavailableError
from realtime_message.streams.connection import Connector
from realtime_message.streams.contracts import Lease
from realtime_message.streams.server_errors import ReadOnlyServerError, RedirectError
from realtime_message.streams.wire import Command, Wire, pack

_MULTI, _EXEC = pack(("MULTI",)), pack(("EXEC",))


class Fence:
    """A connection of its own for one lease.

    Args:
        connector: opens the connection, at the first transaction and after each loss.
        epoch_key: the partition's epoch.
        lease: under which the transactions are made.
        timeout_seconds: how long a transaction may take once it is connected.
    """

    def __init__(
        self, connector: Connector, epoch_key: str, lease: Lease, timeout_seconds: float
    ) -> None:
        self._connector = connector
        self._epoch_key = epoch_key
        self._lease = lease
        self._timeout_seconds = timeout_seconds
        self._watch = pack(("WATCH", epoch_key)) + pack(("GET", epoch_key))
        self._wire: Wire | None = None
        #: Whether the last GET was ours, and nothing was sent since whose replies are unknown.
        self._is_watching = False
        # A second transaction must not be sent before the first one's GET was looked at.
        self._turn = asyncio.Lock()

    async def transact(self, commands: Sequence[Command]) -> list[Any]:
        """Run commands in one fenced step and return their replies, error replies among them.

        Raises:
            LeaseLostError: the epoch has moved.
            StreamsUnavailableError: no connection or no answer; whether they were done is unknown.
            StreamsRefusedError: the server refused the transaction; nothing was done.
        """
        async with self._turn:
            wire = await self._watching()
            self._is_watching = False
            packed = b"".join([_MULTI, *map(pack, commands), _EXEC, self._watch])
            replies = await wire.exchange(packed, len(commands) + 4, self._timeout_seconds)
            *queued, executed, watched, epoch = replies
            if executed is None:
                self._check(wire, watched, epoch)
                # Nobody has taken the partition: a cluster has moved the key to another node, or
                # here, and the watch went with it.
                raise StreamsUnavailableError(f"Redis at {wire.where}: the partition was moved")
            if isinstance(executed, StreamsError):  # EXECABORT: what was queued says why
                self._refuse(
                    wire, next((r for r in queued if isinstance(r, StreamsError)), executed)
                )
            self._check(wire, watched, epoch)
            result: list[Any] = executed
            return result

    def close(self) -> None:
        """Close the connection."""
        if self._wire is not None:
            self._wire.close()

    async def _watching(self) -> Wire:
        """Return a connection whose watch began under our epoch."""
        if self._wire is None or not self._wire.is_open:
            self._is_watching = False
            self._wire = await self._connector.connect(self._epoch_key)
        if not self._is_watching:
            watched, epoch = await self._wire.exchange(self._watch, 2, self._timeout_seconds)
            self._check(self._wire, watched, epoch)
        return self._wire

    def _check(self, wire: Wire, watched: Any, epoch: Any) -> None:
        for reply in (watched, epoch):
            if isinstance(reply, StreamsError):
                self._refuse(wire, reply)
        if epoch != b"%d" % self._lease.epoch:
            raise self._lost()
        self._is_watching = True

    def _refuse(self, wire: Wire, error: StreamsError) -> NoReturn:
        if isinstance(error, ReadOnlyServerError):
            wire.drop("leads to a server that is read-only")
        if isinstance(error, RedirectError):
            self._connector.follow(error, wire.address)
            wire.drop("leads to another node of the cluster than the one that has the partition")
        raise error

    def _lost(self) -> LeaseLostError:
        return LeaseLostError(self._lease.partition, self._lease.epoch)
