"""Leaving a primary that Sentinel has replaced, also one that does not know it yet.

In a failover the old primary goes on taking writes until Sentinel can tell it, and loses them then.
Clients that are connected would notice nothing before.
"""

from __future__ import annotations

import asyncio
import weakref

from realtime_message.streams.sentinel import Sentinels
from realtime_message.streams.wire import Wire
from realtime_message.telemetry.logs import get_logger

#: How often the Sentinels are asked.
EVERY_SECONDS = 1.0

_log = get_logger("streams.sentinel")


class SentinelWatch:
    """Drops connections that lead to a replaced primary; their users look for the new one.

    Args:
        sentinels: who is asked.
    """

    def __init__(self, sentinels: Sentinels) -> None:
        self._sentinels = sentinels
        self._wires: weakref.WeakSet[Wire] = weakref.WeakSet()
        self._watching: asyncio.Task[None] | None = None

    def add(self, wire: Wire) -> None:
        """Watch over a connection to the primary."""
        self._wires.add(wire)
        if self._watching is None:
            self._watching = asyncio.create_task(self._keep_watching(), name="sentinel.watch")

    def stop(self) -> None:
        """Watch no more."""
        if self._watching is not None:
            self._watching.cancel()

    async def _keep_watching(self) -> None:
        while True:
            primary = await self._sentinels.replacement()
            for wire in tuple(self._wires) if primary is not None else ():
                if wire.is_open and wire.address != primary:
                    _log.warning("primary.replaced", redis=str(wire.address), by=str(primary))
                    wire.drop("leads to a primary that Sentinel has replaced")
            await asyncio.sleep(EVERY_SECONDS)
