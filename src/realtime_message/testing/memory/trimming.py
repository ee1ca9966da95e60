"""Trimming in memory."""

from __future__ import annotations

from realtime_message.testing.memory.line import Line
from realtime_message.testing.memory.state import MemoryServer


class MemoryStreamTrimmer:
    """See contracts.StreamTrimmer."""

    def __init__(self, server: MemoryServer, line: Line) -> None:
        self._server = server
        self._line = line

    async def trim(self, partition: int, retention_seconds: float, max_length: int = 0) -> int:
        """Remove handled entries that are older, or beyond `max_length`; return how many."""

        def step() -> int:
            server = self._server
            before_ms = (server.clock() - retention_seconds) * 1000
            return server.partitions[partition].trim(before_ms, max_length)

        return await self._line.call("trim", partition, step)
