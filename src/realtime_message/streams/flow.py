"""How fast each partition fills and empties, and how long its oldest message has waited."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import msgspec

from realtime_message.errors import StreamsError, StreamsRefusedError
from realtime_message.streams.entry_waiter import id_parts
from realtime_message.streams.keys import Keys
from realtime_message.streams.layout import Layout
from realtime_message.streams.session import Session
from realtime_message.streams.wire import pair_up


class FlowView(msgspec.Struct, frozen=True, kw_only=True):
    """What moves in a partition.

    Attributes:
        partition: its number.
        oldest_seconds: how long the oldest message that is not handled has been there; None if
            there is none.
        appended_per_second: entries that came; None if it was not measured, or cannot be told.
        handled_per_second: entries that the workers were done with; None likewise.
    """

    partition: int
    oldest_seconds: float | None
    appended_per_second: float | None
    handled_per_second: float | None


@dataclass(frozen=True, slots=True)
class FlowCount:
    """What a partition's counters say at one moment.

    Attributes:
        at: when, by the server's clock.
        added: entries ever appended.
        read: entries ever read by the workers' group; None where the server cannot tell.
        pending: read, not acknowledged.
        length: entries in the stream.
        last_read: the id up to which the group has read.
        oldest_pending: the id of the first pending entry; None if there is none.
    """

    at: float
    added: int
    read: int | None
    pending: int
    length: int
    last_read: str
    oldest_pending: str | None


class FlowMeter:
    """Measures the partitions of one prefix. Read-only.

    Args:
        session: where the commands go.
        keys: the key names.
        layout: tells how many partitions there are.
    """

    def __init__(self, session: Session, keys: Keys, layout: Layout) -> None:
        self._session = session
        self._keys = keys
        self._layout = layout

    async def measure(self, seconds: float) -> list[FlowView]:
        """Look, wait, and look again; 0 seconds look once and measure no rate.

        Raises:
            StreamsError: the server did not answer, or refused.
        """
        first = await self.counts()
        last = first
        if seconds > 0:
            await asyncio.sleep(seconds)
            last = await self.counts()
        return [
            await self._view(partition, before, after)
            for partition, (before, after) in enumerate(zip(first, last, strict=True))
        ]

    async def counts(self) -> list[FlowCount | None]:
        """Return each partition's counters, in one round trip.

        None stands for a stream or group that is not there.
        """
        keys, count = self._keys, self._layout.view.covered_count
        time, *replies = await self._session.call(
            ("TIME",),
            *[
                command
                for partition in range(count)
                for command in (
                    # Before the stream itself: what comes in between is then not missing in it.
                    ("XINFO", "GROUPS", keys.stream(partition)),
                    ("XPENDING", keys.stream(partition), keys.group(partition)),
                    ("XINFO", "STREAM", keys.stream(partition)),
                )
            ],
        )
        return [
            _count(keys.group(partition), [time, *replies[partition * 3 : partition * 3 + 3]])
            for partition in range(count)
        ]

    async def _view(
        self, partition: int, before: FlowCount | None, after: FlowCount | None
    ) -> FlowView:
        appended = handled = oldest = None
        if before and after:
            passed = after.at - before.at
            if passed > 0:
                appended = max(0, after.added - before.added) / passed
                if before.read is not None and after.read is not None:
                    done = after.read - after.pending - (before.read - before.pending)
                    handled = max(0, done) / passed
            oldest = await self._oldest_seconds(partition, after)
        return FlowView(
            partition=partition,
            oldest_seconds=oldest,
            appended_per_second=appended,
            handled_per_second=handled,
        )

    async def _oldest_seconds(self, partition: int, count: FlowCount) -> float | None:
        oldest = count.oldest_pending
        if oldest is None:
            stream = self._keys.stream(partition)
            rows = await self._session.run("XRANGE", stream, f"({count.last_read}", "+", "COUNT", 1)
            if not rows:
                return None
            oldest = rows[0][0].decode()
        return max(0.0, count.at - id_parts(oldest)[0] / 1000)


def _count(group_name: str, replies: list[Any]) -> FlowCount | None:
    for reply in replies:
        if isinstance(reply, StreamsRefusedError):
            if "no such key" in str(reply) or "NOGROUP" in str(reply):
                return None
            raise reply
        if isinstance(reply, StreamsError):
            raise reply
    time, groups, pending, stream = replies
    fields = pair_up(stream)
    group = next((g for g in map(pair_up, groups) if g[b"name"] == group_name.encode()), None)
    if group is None:
        return None
    # `entries-read` is not told before the group's first read; the lag then is.
    lag = group.get(b"lag")
    return FlowCount(
        at=int(time[0]) + int(time[1]) / 1_000_000,
        added=fields[b"entries-added"],
        read=group.get(b"entries-read") if lag is None else fields[b"entries-added"] - lag,
        pending=group[b"pending"],
        length=fields[b"length"],
        last_read=group[b"last-delivered-id"].decode(),
        oldest_pending=pending[1].decode() if pending[1] else None,
    )
