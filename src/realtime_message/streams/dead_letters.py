"""Dead letters: messages that were given up, kept with the reason, until replayed or purged."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec

from realtime_message.message import UNDECODABLE
from realtime_message.streams.entry_waiter import id_parts
from realtime_message.streams.keys import Keys
from realtime_message.streams.layout import Layout
from realtime_message.streams.session import Session
from realtime_message.streams.wire import pair_up
from realtime_message.visible_text import many_lines

#: Of an entry that was replayed: the id that the message had when it was given up first.
REPLAY_OF = b"replay_of"

#: So many are read at once where all are wanted.
PAGE_SIZE = 100

_NAME = re.compile(r"(\d{1,4}):(\d{1,20}-\d{1,20})")


class _Named(msgspec.Struct):
    """What a payload must at least say to belong to a channel."""

    id: str = ""
    channel: str = ""


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """A message that was given up.

    Attributes:
        id: its id among the dead letters of its partition.
        partition: where it came from.
        entry_id: the id that it had in the stream.
        payload: its payload; empty if it had none.
        reason: which rule gave it up.
        error: what went wrong at the last attempt.
        attempts: how many there were.
        worker: the member that gave it up; empty if it was not written down.
        buried_at: when, in seconds since 1970 by the server's clock.
        first_entry_id: the id that it had before it was ever replayed.
        fields: all fields of the entry, names and values in turn, without those of the dead letter.
    """

    id: str
    partition: int
    entry_id: str
    payload: bytes
    reason: str
    error: str
    attempts: int
    worker: str
    buried_at: float
    first_entry_id: str
    fields: tuple[bytes, ...]

    @property
    def name(self) -> str:
        """What it is called among all partitions: `PARTITION:ID`."""
        return f"{self.partition}:{self.id}"

    @property
    def first_seen_at(self) -> float:
        """When the message was stored at first, in seconds since 1970 by the server's clock."""
        return id_parts(self.first_entry_id)[0] / 1000

    @property
    def channel(self) -> str | None:
        """The message's channel; None if the payload is no message."""
        return self._named.channel or None

    @property
    def message_id(self) -> str:
        """The message's own id; empty if the payload is no message."""
        return self._named.id

    @property
    def payload_text(self) -> str:
        """The payload to be read: indented if it is JSON, and nothing that steers a terminal."""
        try:
            text = msgspec.json.format(self.payload, indent=2).decode()
        except (msgspec.MsgspecError, UnicodeDecodeError):
            text = self.payload.decode(errors="replace")
        return many_lines(text)

    @property
    def _named(self) -> _Named:
        try:
            return msgspec.json.decode(self.payload, type=_Named)
        except UNDECODABLE:
            return _Named()


def parse_name(name: str) -> tuple[int, str]:
    """Return partition and id of a dead letter's name.

    Raises:
        ValueError: it is no such name.
    """
    found = _NAME.fullmatch(name)
    if found is None:
        raise ValueError(f"{name!r} is no dead letter's id: expected one such as 3:1764000000000-0")
    return int(found[1]), found[2]


class RedisDeadLetters:
    """Reads and removes dead letters.

    Args:
        session: where the commands go.
        keys: the key names.
        layout: tells how many partitions there have ever been.
    """

    def __init__(self, session: Session, keys: Keys, layout: Layout) -> None:
        self._session = session
        self._keys = keys
        self._layout = layout

    @property
    def partitions(self) -> Sequence[int]:
        """The partitions that may have some."""
        return range(self._layout.view.ever_count)

    async def list_page(self, partition: int, count: int, after: str = "0-0") -> list[DeadLetter]:
        """Return up to `count` dead letters of a partition after an id, the oldest first."""
        key = self._keys.dead_letters(partition)
        rows = await self._session.run("XRANGE", key, f"({after}", "+", "COUNT", count)
        return [_dead_letter(partition, dead_id, fields) for dead_id, fields in rows]

    async def list_newest(self, count: int) -> list[DeadLetter]:
        """Return the `count` dead letters that were given up last, the newest first.

        In two round trips: the newest one of each partition, then more of those partitions whose
        newest are among the wanted ones. No others can have any of them.
        """
        found = await self._newest_of(self.partitions, 1)
        some = [letter.partition for letter in _newest_first(found)[:count]]
        return _newest_first(await self._newest_of(some, count))[:count]

    async def find(self, partition: int, dead_id: str) -> DeadLetter | None:
        """Return one dead letter, or None if there is none with this id."""
        rows = await self._session.run(
            "XRANGE", self._keys.dead_letters(partition), dead_id, dead_id
        )
        return _dead_letter(partition, *rows[0]) if rows else None

    async def scan(
        self, partition: int, after: str = "0-0", page_size: int = PAGE_SIZE
    ) -> AsyncIterator[DeadLetter]:
        """Yield a partition's dead letters after an id, the oldest first, a page at a time."""
        while page := await self.list_page(partition, page_size, after):
            for letter in page:
                yield letter
            after = page[-1].id

    async def remove(self, partition: int, ids: Sequence[str]) -> int:
        """Delete dead letters for good; return how many there were."""
        return int(await self._session.run("XDEL", self._keys.dead_letters(partition), *ids))

    async def now(self) -> float:
        """Return the server's time, in seconds since 1970."""
        seconds, microseconds = await self._session.run("TIME")
        return int(seconds) + int(microseconds) / 1_000_000

    async def _newest_of(self, partitions: Sequence[int], count: int) -> list[DeadLetter]:
        replies = await self._session.run_all(
            *[
                ("XREVRANGE", self._keys.dead_letters(p), "+", "-", "COUNT", count)
                for p in partitions
            ]
        )
        return [
            _dead_letter(partition, dead_id, fields)
            for partition, rows in zip(partitions, replies, strict=True)
            for dead_id, fields in rows
        ]


def _newest_first(letters: Sequence[DeadLetter]) -> list[DeadLetter]:
    return sorted(letters, key=lambda letter: id_parts(letter.id), reverse=True)


def _dead_letter(partition: int, dead_id: bytes, fields: list[Any]) -> DeadLetter:
    # The entry's own fields come first and ours last: ours win where a name is used twice.
    named = pair_up(fields)
    own = _own_fields(fields)
    identifier = str(dead_id, "ascii")
    entry_id = named.get(b"entry_id", dead_id).decode()
    first = pair_up(own).get(REPLAY_OF, b"").decode()
    return DeadLetter(
        id=identifier,
        partition=partition,
        entry_id=entry_id,
        payload=named.get(b"payload", b""),
        reason=named.get(b"reason", b"").decode(errors="replace"),
        error=named.get(b"error", b"").decode(errors="replace"),
        attempts=int(named.get(b"attempts", b"0")),
        worker=named.get(b"worker", b"").decode(errors="replace"),
        buried_at=id_parts(identifier)[0] / 1000,
        first_entry_id=first or entry_id,
        fields=own,
    )


def _own_fields(fields: list[Any]) -> tuple[bytes, ...]:
    """Return the fields before ours, which begin with the last one that is called entry_id."""
    names = fields[::2]
    if b"entry_id" not in names:
        return tuple(fields)
    last = len(names) - 1 - names[::-1].index(b"entry_id")
    return tuple(fields[: last * 2])
