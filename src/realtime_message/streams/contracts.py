"""What the streams promise, in prose and types. Two pipelines meet here and nowhere else.

The rules, each of which a test tries to break:

Append. An append is confirmed only after the server took the entry and it is as durable as asked:
in memory, in its replicas' memory, or on its disk. One message id of a client (scope: user and
channel) is appended once within the window; every later append of it is confirmed with what the
first one stored, once that is as durable. The check and the append are one step. A partition in
which too much waits for the workers takes no more.

Layout. Partition count and hash are stored at the first start. A process with other ones must not
start, unless the count is one from before a resize: then it follows the stored one.

Resize. The count changes while everything runs (steps: resize.py; types: resize_contracts.py).
Every stream is sealed for a moment behind a *marker*, an entry that tells the next generation of
the layout. What stands before the markers was appended under the old count; what comes behind
them, under the new one, is handed out only after all before the markers of the old partitions is
handled: so a channel keeps its order though its partition changes. A marker of a resize that was
given up means nothing. An append that meets a sealed stream is not confirmed; it is appended by
the new count, in order, or fails.

Lease. A worker may take the lease of a partition that nobody holds, whose lease ran out by the
server's clock, or that it holds itself. Each take makes the partition's epoch greater than any
before, also after the server lost data; nothing else changes it. Renewing moves the expiry and
leaves the epoch. Releasing needs holder and epoch; a released lease cannot be renewed.

Fence. Reading, acknowledging, recording an attempt and burying a dead letter happen only while the
partition's epoch is still the worker's own, checked in the same atomic step. A lease that ran out
and that nobody took is still safe: the epoch is unchanged.

Order. After an acquire, entries that the former owner had read but not acknowledged are delivered
first, in the stream's order, then unread ones.

Time. Only the server's clock counts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec

from realtime_message.settings import ChannelDurability
from realtime_message.streams.resize_contracts import Routed


class Appended(msgspec.Struct, frozen=True, gc=False):
    """A confirmed append.

    Attributes:
        entry_id: the id of the entry in its stream.
        stored_reply: for a resend, what the first append kept beside the entry; else None.
    """

    entry_id: str
    stored_reply: bytes | None = None

    @property
    def is_duplicate(self) -> bool:
        """Whether the message was there already."""
        return self.stored_reply is not None


class Dedup(msgspec.Struct, frozen=True, gc=False):
    """How to recognise a resend.

    Attributes:
        key: identifies user, channel and the client's message id; any text.
        reply: kept beside the entry and handed to whoever resends.
        window_ms: how long it is kept.
    """

    key: str
    reply: bytes
    window_ms: int


#: Called once for each append with its outcome; runs inside the connection's read, so it must be
#: short and must not raise.
OnAppended = Callable[[Appended | Exception], None]


class EntryAppender(Routed, Protocol):
    """Appends entries; those that arrive while a write is under way form the next batch."""

    def submit(
        self,
        partition: int,
        payload: bytes,
        on_appended: OnAppended,
        dedup: Dedup | None = None,
        durability: ChannelDurability = "default",
    ) -> None:
        """Append without a coroutine. The outcome is an Appended, or a StreamsError."""
        ...

    async def append(
        self,
        partition: int,
        payload: bytes,
        dedup: Dedup | None = None,
        durability: ChannelDurability = "default",
    ) -> Appended:
        """Append and wait.

        Raises:
            StreamsUnavailableError: not confirmed within the command time-out, or not as durable
                as asked; the entry may or may not be there.
            StreamsFullError: the partition's backlog or the server is full; nothing was stored.
            StreamsRefusedError: the server refused; the entry is not there.
        """
        ...


class Entry(msgspec.Struct, frozen=True, gc=False):
    """A message as read from a stream, not yet decoded.

    Attributes:
        id: the entry id, `<ms>-<n>`.
        payload: the `payload` field; None when the entry has none.
        attempts: how many attempts were recorded for it before (see record_attempt).
        aside_of: for an entry that was set aside, the id that it had in the partition's stream.
        generation: of a marker, which it tells; 0 for a message.
    """

    id: str
    payload: bytes | None
    attempts: int = 0
    aside_of: str = ""
    generation: int = 0

    @property
    def first_id(self) -> str:
        """The id that the message got when it was appended."""
        return self.aside_of or self.id


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to process one partition.

    Attributes:
        partition: the partition's number.
        holder: the member that holds it.
        epoch: grows with each acquire; the fence.
        is_handed_over: whether the last holder released it, or there was none: then no handler was
            at work on what it left pending. Otherwise one of those messages may have ended it.
    """

    partition: int
    holder: str
    epoch: int
    is_handed_over: bool = False


