"""An appender in memory, which can be told to hold its outcomes back or to fail."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import msgspec

from realtime_message.errors import StreamsUnavailableError
from realtime_message.message import Message, decode_message
from realtime_message.settings import ChannelDurability
from realtime_message.streams.contracts import Appended, Dedup, OnAppended
from realtime_message.telemetry.trace_context import TraceContext
from realtime_message.testing.memory.state import MemoryServer


@dataclass
class MemoryAppender:
    """See contracts.EntryAppender. Outcomes come in the next turn of the event loop.

    Attributes:
        server: where entries go; None only keeps them here.
        failure: what every append ends with; None lets them succeed.
        is_holding: whether outcomes wait until `release`.
        partition_count: by which channels are routed; it never changes.
        entries: what was appended: partition and payload, in order.
        durabilities: the levels that were asked for, in order.
        traces: what each entry keeps.
    """

    server: MemoryServer | None = None
    failure: Exception | None = None
    is_holding: bool = False
    partition_count: int = 8
    entries: list[tuple[int, bytes]] = field(default_factory=list)
    durabilities: list[ChannelDurability] = field(default_factory=list)
    traces: list[TraceContext | None] = field(default_factory=list)
    _kept: dict[str, tuple[Appended, float]] = field(default_factory=dict)
    _held: deque[Callable[[], None]] = field(default_factory=deque)

    @property
    def messages(self) -> list[Message]:
        """What was appended, in order."""
        return [decode_message(payload) for _, payload in self.entries]

    def on_partition_count(self, listener: Callable[[int], None]) -> None:
        """Never call it: see contracts.EntryAppender."""

    def submit(
        self,
        partition: int,
        payload: bytes,
        on_appended: OnAppended,
        dedup: Dedup | None = None,
        durability: ChannelDurability = "default",
    ) -> None:
        """Append; see contracts.EntryAppender."""
        self._later(durability, on_appended, partial(self._store, partition, payload, dedup))

    def submit_traced(
        self,
        trace: TraceContext,
        partition: int,
        payload: bytes,
        on_appended: OnAppended,
        *,
        dedup: Dedup | None,
        durability: ChannelDurability,
    ) -> None:
        """Append with a trace; see trace_contracts.TraceAppender."""
        store = partial(self._store, partition, payload, dedup, trace)
        self._later(durability, on_appended, store)

    async def append(
        self,
        partition: int,
        payload: bytes,
        dedup: Dedup | None = None,
        durability: ChannelDurability = "default",
    ) -> Appended:
        """Append and wait; see contracts.EntryAppender."""
        future: asyncio.Future[Appended | Exception] = asyncio.get_running_loop().create_future()
        self.submit(partition, payload, future.set_result, dedup, durability)
        outcome = await future
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def check(self) -> None:
        """Raise what appends end with."""
        if self.failure is not None:
            raise self.failure
        if self.is_holding:
            raise StreamsUnavailableError("outcomes are held back")

    async def hang(self) -> None:
        """Wait for ever; for hooks that never end."""
        await asyncio.Event().wait()

    def release(self, count: int | None = None) -> None:
        """Let outcomes go that were held back: all of them, or the oldest `count`."""
        for _ in range(len(self._held) if count is None else count):
            self._held.popleft()()

    @property
    def held(self) -> int:
        """How many outcomes are held back."""
        return len(self._held)

    def _later(
        self,
        durability: ChannelDurability,
        on_appended: OnAppended,
        store: Callable[[], Appended],
    ) -> None:
        self.durabilities.append(durability)

        def finish() -> None:
            on_appended(self.failure or store())

        if self.is_holding:
            self._held.append(finish)
        else:
            asyncio.get_running_loop().call_soon(finish)

    def _store(
        self,
        partition: int,
        payload: bytes,
        dedup: Dedup | None,
        trace: TraceContext | None = None,
    ) -> Appended:
        now = self.server.clock() if self.server is not None else 0.0
        if dedup is not None and dedup.key in self._kept:
            kept, until = self._kept[dedup.key]
            if now < until:
                return kept
        self.entries.append((partition, payload))
        self.traces.append(trace)
        if self.server is None:
            appended = Appended(f"{len(self.entries)}-0")
        else:
            appended = Appended(self.server.append(partition, payload, trace).id)
        if dedup is not None:
            kept = msgspec.structs.replace(appended, stored_reply=dedup.reply)
            self._kept[dedup.key] = (kept, now + dedup.window_ms / 1000)
        return appended
