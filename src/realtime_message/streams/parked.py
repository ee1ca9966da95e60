"""Parked channels: held back after a message failed for good, their later messages set aside.

A parked channel has a stream of its own beside its partition's. The owner of the partition moves
the channel's entries there, in order, and acknowledges them: neither the partition nor its trimming
waits for the channel. When an operator resumes it, the owner hands out what was set aside, first to
last, and lets the channel go on when nothing is left.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Any

import msgspec

from realtime_message.streams.contracts import Entry, Lease
from realtime_message.streams.fenced_script import run_fenced
from realtime_message.streams.keys import Keys
from realtime_message.streams.layout import Layout
from realtime_message.streams.session import Session
from realtime_message.streams.stored_entry import with_trace
from realtime_message.streams.wire import Command, pair_up

_PARKED, _RESUMING = 1, 2


class ParkedChannel(msgspec.Struct, frozen=True, kw_only=True):
    """A channel that is held back.

    Attributes:
        channel: its name.
        partition: where it lives.
        is_resuming: whether what was set aside is being handled again.
        entry_count: how many entries are set aside.
        parked_at: since when, in seconds since 1970 by the server's clock; None if it was not
            written down.
        reason: why its message was given up; empty if it was not written down.
    """

    channel: str
    partition: int
    is_resuming: bool
    entry_count: int
    parked_at: float | None = None
    reason: str = ""


def channel_digest(channel: str) -> str:
    """Return what stands for a channel in a key; channels' own names may have any length."""
    return blake2b(channel.encode(), digest_size=16).hexdigest()


async def read_states(session: Session, key: str) -> dict[str, bool]:
    """Return the parked channels of a partition, each with whether it is being resumed."""
    return _states(await session.run("ZRANGE", key, 0, -1, "WITHSCORES"))


def _states(flat: Sequence[bytes]) -> dict[str, bool]:
    pairs = zip(flat[::2], flat[1::2], strict=True)
    return {name.decode(): int(score) == _RESUMING for name, score in pairs}


def _channels(
    partition: int,
    states: Mapping[str, bool],
    notes: Sequence[bytes | None],
    counts: Sequence[int],
) -> list[ParkedChannel]:
    shown = []
    for (name, is_resuming), note, count in zip(states.items(), notes, counts, strict=True):
        since_ms, _, reason = (note or b"").decode(errors="replace").partition(" ")
        shown.append(
            ParkedChannel(
                channel=name,
                partition=partition,
                is_resuming=is_resuming,
                entry_count=int(count),
                parked_at=int(since_ms) / 1000 if since_ms else None,
                reason=reason,
            )
        )
    return sorted(shown, key=lambda parked: parked.channel)


class RedisParkedChannels:
    """What an operator sees and does; see the module.

    Args:
        session: where the commands go.
        keys: the key names.
        layout: tells how many partitions there are.
    """

    def __init__(self, session: Session, keys: Keys, layout: Layout) -> None:
        self._session = session
        self._keys = keys
        self._layout = layout

    async def list_all(self, limit: int | None = None) -> list[ParkedChannel]:
        """Return the parked channels of all partitions, in two round trips. Raises StreamsError.

        Args:
            limit: at most so many; None for all.
        """
        partitions = range(self._layout.view.covered_count)
        last = -1 if limit is None else max(limit, 1) - 1
        replies = await self._session.run_all(
            *[("ZRANGE", self._keys.parked(p), 0, last, "WITHSCORES") for p in partitions]
        )
        left = limit
        states: dict[int, dict[str, bool]] = {}
        for partition, flat in zip(partitions, replies, strict=True):
            states[partition] = dict(list(_states(flat).items())[:left])
            left = None if left is None else left - len(states[partition])
        return await self._listed(states)

    async def list_parked(self, partition: int) -> list[ParkedChannel]:
        """Return the parked channels of a partition by name. Raises StreamsError."""
        return await self._listed(
            {partition: await read_states(self._session, self._keys.parked(partition))}
        )

    async def _listed(self, states: dict[int, dict[str, bool]]) -> list[ParkedChannel]:
        """Return parked channels with what is noted of each; partitions keep their order."""
        some = {partition: names for partition, names in states.items() if names}
        replies = iter(
            await self._session.run_all(
                *[
                    command
                    for partition, names in some.items()
                    for command in self._note_commands(partition, names)
                ]
            )
        )
        return [
            channel
            for partition, names in some.items()
            for channel in _channels(
                partition, names, next(replies), [next(replies) for _ in names]
            )
        ]

    def _note_commands(self, partition: int, names: Iterable[str]) -> list[Command]:
        return [
            ("HMGET", self._keys.parked_notes(partition), *names),
            *[("XLEN", self._keys.aside(partition, channel_digest(name))) for name in names],
        ]

    async def resume(self, partition: int, channel: str) -> bool:
        """Ask for a channel to go on; False if it is not parked.

        The owner of the partition sees it within about a second.
        """
        key = self._keys.parked(partition)
        if channel not in await read_states(self._session, key):
            return False
        await self._session.run("ZADD", key, "XX", _RESUMING, channel)
        return True


