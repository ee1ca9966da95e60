"""What the owner of a partition does at a marker, under its lease.

A parked channel whose partition has changed is brought over, with all that was set aside of it, by
the owner of its *new* partition, before that goes on behind its marker. So every write is fenced by
the lease of the partition that it changes; the old partition's owner stands at its own marker and
sets nothing aside any more.
"""

from __future__ import annotations

from collections.abc import Sequence

from realtime_message.partitions import partition_of
from realtime_message.streams.contracts import Lease
from realtime_message.streams.fenced_script import run_fenced
from realtime_message.streams.keys import Keys
from realtime_message.streams.layout_view import LayoutView
from realtime_message.streams.parked import channel_digest
from realtime_message.streams.scripts import load_script
from realtime_message.streams.session import Session

_BRING_COUNT = 100


class _Parked:
    """The keys of a parked channel in a partition."""

    def __init__(self, keys: Keys, partition: int, channel: bytes) -> None:
        digest = channel_digest(channel.decode())
        self.aside = keys.aside(partition, digest)
        self.parked = keys.parked(partition)
        self.notes = keys.parked_notes(partition)
        self.tried = keys.aside_attempts(partition, digest)


class RedisGatekeeper:
    """See resize_contracts.Gatekeeper.

    Args:
        session: where the scripts go.
        keys: the key names.
        lease: under which it is done.
    """

    def __init__(self, session: Session, keys: Keys, lease: Lease) -> None:
        self._session = session
        self._keys = keys
        self._lease = lease
        self._partition = lease.partition
        self._epoch = keys.epoch(lease.partition)

    async def note_drained(self, generation: int) -> None:
        """Note that everything before the marker is done. See Gatekeeper."""
        keys = [self._keys.generations(self._partition), self._epoch]
        await self._run("partition_drain", keys, generation)

    async def bring_parked(self, view: LayoutView) -> None:
        """Bring over the parked channels that belong here now. See Gatekeeper."""
        former = [p for p in view.sources_of(self._partition) if p != self._partition]
        for partition, states in zip(former, await self._states(former), strict=True):
            for channel in states:
                if partition_of(channel.decode(), view.partition_count) == self._partition:
                    await self._bring(channel, partition, view.generation)

    async def open(self, entry_id: str, generation: int) -> None:
        """Let the partition go on behind the marker. See Gatekeeper."""
        partition = self._partition
        keys = [self._keys.stream(partition), self._epoch, self._keys.generations(partition)]
        await self._run("gate_open", keys, self._keys.group(partition), entry_id, generation)

    async def _states(self, partitions: Sequence[int]) -> list[list[bytes]]:
        return await self._session.run_all(
            *[("ZRANGE", self._keys.parked(partition), 0, -1) for partition in partitions]
        )

    async def _bring(self, channel: bytes, source: int, generation: int) -> None:
        """Bring one channel over, again if an operator resumes it meanwhile."""
        left = _Parked(self._keys, source, channel)
        leaving = [left.aside, left.parked, self._keys.generations(source), left.notes, left.tried]
        while (state := await self._session.run("ZSCORE", left.parked, channel)) is not None:
            await self._copy(left, channel, int(state))
            if await self._session.run_script(
                load_script("aside_leave"), leaving, [channel, int(state), generation]
            ):
                return

    async def _copy(self, left: _Parked, channel: bytes, state: int) -> None:
        here = _Parked(self._keys, self._partition, channel)
        keys = [here.aside, self._epoch, here.parked, here.notes, here.tried]
        note = await self._session.run("HGET", left.notes, channel) or b""
        tried = await self._session.run("GET", left.tried) or b""
        start = "-"
        while True:
            rows = await self._session.run("XRANGE", left.aside, start, "+", "COUNT", _BRING_COUNT)
            entries: list[str | bytes | int] = []
            for entry_id, fields in rows:
                entries += [entry_id, len(fields), *fields]
            await self._run("aside_bring", keys, channel, state, note, tried, *entries)
            if len(rows) < _BRING_COUNT:
                return
            start = f"({rows[-1][0].decode()}"

    async def _run(self, name: str, keys: Sequence[str], *arguments: str | bytes | int) -> None:
        await run_fenced(self._session, self._lease, name, keys, *arguments)
