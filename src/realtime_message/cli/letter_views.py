"""What the commands about dead letters ask the streams for, and how a letter is shown."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
import typer

from realtime_message.ages import shown_time
from realtime_message.errors import RealtimeMessageError
from realtime_message.streams import Streams
from realtime_message.streams.dead_letter_filter import LetterCriteria, LetterFilter
from realtime_message.streams.dead_letters import DeadLetter, parse_name
from realtime_message.streams.letter_selection import LetterPlace
from realtime_message.streams.letter_selection import find_page as find_page_of
from realtime_message.streams.letter_selection import find_places as find_places_of
from realtime_message.streams.replay import Replayed, UnreplayableError

_PURGED_AT_ONCE = 100


class ReplayResult(msgspec.Struct, kw_only=True):
    """What a replay did.

    Attributes:
        replayed: the messages that are in their streams again.
        gone: how many letters were gone when it was their turn.
        failures: why some could not be replayed.
    """

    replayed: list[Replayed]
    gone: int
    failures: list[str]


async def find_page(
    streams: Streams, criteria: LetterCriteria, count: int, after: str | None
) -> list[DeadLetter]:
    """Return one page of the letters that fit."""
    place = _parsed(after) if after else None
    wanted = await _filter(streams, criteria)
    return await find_page_of(streams.dead_letters, wanted, count, place)


async def find_one(streams: Streams, name: str) -> DeadLetter:
    """Return a letter.

    Raises:
        RealtimeMessageError: there is none of this name.
    """
    letter = await streams.dead_letters.find(*_parsed(name))
    if letter is None:
        raise RealtimeMessageError(
            f"there is no dead letter {name}: it was replayed or purged, or never was there"
        )
    return letter


async def find_places(streams: Streams, criteria: LetterCriteria) -> list[LetterPlace]:
    """Return where all letters are that fit and that are there now."""
    return await find_places_of(streams.dead_letters, await _filter(streams, criteria))


async def count_by_channel(streams: Streams, criteria: LetterCriteria) -> dict[str, int]:
    """Return how many letters of each channel fit, the channel with the most first."""
    counts: Counter[str] = Counter()
    for place in await find_places(streams, criteria):
        letter = await streams.dead_letters.find(place.partition, place.id)
        if letter is not None:
            counts[letter.channel or "(no message)"] += 1
    return dict(counts.most_common())


async def replay_letters(streams: Streams, criteria: LetterCriteria, rate: float) -> ReplayResult:
    """Replay the letters that fit and that are there now."""
    result = ReplayResult(replayed=[], gone=0, failures=[])
    places = await find_places(streams, criteria)
    async for outcome in streams.replayer.replay_all(places, rate):
        if outcome is None:
            result.gone += 1
        elif isinstance(outcome, UnreplayableError):
            result.failures.append(str(outcome))
        else:
            result.replayed.append(outcome)
    return result


async def purge_places(streams: Streams, places: list[LetterPlace]) -> int:
    """Delete letters; return how many were still there."""
    by_partition: dict[int, list[str]] = {}
    for place in places:
        by_partition.setdefault(place.partition, []).append(place.id)
    removed = 0
    for partition, ids in by_partition.items():
        for begin in range(0, len(ids), _PURGED_AT_ONCE):
            some = ids[begin : begin + _PURGED_AT_ONCE]
            removed += await streams.dead_letters.remove(partition, some)
    return removed


def summary(letter: DeadLetter) -> tuple[object, ...]:
    """Return a letter's row in a table."""
    return (
        letter.name,
        letter.channel,
        letter.attempts,
        shown_time(letter.first_seen_at),
        shown_time(letter.buried_at),
        letter.reason,
    )


def shown(letter: DeadLetter, *, is_whole: bool = False) -> dict[str, Any]:
    """Return a letter for JSON; whole with its error, payload and further fields."""
    values: dict[str, Any] = {
        "id": letter.name,
        "partition": letter.partition,
        "channel": letter.channel,
        "message_id": letter.message_id,
        "entry_id": letter.entry_id,
        "reason": letter.reason,
        "attempts": letter.attempts,
        "worker": letter.worker,
        "first_seen_at": letter.first_seen_at,
        "buried_at": letter.buried_at,
    }
    if is_whole:
        names = [name.decode(errors="replace") for name in letter.fields[::2]]
        texts = [value.decode(errors="replace") for value in letter.fields[1::2]]
        values["error"] = letter.error
        values["payload"] = letter.payload.decode(errors="replace")
        values["fields"] = dict(zip(names, texts, strict=True))
    return values


async def _filter(streams: Streams, criteria: LetterCriteria) -> LetterFilter:
    for name in criteria.names:
        _parsed(name)
    return criteria.filter_at(await streams.dead_letters.now())


def _parsed(name: str) -> tuple[int, str]:
    try:
        return parse_name(name)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