class StreamTrimmer(Protocol):
    """Removes handled entries; what any consumer group has not read and acknowledged stays."""

    async def trim(self, partition: int, retention_seconds: float, max_length: int = 0) -> int:
        """Remove handled entries that are older, or beyond `max_length` if it is not 0; how many.

        By age whole blocks of entries are removed, so some handled ones stay longer.
        """
        ...


class LeaseStore(Protocol):
    """Takes and gives back leases."""

    async def acquire(self, partition: int, holder: str, duration_seconds: float) -> Lease | None:
        """Take the lease, or return None while another member holds it."""
        ...

    async def release(self, lease: Lease) -> bool:
        """Give the lease back; False if it was no longer ours."""
        ...


class LeaseRenewer(Protocol):
    """Renews leases. Synchronous: it runs in a thread of its own, beside a blocked event loop."""

    def renew(self, leases: Sequence[Lease], duration_seconds: float) -> Sequence[bool | None]:
        """Move the expiry of each lease; False for those that are lost, None for unknown.

        A lease that ran out and that nobody took is renewed.

        Raises:
            StreamsUnavailableError: the server did not answer; nothing is known.
        """
        ...

    def close(self) -> None:
        """Close the connection."""
        ...


class PartitionReader(Protocol):
    """The fenced reader of one partition under one lease."""

    async def claim_pending(self, count: int) -> list[Entry]:
        """Take over up to `count` entries that a former owner left unacknowledged.

        Each call continues where the last one ended; an empty list means that all are taken.

        Raises:
            LeaseLostError: the epoch has moved.
        """
        ...

    async def cycle(self, acknowledged: Sequence[str], count: int) -> list[Entry]:
        """Acknowledge entries and read up to `count` new ones, in one fenced step.

        Entries that an earlier call read but could not return, because its reply was lost, are
        returned first; those that are in hand are never returned again.

        Raises:
            LeaseLostError: the epoch has moved; nothing was read that the next owner does not get.
            StreamsUnavailableError: no answer; the same acknowledgements may be sent again.
        """
        ...

    async def reread(self, entry_ids: Sequence[str]) -> list[Entry]:
        """Return entries that were returned before, without `attempts`; deleted ones are left out.

        This changes nothing and is not fenced.
        """
        ...

    async def wait_for_entries(self, timeout_seconds: float) -> bool:
        """Block on a connection of its own until there are unread entries; False on time-out.

        It may be cancelled at no cost. After False, call `cycle` all the same: it is what finds out
        that the lease or the stream is gone.
        """
        ...

    async def record_attempt(self, entry_id: str, attempts: int) -> None:
        """Keep the number of attempts with the pending entry, so that a crash does not forget it.

        Raises:
            LeaseLostError: the epoch has moved.
        """
        ...

    async def bury(self, entry: Entry, *, reason: str, error: str, attempts: int) -> None:
        """Move an entry to the dead letters and acknowledge it, in one fenced step.

        Safe to repeat: an entry that is no longer pending is not buried again.

        Raises:
            LeaseLostError: the epoch has moved.
        """
        ...

    async def set_aside(self, channel: str, entry: Entry) -> None:
        """Move an entry to those of a parked channel, as `bury` moves one to the dead letters."""
        ...

    def forget(self, entry_id: str) -> None:
        """Note that an entry was acknowledged by another way than this reader's."""
        ...

    async def close(self) -> None:
        """Close both connections."""
        ...
