"""Finding dead letters in all partitions: a page of them, or all that are to be dealt with."""

from __future__ import annotations

from dataclasses import dataclass

from realtime_message.streams.dead_letter_filter import LetterFilter
from realtime_message.streams.dead_letters import PAGE_SIZE, DeadLetter, RedisDeadLetters
from realtime_message.streams.entry_waiter import id_parts


@dataclass(frozen=True, slots=True, order=True)
class LetterPlace:
    """Where a dead letter is, in the order in which the messages first came.

    Attributes:
        first_entry: the parts of the id that the message had at first.
        partition: whose dead letters it is among.
        id: its id there.
    """

    first_entry: tuple[int, int]
    partition: int
    id: str


async def find_page(
    letters: RedisDeadLetters, wanted: LetterFilter, count: int, after: tuple[int, str] | None
) -> list[DeadLetter]:
    """Return the next dead letters of all partitions, in the order in which they were given up.

    Args:
        letters: all there are.
        wanted: which are meant.
        count: at most so many.
        after: partition and id of the last one of the page before.
    """
    # No more than are shown, for they may be large.
    page_size = min(count, PAGE_SIZE)
    found: list[DeadLetter] = []
    for partition in letters.partitions:
        if not wanted.takes_partition(partition):
            continue
        taken = 0
        async for letter in letters.scan(partition, _start(partition, after), page_size):
            if wanted.takes(letter):
                found.append(letter)
                taken += 1
            if taken == count:
                break
    return sorted(found, key=lambda letter: (id_parts(letter.id), letter.partition))[:count]


async def find_places(letters: RedisDeadLetters, wanted: LetterFilter) -> list[LetterPlace]:
    """Return where all dead letters are that fit, in the order in which the messages first came.

    Only places are kept: about 250 bytes each, whatever the messages hold.
    """
    places: list[LetterPlace] = []
    for partition in letters.partitions:
        if not wanted.takes_partition(partition):
            continue
        places += [
            LetterPlace(id_parts(letter.first_entry_id), partition, letter.id)
            async for letter in letters.scan(partition)
            if wanted.takes(letter)
        ]
    return sorted(places)


def _start(partition: int, after: tuple[int, str] | None) -> str:
    """Return the id after which a partition's letters come after a letter of any partition."""
    if after is None:
        return "0-0"
    last_partition, last_id = after
    if partition <= last_partition:
        return last_id
    # The same id in a later partition comes after it.
    milliseconds, number = id_parts(last_id)
    if number:
        return f"{milliseconds}-{number - 1}"
    return f"{max(0, milliseconds - 1)}-{2**64 - 1}"
