"""The calls of a partition's owner, refused once another one has taken its lease."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from realtime_message.streams.contracts import Lease
from realtime_message.testing.memory.line import Line
from realtime_message.testing.memory.state import MemoryServer

T = TypeVar("T")


class FencedLine:
    """Carries the calls that are made under one lease.

    Args:
        server: does the steps.
        line: carries them.
        lease: under which they are done.
    """

    def __init__(self, server: MemoryServer, line: Line, lease: Lease) -> None:
        self._server = server
        self._line = line
        self._lease = lease

    async def call(self, name: str, step: Callable[[], T]) -> T:
        """Have a step done if the lease is still the partition's.

        Raises:
            LeaseLostError: it is not.
        """

        def fenced_step() -> T:
            with self._server.lock:
                self._server.partitions[self._lease.partition].check(self._lease)
                return step()

        return await self._line.call(name, self._lease.partition, fenced_step)
