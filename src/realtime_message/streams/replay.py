"""Replaying dead letters: each message goes back to its channel's partition, once.

Where the channel still lives in the partition that the letter came from, the message is appended
and the letter removed in one step. After the number of partitions was changed they may lie in two
hash slots of a cluster. Then the message is appended together with a *mark* beside its stream, and
the letter removed after that; whoever replays the letter again in between finds the mark. A mark
outlives its letter for a while, for a second replay may have read the letter just before it went.

The number of partitions may also change while a replay runs. Each append is done only if its
partition has not been opened for a later layout than the one that the replay goes by; else the
layout is read again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import msgspec

from realtime_message.errors import StreamsRefusedError
from realtime_message.message import payload_in_partition
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
from realtime_message.streams.server_errors import StreamSealedError
from realtime_message.streams.session import Session

#: Far longer than any command may take.
MARK_SECONDS = 3600.0

#: How long a replay waits for a resize that has closed a stream.
RESIZE_SECONDS = 10.0

_MARKS_AT_ONCE = 100

# Lua can hand on some more to one command; what it gave up itself has less.
_MAX_PARTS = 7000
_LOOK_SECONDS = 0.02


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
        #: What earlier replays appended without getting to remove the letter: by its name.
        self._appended: dict[str, tuple[int, str]] = {}

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
        await self._layout.read()
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
        partition, entry_id = self._appended.get(letter.name) or await self._append(letter)
        if partition != letter.partition:
            await self._letters.remove(letter.partition, [letter.id])
        if not entry_id:
            return None
        return Replayed(
            letter=letter.name, channel=letter.channel, partition=partition, entry_id=entry_id
        )

    async def _append(self, letter: DeadLetter) -> tuple[int, str]:
        """Append a letter's message where it belongs now; return where, and its id.

        The id is empty if the letter is gone. A letter that lies elsewhere is not removed.
        """
        give_up_at = asyncio.get_running_loop().time() + RESIZE_SECONDS
        while True:
            partition = self.target(letter)
            try:
                entry_id = await self._append_to(partition, letter)
            except StreamSealedError:
                if asyncio.get_running_loop().time() > give_up_at:
                    raise
                entry_id = None
            if entry_id is not None:
                return partition, entry_id.decode()
            await asyncio.sleep(_LOOK_SECONDS)
            await self._layout.read()

    async def _append_to(self, partition: int, letter: DeadLetter) -> bytes | None:
        """Append to a partition; None if the layout has changed since it was read."""
        keys, fields = self._keys, _fields(letter, partition)
        stream, generations = keys.stream(partition), keys.generations(partition)
        generation = self._layout.view.generation
        if partition == letter.partition:
            names = [stream, keys.dead_letters(partition), generations]
            script, subject = load_script("dead_letter_replay"), letter.id
        else:
            names = [stream, keys.replayed(partition), generations]
            script, subject = load_script("replay_append"), letter.name
        entry_id: bytes | None = await self._session.run_script(
            script, names, [subject, generation, *fields]
        )
        return entry_id

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
        """Remove marks whose letters have been gone for long, and note those that still count."""
        now = await self._letters.now()
        self._appended.clear()
        for partition in range(self._layout.view.ever_count):
            key = self._keys.replayed(partition)
            flat = await self._session.run("HGETALL", key)
            gone = []
            for name, entry_id in zip(flat[::2], flat[1::2], strict=True):
                mark, stored_id = name.decode(), entry_id.decode()
                if await self._letters.find(*parse_name(mark)) is not None:
                    self._appended[mark] = (partition, stored_id)
                elif id_parts(stored_id)[0] / 1000 < now - MARK_SECONDS:
                    gone.append(mark)
            for begin in range(0, len(gone), _MARKS_AT_ONCE):
                await self._session.run("HDEL", key, *gone[begin : begin + _MARKS_AT_ONCE])


def _fields(letter: DeadLetter, partition: int) -> list[bytes]:
    """Return what the new entry holds: the entry as it was, and where it comes from."""
    fields = list(letter.fields)
    if not fields:
        raise UnreplayableError(f"dead letter {letter.name} holds no entry: purge it")
    if len(fields) > _MAX_PARTS:
        raise UnreplayableError(f"dead letter {letter.name} has too many fields to be replayed")
    if partition != letter.partition and b"payload" in fields[::2]:
        place = 2 * fields[::2].index(b"payload") + 1
        try:
            fields[place] = payload_in_partition(fields[place], partition)
        except ValueError as error:
            text = f"dead letter {letter.name} cannot be replayed: {error}"
            raise UnreplayableError(text) from None
    if REPLAY_OF not in fields[::2]:
        fields += (REPLAY_OF, letter.entry_id.encode())
    return fields
