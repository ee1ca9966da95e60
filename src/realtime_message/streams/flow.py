"""How fast each partition fills and empties, and how long its oldest message has waited."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
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
        return await self.views(first, last)

    async def views(
        self, before: Sequence[FlowCount | None], after: Sequence[FlowCount | None]
    ) -> list[FlowView]:
        """Return what moved between two looks, and how long the oldest message has waited.

        Asks for the first unread entry of those partitions that have one and nothing pending, in
        one round trip.

        Args:
            before: the counters of the earlier look; without those of a partition no rate of it.
            after: the counters of the later look.

        Raises:
            StreamsError: the server did not answer, or refused.
        """
        oldest = await self._oldest_ids(after)
        views = []
        for partition, now in enumerate(after):
            then = before[partition] if partition < len(before) else None
            appended, handled = _rates(then, now)
            first = oldest.get(partition)
            waited = max(0.0, now.at - id_parts(first)[0] / 1000) if now and first else None
            views.append(
                FlowView(
                    partition=partition,
                    oldest_seconds=waited,
                    appended_per_second=appended,
                    handled_per_second=handled,
                )
            )
        return views

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

    async def _oldest_ids(self, counts: Sequence[FlowCount | None]) -> dict[int, str]:
        """Return the id of each partition's oldest entry that is not handled, if there is one."""
        present = [(partition, count) for partition, count in enumerate(counts) if count]
        oldest = {p: count.oldest_pending for p, count in present if count.oldest_pending}
        unread = [
            (partition, count)
            for partition, count in present
            if partition not in oldest and count.read != count.added
        ]
        replies = await self._session.run_all(
            *[
                ("XRANGE", self._keys.stream(p), f"({count.last_read}", "+", "COUNT", 1)
                for p, count in unread
            ]
        )
        found = zip(unread, replies, strict=True)
        return oldest | {p: rows[0][0].decode() for (p, _), rows in found if rows}


def _rates(before: FlowCount | None, after: FlowCount | None) -> tuple[float | None, float | None]:
    """Return entries that came and that were handled per second, where it can be told."""
    passed = after.at - before.at if before and after else 0.0
    if before is None or after is None or passed <= 0:
        return None, None
    appended = max(0, after.added - before.added) / passed
    if before.read is None or after.read is None:
        return appended, None
    done = after.read - after.pending - (before.read - before.pending)
    return appended, max(0, done) / passed


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
