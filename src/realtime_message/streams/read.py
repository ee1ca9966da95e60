"""The fenced reader of one partition: what a worker reads, acknowledges, retries and buries."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any

from realtime_message.errors import StreamsError, StreamsFullError, StreamsRefusedError
from realtime_message.streams.connection import Connector
from realtime_message.streams.contracts import Entry, Lease
from realtime_message.streams.entry_waiter import EntryWaiter, id_parts, is_after
from realtime_message.streams.fence import Fence
from realtime_message.streams.fenced_script import run_fenced
from realtime_message.streams.incidents import Incident, OnIncident, report
from realtime_message.streams.keys import Keys
from realtime_message.streams.parked import channel_digest
from realtime_message.streams.server_errors import GroupMissingError
from realtime_message.streams.session import Session
from realtime_message.streams.stored_entry import ReadEntries, entry_of
from realtime_message.streams.wire import Command, pair_up

BEGINNING = "0-0"


class RedisPartitionReader:
    """Reads one partition under one lease. See contracts.PartitionReader.

    Two positions are kept. Up to `_claimed_to` the pending entries of former owners were taken
    over. Up to `_read_to` new entries were returned; pending ones beyond it can only be those that
    a lost reply carried, for nobody else may read while the epoch is ours.

    A consumer group that is lost is made again from what is known here: up to the first position
    while former owners' entries are being taken over, then up to the second one.

    Args:
        connector: opens the connection of the fence and the one that blocks.
        session: where the scripts go.
        keys: the key names.
        lease: under which is read.
        consumer: the name in the consumer group.
        timeout_seconds: how long a command may take.
        on_incident: told what was healed.
        read_entries: makes entries of what is read.
    """

    def __init__(
        self,
        connector: Connector,
        session: Session,
        keys: Keys,
        lease: Lease,
        consumer: str,
        *,
        timeout_seconds: float,
        on_incident: OnIncident,
        read_entries: ReadEntries,
    ) -> None:
        self._session = session
        self._lease = lease
        self._consumer = consumer
        self._on_incident = on_incident
        self._read_entries = read_entries
        self._stream = keys.stream(lease.partition)
        self._group = keys.group(lease.partition)
        self._epoch_key = keys.epoch(lease.partition)
        self._keys = keys
        self._fence = Fence(connector, self._epoch_key, lease, timeout_seconds)
        self._waiter = EntryWaiter(connector, self._stream, timeout_seconds)
        self._claimed_to = BEGINNING
        self._read_to: str | None = None
        #: Whether former owners may have left more; only the group would know what.
        self._is_taking_over = True
        #: Whether a read was sent whose reply did not come.
        self._has_lost_reply = False
        #: Whether acknowledgements were sent whose reply did not come.
        self._has_unsure_acks = False
        self._was_woken = False
        # While a lost group is made again, nobody may read: both move where we stand.
        self._turn = asyncio.Lock()
        #: Returned, not yet acknowledged: what a lost consumer group must be given again.
        self._unacknowledged: set[str] = set()

    async def claim_pending(self, count: int) -> list[Entry]:
        """Take over entries of former owners. See contracts.PartitionReader.claim_pending."""
        async with self._turn:
            await self._find_position()
            entries, self._claimed_to = await self._pending(self._claimed_to, count)
            if not entries:
                self._is_taking_over = False
            return self._returned(entries)

    async def cycle(self, acknowledged: Sequence[str], count: int) -> list[Entry]:
        """Acknowledge and read in one fenced step. See contracts.PartitionReader.cycle."""
        async with self._turn:
            return await self._cycle(acknowledged, count)

    async def _cycle(self, acknowledged: Sequence[str], count: int) -> list[Entry]:
        if self._has_lost_reply and count > 0:
            missed = await self._missed(acknowledged, count)
            if missed:
                return self._returned(missed)
            acknowledged = ()
        position = await self._find_position()
        try:
            entries = await self._read(acknowledged, count)
        except GroupMissingError:
            self._unacknowledged.difference_update(acknowledged)
            await self._restore_group()
            return []
        if entries:
            self._read_to = entries[-1].id
            entries = self._without_those_in_hand(entries, position)
        elif self._was_woken and count > 0:
            # By an entry that the group has passed, as when an operator moved it: wait beyond it,
            # or every wait would end at once.
            self._read_to = max(position, await self._last_delivered(), key=id_parts)
        self._was_woken = False
        return self._returned(entries)

    async def reread(self, entry_ids: Sequence[str]) -> list[Entry]:
        """Return entries once more. See contracts.PartitionReader.reread."""
        replies = await self._session.run_all(
            *[("XRANGE", self._stream, entry_id, entry_id) for entry_id in entry_ids]
        )
        return [entry_of(*rows[0]) for rows in replies if rows]

    async def wait_for_entries(self, timeout_seconds: float) -> bool:
        """Block until there are unread entries. See contracts.PartitionReader.wait_for_entries."""
        self._was_woken = await self._waiter.wait(await self._find_position(), timeout_seconds)
        return self._was_woken

    async def record_attempt(self, entry_id: str, attempts: int) -> None:
        """Keep the number of attempts. See contracts.PartitionReader.record_attempt."""
        # Redis counts the first delivery as one, before any attempt.
        await self._settle("entry_retry", [], (self._group, self._consumer, entry_id, attempts + 1))

    async def bury(self, entry: Entry, *, reason: str, error: str, attempts: int) -> None:
        """Move an entry to the dead letters. See contracts.PartitionReader.bury."""
        told = "reason", reason, "error", error, "attempts", attempts, "worker", self._lease.holder
        await self._move(entry, self._keys.dead_letters(self._lease.partition), *told)

    async def set_aside(self, channel: str, entry: Entry) -> None:
        """Move an entry to its parked channel's. See contracts.PartitionReader.set_aside."""
        await self._move(entry, self._keys.aside(self._lease.partition, channel_digest(channel)))

    def forget(self, entry_id: str) -> None:
        """Note that an entry is pending no more. See contracts.PartitionReader.forget."""
        self._unacknowledged.discard(entry_id)

    async def close(self) -> None:
        """Close both connections."""
        self._fence.close()
        await self._waiter.close()

    async def _read(self, acknowledged: Sequence[str], count: int) -> list[Entry]:
        commands: list[Command] = []
        if acknowledged:
            commands.append(("XACK", self._stream, self._group, *acknowledged))
        if count > 0:
            commands.append(
                (
                    *("XREADGROUP", "GROUP", self._group, self._consumer),
                    *("COUNT", count, "STREAMS", self._stream, ">"),
                )
            )
        if not commands:
            return []
        if count > 0:
            self._has_lost_reply, self._is_taking_over = True, False
        were_sent_before = self._has_unsure_acks
        self._has_unsure_acks = self._has_unsure_acks or bool(acknowledged)
        try:
            *_, last = replies = await self._fence.transact(commands)
        except StreamsFullError:
            given: list[str | int] = [self._group, self._consumer, count, *acknowledged]
            replies = await self._run_fenced("entries_read", [], given)
            last = [(self._stream, replies[1])]
        self._has_unsure_acks = False
        for reply in replies:
            if isinstance(reply, StreamsError):
                self._has_lost_reply = False  # it was answered: nothing was delivered
                raise reply
        self._unacknowledged.difference_update(acknowledged)
        if acknowledged and not were_sent_before and replies[0] < len(acknowledged):
            self._report("entries_forgotten", len(acknowledged) - replies[0])
        if count <= 0:
            return []
        self._has_lost_reply = False
        return [] if last is None else self._read_entries(last[0][1])

    async def _missed(self, acknowledged: Sequence[str], count: int) -> list[Entry]:
        """Acknowledge, then return what a read delivered to us without our getting its reply."""
        await self._read(acknowledged, 0)
        assert self._read_to is not None  # noqa: S101 - a read was sent
        entries, self._read_to = await self._pending(self._read_to, count)
        self._has_lost_reply = bool(entries)
        return entries

    async def _pending(self, after: str, count: int) -> tuple[list[Entry], str]:
        """Make pending entries after an id ours; return them and the id up to which was looked.

        An empty list means that there are no more.
        """
        while True:
            arguments = (self._group, self._consumer, after, count)
            try:
                rows = await self._run_fenced("pending_claim", [], arguments)
            except GroupMissingError:
                await self._restore_group()
                return [], after
            if not rows:
                return [], after
            found = [
                entry_of(entry_id, fields, max(0, deliveries - 1))
                for entry_id, deliveries, fields in rows
                if fields is not None
            ]
            if len(found) < len(rows):
                self._report("entries_missing", len(rows) - len(found))
            after = str(rows[-1][0], "ascii")
            if found:
                return found, after

    async def _find_position(self) -> str:
        """Return up to where was read; at first, up to where the group had read before us."""
        if self._read_to is None:
            self._read_to = await self._last_delivered()
        return self._read_to

    async def _last_delivered(self) -> str:
        """Return the id up to which the group has read."""
        try:
            groups = await self._session.run("XINFO", "GROUPS", self._stream)
        except StreamsRefusedError as error:
            if "no such key" not in str(error):
                raise
            return BEGINNING  # the next read restores it
        for flat in groups:
            group = pair_up(flat)
            if group[b"name"] == self._group.encode():
                return str(group[b"last-delivered-id"], "ascii")
        return BEGINNING

    async def _restore_group(self) -> None:
        """Make the consumer group again where it was, with the pending entries that we know of."""
        position = self._claimed_to if self._is_taking_over else self._read_to or BEGINNING
        known = sorted(self._unacknowledged, key=id_parts)
        arguments = (self._group, self._consumer, position, *known)
        start = await self._run_fenced("group_restore", [], arguments)
        self._read_to = str(start, "ascii")
        if self._read_to != position:
            self._unacknowledged.clear()
        self._report("group_restored", len(self._unacknowledged))

    async def _move(self, entry: Entry, target: str, *told: str | int) -> None:
        """Move a pending entry to another stream, with more fields."""
        arguments = (self._group, entry.id, entry.payload or b"", *told)
        await self._settle("entry_move", [target], arguments)
        self.forget(entry.id)

    async def _settle(
        self, name: str, more_keys: Sequence[str], arguments: Sequence[str | bytes | int]
    ) -> None:
        """Run a script on a pending entry, after the group was made again if it is lost."""
        with contextlib.suppress(GroupMissingError):
            await self._run_fenced(name, more_keys, arguments)
            return
        async with self._turn:
            with contextlib.suppress(GroupMissingError):
                await self._run_fenced(name, more_keys, arguments)
                return
            await self._restore_group()
            await self._run_fenced(name, more_keys, arguments)

    async def _run_fenced(
        self, name: str, more_keys: Sequence[str], arguments: Sequence[str | bytes | int]
    ) -> Any:
        """Run a script whose first key is the stream, whose second key and argument the epoch."""
        keys = [self._stream, self._epoch_key, *more_keys]
        return await run_fenced(self._session, self._lease, name, keys, *arguments)

    def _without_those_in_hand(self, entries: list[Entry], position: str) -> list[Entry]:
        """Leave out what was returned before and is not acknowledged.

        The group reads such entries only if it stands further back than it did: the server lost
        its latest writes, or someone moved the group.
        """
        if is_after(entries[0].id, position):
            return entries
        self._report("position_went_back", sum(not is_after(e.id, position) for e in entries))
        return [entry for entry in entries if entry.id not in self._unacknowledged]

    def _returned(self, entries: list[Entry]) -> list[Entry]:
        self._unacknowledged.update([entry.id for entry in entries])
        return entries

    def _report(self, kind: Any, count: int) -> None:
        report(Incident(kind, self._lease.partition, count), self._on_incident)