class RedisChannelParker:
    """What the owner of a partition does with its parked channels, fenced by its lease.

    Every method but `states` and `read` raises LeaseLostError when the epoch has moved.

    Args:
        session: where the scripts go.
        keys: the key names.
        lease: under which it is done.
    """

    def __init__(self, session: Session, keys: Keys, lease: Lease) -> None:
        self._session = session
        self._keys = keys
        self._lease = lease

    async def states(self) -> dict[str, bool]:
        """Return the parked channels, each with whether it is being resumed."""
        return await read_states(self._session, self._parked)

    async def park(self, channel: str, reason: str = "") -> None:
        """Hold a channel back; `reason` says why its message was given up."""
        await self._run("channel_park", [self._parked, self._epoch, self._notes], channel, reason)

    async def unpark(self, channel: str) -> bool:
        """Let a channel go on; False if entries are still set aside."""
        keys = [self._parked, self._epoch, self._aside(channel), self._notes]
        return bool(await self._run("channel_unpark", keys, channel))

    async def read(self, channel: str, count: int) -> list[Entry]:
        """Return the first entries that are set aside, under their ids in the channel's stream."""
        rows, tried = await self._session.run_all(
            ("XRANGE", self._aside(channel), "-", "+", "COUNT", count),
            ("GET", self._attempts(channel)),
        )
        tried_id, _, attempts = (tried or b"").partition(b" ")
        entries = []
        for entry_id, fields in rows:
            named = pair_up(fields)
            entry = Entry(
                str(entry_id, "ascii"),
                named.get(b"payload"),
                int(attempts) if entry_id == tried_id else 0,
                named.get(b"entry_id", b"").decode(),
            )
            entries.append(with_trace(entry, named))
        return entries

    async def record_attempt(self, channel: str, entry_id: str, attempts: int) -> None:
        """Keep the number of attempts of the first entry that is set aside."""
        keys = [self._aside(channel), self._epoch, self._attempts(channel)]
        await self._run("aside_retry", keys, entry_id, attempts)

    async def finish(self, channel: str, entry_id: str) -> None:
        """Remove an entry that was handled, and all before it. Safe to repeat."""
        await self._finish(channel, entry_id, "", "", 0)

    async def bury(
        self, channel: str, entry_id: str, *, reason: str, error: str, attempts: int
    ) -> None:
        """Move an entry to the dead letters. Safe to repeat."""
        await self._finish(channel, entry_id, reason, error, attempts)

    async def _finish(
        self, channel: str, entry_id: str, reason: str, error: str, attempts: int
    ) -> None:
        milliseconds, _, number = entry_id.partition("-")
        next_id = f"{milliseconds}-{int(number) + 1}"
        dead = self._keys.dead_letters(self._lease.partition)
        keys = [self._aside(channel), self._epoch, dead, self._attempts(channel)]
        given = (entry_id, next_id, reason, error, attempts)
        await self._run("aside_finish", keys, *given, self._lease.holder)

    @property
    def _parked(self) -> str:
        return self._keys.parked(self._lease.partition)

    @property
    def _epoch(self) -> str:
        return self._keys.epoch(self._lease.partition)

    @property
    def _notes(self) -> str:
        return self._keys.parked_notes(self._lease.partition)

    def _aside(self, channel: str) -> str:
        return self._keys.aside(self._lease.partition, channel_digest(channel))

    def _attempts(self, channel: str) -> str:
        return self._keys.aside_attempts(self._lease.partition, channel_digest(channel))

    async def _run(self, name: str, keys: Sequence[str], *arguments: str | bytes | int) -> Any:
        return await run_fenced(self._session, self._lease, name, keys, *arguments)
