"""Replaying dead letters: each message goes back to its channel's partition, once.

Where the channel still lives in the partition that the letter came from, the message is appended
and the letter removed in one step. After the number of partitions was changed they may lie in two
hash slots of a cluster. Then the message is appended together with a *mark* beside its stream, and
the letter removed after that; whoever replays the letter again in between finds the mark. A mark
outlives its letter for a while, for a second replay may have read the letter just before it went.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import msgspec

from realtime_message.errors import StreamsRefusedError
from realtime_message.partitions import partition_of
from realtime_message.streams.dead_letters import (
    REPLAY_OF,
    DeadLetter,
    RedisDeadLetters,
    parse_name,
)
from realtime_message.streams.entry_waiter import id_parts
from realtime_message.streams.keys import Keys
from realtime_message.streams.layout import Layout
from realtime_message.streams.letter_selection import LetterPlace
from realtime_message.streams.scripts import load_script
from realtime_message.streams.session import Session

#: Far longer than any command may take.
MARK_SECONDS = 3600.0

_MARKS_AT_ONCE = 100


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """A dead letter whose message is in the stream again.

    Attributes:
        letter: its name.
        channel: the message's channel; None if the payload is no message.
        partition: where the message is now.
        entry_id: its new id there.
    """

    letter: str
    channel: str | None
    partition: int
    entry_id: str


class UnreplayableError(StreamsRefusedError):
    """A dead letter of which nobody can tell where it belongs; the others are not affected."""


class RedisReplayer:
    """Puts messages back.

    Args:
        session: where the commands go.
        keys: the key names.
        letters: the dead letters.
        layout: tells how many partitions there are now.
    """

    def __init__(
        self, session: Session, keys: Keys, letters: RedisDeadLetters, layout: Layout
    ) -> None:
        self._session = session
        self._keys = keys
        self._letters = letters
        self._layout = layout

    async def replay_all(
        self, places: Sequence[LetterPlace], rate: float = 0.0
    ) -> AsyncIterator[Replayed | UnreplayableError | None]:
        """Put messages back one after the other; yield what `replay` returned for each.

        Args:
            places: which, in this order.
            rate: at most so many a second; 0 for no limit.

        Raises:
            StreamsError: the server did not answer, or refused. The rest is untouched.
        """
        await self.forget_marks()
        loop = asyncio.get_running_loop()
        begin = loop.time()
        for number, place in enumerate(places):
            if rate > 0:
                await asyncio.sleep(max(0.0, begin + number / rate - loop.time()))
            try:
                yield await self.replay(place)
            except UnreplayableError as error:
                yield error

    async def replay(self, place: LetterPlace) -> Replayed | None:
        """Put one message back; None if its letter is gone: it was replayed or purged before.

        Safe to repeat, also after an error of which nobody knows what was done.

        Raises:
            UnreplayableError: nobody can tell where the letter belongs.
            StreamsRefusedError: the server refused.
            StreamsUnavailableError: no answer; it may or may not have been done.
        """
        letter = await self._letters.find(place.partition, place.id)
        if letter is None:
            return None
        partition = self.target(letter)
        fields = _fields(letter, partition)
        if partition == letter.partition:
            entry_id = await self._replay_here(letter, fields)
        else:
            entry_id = await self._replay_there(letter, partition, fields)
        if not entry_id:
            return None
        return Replayed(
            letter=letter.name, channel=letter.channel, partition=partition, entry_id=entry_id
        )

    def target(self, letter: DeadLetter) -> int:
        """Return the partition where a letter's message belongs now.

        Raises:
            UnreplayableError: nobody can tell.
        """
        if letter.channel is not None:
            return partition_of(letter.channel, self._layout.view.partition_count)
        if letter.partition < self._layout.view.partition_count:
            return letter.partition  # it is no message; a newer version may understand it
        raise UnreplayableError(
            f"dead letter {letter.name} names no channel, and partition {letter.partition} is "
            "there no more: it cannot be replayed, only purged"
        )

    async def forget_marks(self) -> None:
        """Remove marks whose letters have been gone for long."""
        now = await self._letters.now()
        for partition in range(self._layout.view.partition_count):
            key = self._keys.replayed(partition)
            flat = await self._session.run("HGETALL", key)
            old = [
                mark.decode()
                for mark, entry_id in zip(flat[::2], flat[1::2], strict=True)
                if id_parts(entry_id.decode())[0] / 1000 < now - MARK_SECONDS
            ]
            gone = [mark for mark in old if await self._letters.find(*parse_name(mark)) is None]
            for begin in range(0, len(gone), _MARKS_AT_ONCE):
                await self._session.run("HDEL", key, *gone[begin : begin + _MARKS_AT_ONCE])

    async def _replay_here(self, letter: DeadLetter, fields: Sequence[bytes]) -> str:
        keys = self._keys
        entry_id: bytes = await self._session.run_script(
            load_script("dead_letter_replay"),
            [keys.stream(letter.partition), keys.dead_letters(letter.partition)],
            [letter.id, *fields],
        )
        return entry_id.decode()

    async def _replay_there(
        self, letter: DeadLetter, partition: int, fields: Sequence[bytes]
    ) -> str:
        keys = self._keys
        entry_id: bytes = await self._session.run_script(
            load_script("replay_append"),
            [keys.stream(partition), keys.replayed(partition)],
            [letter.name, *fields],
        )
        await self._letters.remove(letter.partition, [letter.id])
        return entry_id.decode()


def _fields(letter: DeadLetter, partition: int) -> list[bytes]:
    """Return what the new entry holds: the entry as it was, and where it comes from."""
    fields = list(letter.fields)
    if not fields:
        raise UnreplayableError(f"dead letter {letter.name} holds no entry: purge it")
    if partition != letter.partition and b"payload" in fields[::2]:
        place = 2 * fields[::2].index(b"payload") + 1
        fields[place] = _moved(fields[place], partition)
    if REPLAY_OF not in fields[::2]:
        fields += (REPLAY_OF, letter.entry_id.encode())
    return fields


def _moved(payload: bytes, partition: int) -> bytes:
    """Return a payload with another partition's number."""
    values = msgspec.json.decode(payload)
    return msgspec.json.encode({**values, "partitionId": partition})
