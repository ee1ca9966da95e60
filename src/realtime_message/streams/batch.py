"""Entries that go out in one write, and how many may gather."""

from __future__ import annotations

import asyncio

from realtime_message.streams.contracts import OnAppended
from realtime_message.streams.wire import Command

MAX_BATCH_BYTES = 4 * 1024 * 1024


class Batch:
    """Packed appends, and who is told about each.

    Args:
        deadline_at: when all of them must have their outcome, by the event loop's clock.
        timer: fires at that time.
        max_entries: how many it takes.
    """

    __slots__ = ("commands", "deadline_at", "max_entries", "size_bytes", "timer", "waiting")

    def __init__(self, deadline_at: float, timer: asyncio.TimerHandle, max_entries: int) -> None:
        self.deadline_at = deadline_at
        self.timer = timer
        self.max_entries = max_entries
        self.commands: list[bytes] = []
        self.size_bytes = 0
        #: Who is told, and for a script what to send again if the server does not know it.
        self.waiting: list[tuple[OnAppended, Command | None]] = []

    def add(self, command: bytes, on_appended: OnAppended, script_call: Command | None) -> bool:
        """Put one more append into the batch, and return whether there is room for another."""
        self.commands.append(command)
        self.waiting.append((on_appended, script_call))
        self.size_bytes += len(command)
        return len(self.waiting) < self.max_entries and self.size_bytes < MAX_BATCH_BYTES

    def take_commands(self) -> bytes:
        """Return what to write; the batch keeps only who waits."""
        data = b"".join(self.commands)
        self.commands.clear()
        return data
