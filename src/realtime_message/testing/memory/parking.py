"""Parked channels in memory."""

from __future__ import annotations

import msgspec

from realtime_message.streams.contracts import Entry, Lease
from realtime_message.streams.parked import ParkedChannel
from realtime_message.testing.memory.fenced_line import FencedLine
from realtime_message.testing.memory.line import Line
from realtime_message.testing.memory.state import MemoryServer


class MemoryChannelParker:
    """What the owner of a partition does with its parked channels; see streams.parked."""

    def __init__(self, server: MemoryServer, line: Line, lease: Lease) -> None:
        self._server = server
        self._line = line
        self._fenced = FencedLine(server, line, lease)
        self._lease = lease
        self._state = server.partitions[lease.partition]

    async def states(self) -> dict[str, bool]:
        """Return the parked channels, each with whether it is being resumed."""
        return await self._line.call(
            "states", self._lease.partition, lambda: dict(self._state.parked)
        )

    async def park(self, channel: str, reason: str = "") -> None:
        """Hold a channel back; `reason` says why its message was given up."""

        def step() -> None:
            self._state.parked[channel] = False
            self._state.parked_notes[channel] = (self._server.clock(), reason)

        await self._fenced.call("park", step)

    async def unpark(self, channel: str) -> bool:
        """Let a channel go on; False if entries are still set aside."""

        def step() -> bool:
            if self._state.aside.get(channel):
                return False
            self._state.parked.pop(channel, None)
            self._state.parked_notes.pop(channel, None)
            return True

        return await self._fenced.call("unpark", step)

    async def read(self, channel: str, count: int) -> list[Entry]:
        """Return the first entries that are set aside."""
        return await self._line.call(
            "read", self._lease.partition, lambda: self._state.aside.get(channel, [])[:count]
        )

    async def record_attempt(self, channel: str, entry_id: str, attempts: int) -> None:
        """Keep the number of attempts of an entry that is set aside."""

        def step() -> None:
            aside = self._state.aside.get(channel, [])
            for place, entry in enumerate(aside):
                if entry.id == entry_id:
                    aside[place] = msgspec.structs.replace(entry, attempts=attempts)

        await self._fenced.call("record_attempt", step)

    async def finish(self, channel: str, entry_id: str) -> None:
        """Remove an entry that was handled, and all before it. Safe to repeat."""
        await self._fenced.call("finish", lambda: self._take(channel, entry_id))

    async def bury(
        self, channel: str, entry_id: str, *, reason: str, error: str, attempts: int
    ) -> None:
        """Move an entry to the dead letters. Safe to repeat."""

        def step() -> None:
            entry = self._take(channel, entry_id)
            if entry is not None:
                self._server.bury(self._lease, entry, reason, error, attempts)

        await self._fenced.call("bury", step)

    def _take(self, channel: str, entry_id: str) -> Entry | None:
        aside = self._state.aside.get(channel, [])
        for place, entry in enumerate(aside):
            if entry.id == entry_id:
                del aside[: place + 1]
                return entry
        return None


class MemoryParkedChannels:
    """What an operator sees and does; see streams.parked."""

    def __init__(self, server: MemoryServer) -> None:
        self._server = server

    async def list_parked(self, partition: int) -> list[ParkedChannel]:
        """Return the parked channels of a partition by name."""
        state = self._server.partitions[partition]
        return [
            ParkedChannel(
                channel=channel,
                partition=partition,
                is_resuming=is_resuming,
                entry_count=len(state.aside.get(channel, [])),
                parked_at=state.parked_notes[channel][0],
                reason=state.parked_notes[channel][1],
            )
            for channel, is_resuming in sorted(state.parked.items())
        ]

    async def resume(self, partition: int, channel: str) -> bool:
        """Ask for a channel to go on; False if it is not parked."""
        state = self._server.partitions[partition]
        if channel not in state.parked:
            return False
        state.parked[channel] = True
        return True
