"""The loop of one partition: what is read, when, and what is acknowledged with it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from realtime_message.errors import StreamsError
from realtime_message.streams.contracts import Entry
from realtime_message.worker.backoff import backoff_delays, until_answered
from realtime_message.worker.delivery import deliver
from realtime_message.worker.gate import Gate
from realtime_message.worker.held_partition import HeldPartition
from realtime_message.worker.lifecycle import cancel_all

# Entries per read: of 10, 100, 200 and 500 this was the fastest, and it is soon handled.
_READ_COUNT = 100
# How long one blocking wait lasts. An entry ends it at once; this bounds how long a connection that
# died in silence, or a lost lease, goes unnoticed.
_WAIT_SECONDS = 5.0
# How often a partition at a closed gate looks whether it may go on.
_GATE_SECONDS = 0.02
# How often a full partition looks whether slow channels fill it.
_LOOK_SECONDS = 1.0


class Fetcher:
    """Reads one partition into its lanes and acknowledges what is done.

    Entries that a former owner had in hand come first. Then each cycle acknowledges and reads in
    one step. With nothing to acknowledge and nothing unread, it waits without polling.

    Args:
        held: the partition.
        gate: holds back what comes behind the marker of a resize.
        on_entries: called after entries were put into lanes, with their number.
        slow_channels: returns the channels whose handlers have been at work for long.
    """

    def __init__(
        self,
        held: HeldPartition,
        gate: Gate,
        on_entries: Callable[[int], None],
        slow_channels: Callable[[HeldPartition], set[str]],
    ) -> None:
        self._held = held
        self._gate = gate
        self._slow_channels = slow_channels
        self._reader = held.reader
        self._on_entries = on_entries
        self._is_taking_over = True
        self._may_have_unread = True
        #: How many entries may be asked for at once.
        self._limit = _READ_COUNT
        self._has_read_all = asyncio.Event()

    async def run(self) -> None:
        """Read until the partition is drained and everything that was handled is acknowledged.

        Raises:
            LeaseLostError: the partition is another worker's.
            BaseException: a defect that was met, also at the end: nothing is handed over in order.
        """
        held = self._held
        watches = [
            asyncio.create_task(self._watch(), name=f"watch of partition {held.number}"),
            asyncio.create_task(held.parking.watch(), name=f"parking of partition {held.number}"),
        ]
        try:
            await held.parking.load()
            while held.failure is None:
                if held.is_draining and held.is_idle and not held.committer.has_finished:
                    return
                await self._turn()
            raise held.failure
        finally:
            await cancel_all(watches)

    async def _turn(self) -> None:
        held = self._held
        if self._gate.is_closed:
            await self._wait_at_gate()
            return
        count = self._count_to_read()
        if not held.committer.has_finished and not (count and self._may_have_unread):
            # Without room, a handler may become slow with nothing else happening.
            await held.wait_for_progress(None if count else _LOOK_SECONDS)
        elif self._is_taking_over:
            await self._take_over(count)
        else:
            entries = await self._cycle(count)
            self._put_into_lanes(entries, is_fresh=True)
            if count:
                self._may_have_unread = len(entries) == count
            if not self._may_have_unread:
                self._has_read_all.set()

    async def _wait_at_gate(self) -> None:
        """Finish what is in hand, then go on as soon as the gate opens."""
        if self._held.committer.has_finished:
            await self._cycle(0)
            return
        if not self._held.has_work:
            entries = await self._gate.pass_through()
            if not self._gate.is_closed:
                self._put_into_lanes(entries, is_fresh=self._gate.is_fresh)
                return
        await self._held.wait_for_progress(_GATE_SECONDS)

    async def _take_over(self, count: int) -> None:
        if self._held.committer.has_finished:
            await self._cycle(0)
        if count:
            entries = await self._read(self._reader.claim_pending, count, "claim_pending")
            self._put_into_lanes(entries, is_fresh=False)
            self._is_taking_over = bool(entries)

    async def _cycle(self, count: int) -> Sequence[Entry]:
        acknowledged = self._held.committer.take()
        entries = await self._read(
            lambda count: self._reader.cycle(acknowledged, count), count, "cycle"
        )
        self._held.committer.acknowledged()
        self._held.suspects.acknowledged(acknowledged, self._held.number)
        return entries

    async def _read(
        self, read: Callable[[int], Awaitable[Sequence[Entry]]], count: int, call: str
    ) -> Sequence[Entry]:
        """Read until there is an answer: after a failure less than before, then more again.

        The reply may have been too large for the time that it had.
        """

        async def attempt() -> Sequence[Entry]:
            asked = min(count, self._limit)
            if not asked:
                return await read(0)
            self._limit = max(1, asked // 2)
            entries = await read(asked)
            self._limit = min(_READ_COUNT, asked * 2)
            return entries

        return await until_answered(attempt, call=call, partition=self._held.number)

    def _count_to_read(self) -> int:
        """How many entries fit; none while only a few do, since small reads cost the most."""
        lanes = self._held.lanes
        if lanes.room < _READ_COUNT and not lanes.ready:
            # All that is here waits behind something. If that is slow, others may be behind it.
            lanes.make_room(self._held.channels_in_retry() | self._slow_channels(self._held))
        count = min(_READ_COUNT, lanes.room)
        return count if count == _READ_COUNT or count >= lanes.message_count else 0

    def _put_into_lanes(self, entries: Sequence[Entry], *, is_fresh: bool) -> None:
        if not entries:
            return
        held = self._held
        messages = entries
        if any([entry.generation for entry in entries]):  # noqa: C419 - a generator takes longer
            marker = next(place for place, entry in enumerate(entries) if entry.generation)
            messages = entries[:marker]
            self._gate.close(entries[marker:], is_fresh=is_fresh)
        held.lanes.add([deliver(entry, held, is_fresh=is_fresh) for entry in messages])
        self._on_entries(len(entries))

    async def _watch(self) -> None:
        """Wake the loop when entries arrive after it had read all.

        Also when none came in time: a read is what finds out that the lease is gone.
        """
        delays = backoff_delays()
        while True:
            await self._has_read_all.wait()
            try:
                await self._reader.wait_for_entries(_WAIT_SECONDS)
            except StreamsError:
                # The fetcher's own calls say so in the log; this one only tries again later.
                await asyncio.sleep(next(delays))
                continue
            delays = backoff_delays()
            self._has_read_all.clear()
            self._may_have_unread = True
            self._held.wake()
