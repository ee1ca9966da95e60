"""What an operator sees: partitions, their owners and backlogs, and the workers. Read-only."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from realtime_message.errors import StreamsError, StreamsRefusedError
from realtime_message.streams.keys import Keys
from realtime_message.streams.layout import Layout
from realtime_message.streams.member_contracts import MemberView
from realtime_message.streams.members import member_view
from realtime_message.streams.server_errors import CommandForbiddenError
from realtime_message.streams.session import Session
from realtime_message.streams.wire import information_fields, pair_up


class GroupView(msgspec.Struct, frozen=True, kw_only=True):
    """A consumer group on a partition's stream.

    Attributes:
        name: the group's name.
        consumers: how many it has.
        pending: entries that were read and not acknowledged.
        lag: entries not read yet; None where the server cannot tell.
        last_read: id of the last entry that was read.
    """

    name: str
    consumers: int
    pending: int
    lag: int | None
    last_read: str


class OwnerView(msgspec.Struct, frozen=True, kw_only=True):
    """Who holds a partition's lease.

    Attributes:
        holder: the member.
        epoch: under which.
        acquired_at: since when, in seconds since 1970 by the server's clock.
        remaining_seconds: for how long, unless it is renewed.
    """

    holder: str
    epoch: int
    acquired_at: float
    remaining_seconds: float


class PartitionView(msgspec.Struct, frozen=True, kw_only=True):
    """One partition.

    Attributes:
        partition: its number.
        stream: the key of its stream.
        length: entries in the stream, handled ones among them.
        pending: read by the workers, not acknowledged.
        lag: not read by the workers yet; None where the server cannot tell.
        dead_letters: how many were given up.
        owner: who holds it; None if nobody does.
        groups: all consumer groups, other systems' too.
    """

    partition: int
    stream: str
    length: int
    pending: int
    lag: int | None
    dead_letters: int
    owner: OwnerView | None
    groups: list[GroupView]


class LoadView(msgspec.Struct, frozen=True, kw_only=True):
    """How much waits for the workers.

    Attributes:
        entries: for each partition, entries that the workers' group has not read or not
            acknowledged; None where the server cannot tell.
        memory_share: the share of maxmemory that is in use, as the server counts before it refuses
            writes, of a cluster's fullest master; None without a maxmemory, or without the right to
            see it.
    """

    entries: list[int | None]
    memory_share: float | None


class MemoryView(msgspec.Struct, frozen=True, kw_only=True):
    """The memory of the servers.

    Attributes:
        used_bytes: what all that take writes use together; None without the right to see it.
        share: as in LoadView.
    """

    used_bytes: int | None
    share: float | None


class Inspector:
    """Shows the state of one prefix.

    Args:
        session: where the commands go.
        keys: the key names.
        layout: tells how many partitions there are.
    """

    def __init__(self, session: Session, keys: Keys, layout: Layout) -> None:
        self._session = session
        self._keys = keys
        self._layout = layout

    async def partitions(self) -> list[PartitionView]:
        """Return every partition, in one round trip. Raises StreamsError."""
        keys, count = self._keys, self._layout.view.covered_count
        replies = await self._session.call(
            *[
                command
                for partition in range(count)
                for command in (
                    ("XLEN", keys.stream(partition)),
                    ("XINFO", "GROUPS", keys.stream(partition)),
                    ("HMGET", keys.lease(partition), "holder", "epoch", "acquired_at"),
                    ("PTTL", keys.lease(partition)),
                    ("XLEN", keys.dead_letters(partition)),
                )
            ]
        )
        return [
            self._partition(partition, replies[partition * 5 : partition * 5 + 5])
            for partition in range(count)
        ]

    async def load(self) -> LoadView:
        """Return how much waits for the workers. Raises StreamsError."""
        count = self._layout.view.covered_count
        streams = [self._keys.stream(partition) for partition in range(count)]
        replies = await self._session.call(
            *[command for s in streams for command in (("XLEN", s), ("XINFO", "GROUPS", s))],
        )
        return LoadView(
            entries=[
                self._unhandled(partition, *replies[partition * 2 : partition * 2 + 2])
                for partition in range(count)
            ],
            memory_share=(await self.memory()).share,
        )

    async def spread(self) -> dict[str, int]:
        """Return how many partitions each server has; of a cluster every master, also with none."""
        streams = [
            self._keys.stream(partition) for partition in range(self._layout.view.partition_count)
        ]
        return await self._session.spread(streams)

    async def members(self) -> MemberView:
        """Return the live members and the stored assignment. Raises StreamsError."""
        (seconds, _) = await self._session.run("TIME")
        members, stored = await self._session.call(
            ("ZRANGE", self._keys.members, int(seconds) * 1000, "+inf", "BYSCORE"),
            ("HGETALL", self._keys.assignment),
        )
        return member_view(_value(members), _value(stored))

    async def memory(self) -> MemoryView:
        """Return what the servers use of their memory, one command each. Raises StreamsError."""
        answers = await asyncio.gather(
            *(
                self._session.call_at(place, ("INFO", "memory"))
                for place in await self._session.masters()
            )
        )
        told = [fields for (reply,) in answers if (fields := _memory_fields(reply)) is not None]
        shares = [share for fields in told if (share := _memory_share(fields)) is not None]
        return MemoryView(
            used_bytes=sum(int(fields.get("used_memory", 0)) for fields in told) if told else None,
            share=max(shares, default=None),
        )

    def _partition(self, partition: int, replies: list[Any]) -> PartitionView:
        length, groups, lease, ttl_ms, dead_letters = replies
        shown = _groups(groups)
        workers = self._workers(partition, shown)
        return PartitionView(
            partition=partition,
            stream=self._keys.stream(partition),
            length=_value(length),
            pending=workers.pending if workers else 0,
            lag=workers.lag if workers else _value(length),
            dead_letters=_value(dead_letters),
            owner=_owner(_value(lease), _value(ttl_ms)),
            groups=shown,
        )

    def _unhandled(self, partition: int, length: Any, groups: Any) -> int | None:
        workers = self._workers(partition, _groups(groups))
        if workers is None:
            return int(_value(length))
        return None if workers.lag is None else workers.lag + workers.pending

    def _workers(self, partition: int, groups: list[GroupView]) -> GroupView | None:
        return next((g for g in groups if g.name == self._keys.group(partition)), None)


def _value(reply: Any) -> Any:
    if isinstance(reply, StreamsError):
        raise reply
    return reply


def _groups(reply: Any) -> list[GroupView]:
    # A stream that does not exist yet has no groups; that is no error here.
    if isinstance(reply, StreamsRefusedError) and "no such key" in str(reply):
        return []
    return [_group(flat) for flat in _value(reply)]


def _memory_fields(reply: Any) -> dict[str, str] | None:
    return None if isinstance(reply, CommandForbiddenError) else information_fields(_value(reply))


def _memory_share(fields: dict[str, str]) -> float | None:
    """Return the share of maxmemory that INFO tells.

    What the server does not count (buffers of replicas and of the append-only file) is left out.
    """
    maximum = int(fields.get("maxmemory", 0))
    if not maximum:
        return None
    uncounted = int(fields.get("mem_not_counted_for_evict", 0))
    return max(0, int(fields["used_memory"]) - uncounted) / maximum


def _group(flat: list[Any]) -> GroupView:
    fields = pair_up(flat)
    return GroupView(
        name=fields[b"name"].decode(errors="replace"),
        consumers=fields[b"consumers"],
        pending=fields[b"pending"],
        lag=fields.get(b"lag"),
        last_read=fields[b"last-delivered-id"].decode(),
    )


def _owner(lease: list[bytes | None], ttl_ms: int) -> OwnerView | None:
    holder, epoch, acquired_at = lease
    if holder is None or epoch is None or acquired_at is None:
        return None  # free, or released
    return OwnerView(
        holder=holder.decode(),
        epoch=int(epoch),
        acquired_at=int(acquired_at) / 1000,
        remaining_seconds=max(0, ttl_ms) / 1000,
    )
