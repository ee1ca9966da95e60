"""Dead letters: messages that were given up, kept with the reason."""

from __future__ import annotations

from typing import Any

import msgspec

from realtime_message.streams.keys import Keys
from realtime_message.streams.session import Session


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """A message that was given up.

    Attributes:
        id: its id among the dead letters.
        partition: where it came from.
        entry_id: the id that it had in the stream.
        payload: its payload; empty if it had none.
        reason: which rule gave it up.
        error: what went wrong at the last attempt.
        attempts: how many there were.
        buried_at: when, in seconds since 1970 by the server's clock.
    """

    id: str
    partition: int
    entry_id: str
    payload: bytes
    reason: str
    error: str
    attempts: int
    buried_at: float


class RedisDeadLetters:
    """Reads dead letters.

    Args:
        session: where the commands go.
        keys: the key names.
    """

    def __init__(self, session: Session, keys: Keys) -> None:
        self._session = session
        self._keys = keys

    async def list_page(self, partition: int, count: int, after: str = "0-0") -> list[DeadLetter]:
        """Return up to `count` dead letters of a partition after an id, the oldest first."""
        key = self._keys.dead_letters(partition)
        rows = await self._session.run("XRANGE", key, f"({after}", "+", "COUNT", count)
        return [_dead_letter(partition, dead_id, fields) for dead_id, fields in rows]

    async def find(self, partition: int, dead_id: str) -> DeadLetter | None:
        """Return one dead letter, or None if there is none with this id."""
        rows = await self._session.run(
            "XRANGE", self._keys.dead_letters(partition), dead_id, dead_id
        )
        return _dead_letter(partition, *rows[0]) if rows else None


def _dead_letter(partition: int, dead_id: bytes, fields: list[Any]) -> DeadLetter:
    # The entry's own fields come first and ours last: ours win where a name is used twice.
    named = dict(zip(fields[::2], fields[1::2], strict=True))
    identifier = str(dead_id, "ascii")
    return DeadLetter(
        id=identifier,
        partition=partition,
        entry_id=named.get(b"entry_id", b"").decode(),
        payload=named.get(b"payload", b""),
        reason=named.get(b"reason", b"").decode(errors="replace"),
        error=named.get(b"error", b"").decode(errors="replace"),
        attempts=int(named.get(b"attempts", b"0")),
        buried_at=int(identifier.partition("-")[0]) / 1000,
    )
