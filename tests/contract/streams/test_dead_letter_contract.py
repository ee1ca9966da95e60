"""Dead letters: all that is known is kept, and a message that is replayed comes back once."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from realtime_message.message import decode_message, encode_message
from realtime_message.partitions import partition_of
from realtime_message.streams import Streams
from realtime_message.streams.contracts import Lease
from realtime_message.streams.dead_letter_filter import LetterFilter
from realtime_message.streams.dead_letters import DeadLetter, parse_name
from realtime_message.streams.letter_selection import LetterPlace, find_page, find_places
from realtime_message.streams.replay import Replayed, UnreplayableError
from realtime_message.testing.memory.streams import make_message

HERE = [c for c in (f"room:{n}" for n in range(100)) if partition_of(c, 2) == 0]
ELSEWHERE = [c for c in (f"room:{n}" for n in range(100)) if partition_of(c, 2) == 1]
ALL = LetterFilter()


@pytest.fixture
def streams(server_streams: Streams) -> Streams:
    """On servers only: replaying and filtering are no part of the streams in memory."""
    return server_streams


async def _take(streams: Streams) -> Lease:
    await streams._session.run("DEL", streams.keys.lease(0))
    lease = await streams.leases.acquire(0, "ada~1", 60)
    assert lease is not None
    return lease


async def _bury(streams: Streams, *channels: str, error: str = "boom") -> list[DeadLetter]:
    """Append a message to each channel in partition 0, read them and give them up."""
    appender = await streams.appender()
    for number, channel in enumerate(channels):
        await appender.append(0, encode_message(make_message(channel, f"text {number}", number, 0)))
    reader = streams.reader(await _take(streams), "worker-ada-1")
    for entry in await reader.cycle([], 100):
        await reader.bury(entry, reason="failed", error=error, attempts=5)
    await reader.close()
    return await streams.dead_letters.list_page(0, 100)


async def _stream(streams: Streams, partition: int) -> list[dict[bytes, bytes]]:
    """The fields of the unread entries of a partition."""
    await _take(streams)
    stream, group = streams.keys.stream(partition), streams.keys.group(partition)
    read = ("XREADGROUP", "GROUP", group, "look", "COUNT", 100, "STREAMS", stream, ">")
    found: Any = await streams._session.run(*read)
    return [dict(zip(f[::2], f[1::2], strict=True)) for _, f in found[0][1]] if found else []


async def _replay(streams: Streams, wanted: LetterFilter = ALL) -> list[Any]:
    places = await find_places(streams.dead_letters, wanted)
    return [outcome async for outcome in streams.replayer.replay_all(places)]


async def test_letter_keeps_entry_error_attempts_times_and_worker(streams: Streams) -> None:
    """Whoever looks at it later needs no log."""
    before = await streams.dead_letters.now()
    (letter,) = await _bury(streams, HERE[0])
    after = await streams.dead_letters.now()
    assert (letter.reason, letter.error, letter.attempts) == ("failed", "boom", 5)
    assert (letter.worker, letter.channel, letter.message_id) == ("ada~1", HERE[0], "m0")
    assert before - 0.001 <= letter.first_seen_at <= letter.buried_at <= after
    assert parse_name(letter.name) == (0, letter.id)
    assert letter.fields == (b"payload", letter.payload)


async def test_newest_letters_are_those_of_all_partitions_given_up_last(streams: Streams) -> None:
    """The newest first, whichever partition they come from, and no more than asked for."""
    ids = {0: ["5-0", "40-0", "41-0", "42-0"], 1: ["20-0", "30-0", "41-1"]}
    for partition, some in ids.items():
        for dead_id in some:
            key = streams.keys.dead_letters(partition)
            await streams._session.run("XADD", key, dead_id, "payload", "{}", "reason", "r")
    newest = await streams.dead_letters.list_newest(4)
    assert [letter.name for letter in newest] == ["0:42-0", "1:41-1", "0:41-0", "0:40-0"]
    assert [letter.name for letter in await streams.dead_letters.list_newest(1)] == ["0:42-0"]
    assert len(await streams.dead_letters.list_newest(100)) == 7


async def test_letter_of_a_parked_channel_keeps_the_same(streams: Streams) -> None:
    """Also when it was set aside before it failed."""
    appender = await streams.appender()
    appended = await appender.append(0, encode_message(make_message(HERE[0])))
    lease = await _take(streams)
    reader, parker = streams.reader(lease, "worker-ada-1"), streams.parker(lease)
    (entry,) = await reader.cycle([], 10)
    await parker.park(HERE[0], "why")
    await reader.set_aside(HERE[0], entry)
    (aside,) = await parker.read(HERE[0], 10)
    await parker.bury(HERE[0], aside.id, reason="r", error="e", attempts=2)
    await reader.close()
    (letter,) = await streams.dead_letters.list_page(0, 10)
    assert (letter.entry_id, letter.worker) == (appended.entry_id, "ada~1")
    assert letter.fields == (b"payload", entry.payload)


async def test_replayed_message_is_in_the_stream_and_its_letter_gone(
    streams: Streams,
) -> None:
    """Once, with what it was, and where it comes from."""
    (letter,) = await _bury(streams, HERE[0])
    (outcome,) = await _replay(streams)
    assert isinstance(outcome, Replayed)
    assert (outcome.letter, outcome.partition) == (letter.name, 0)
    (fields,) = await _stream(streams, 0)
    assert fields == {b"payload": letter.payload, b"replay_of": letter.entry_id.encode()}
    assert await streams.dead_letters.list_page(0, 10) == []
    place = LetterPlace((0, 0), 0, letter.id)
    assert await streams.replayer.replay(place) is None


async def test_letters_come_back_in_the_order_of_their_first_entries(
    streams: Streams,
) -> None:
    """A message that failed again after a replay still stands before later ones."""
    first, _ = await _bury(streams, HERE[0], HERE[0])
    await _replay(streams, LetterFilter(names=frozenset([first.name])))
    letters = await _bury(streams, HERE[0])
    assert [letter.message_id for letter in letters] == ["m1", "m0", "m0"]
    assert letters[1].first_entry_id == first.entry_id
    await _replay(streams)
    texts = [decode_message(f[b"payload"]).text for f in await _stream(streams, 0)]
    assert texts == ["text 0", "text 1", "text 0"]


async def test_message_goes_to_the_partition_of_today(streams: Streams) -> None:
    """After the number of partitions changed, a channel may live elsewhere."""
    (letter,) = await _bury(streams, ELSEWHERE[0])
    (outcome,) = await _replay(streams)
    assert (outcome.partition, outcome.channel) == (1, ELSEWHERE[0])
    (fields,) = await _stream(streams, 1)
    moved = decode_message(fields[b"payload"])
    assert moved == msgspec.structs.replace(decode_message(letter.payload), partition_id=1)
    assert fields[b"replay_of"] == letter.entry_id.encode()
    assert await streams.dead_letters.list_page(0, 10) == []


async def test_replay_that_ended_before_the_letter_was_removed_doubles_nothing(
    streams: Streams, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where letter and stream lie in two slots, the mark tells what was done."""
    await _bury(streams, ELSEWHERE[0])

    async def die(*arguments: object) -> int:
        raise ConnectionError

    with monkeypatch.context() as patch:
        patch.setattr(streams.dead_letters, "remove", die)
        for _ in range(2):
            with pytest.raises(ConnectionError):
                await _replay(streams)
    assert len(await _replay(streams)) == 1
    assert len(await _stream(streams, 1)) == 1
    assert await _replay(streams) == []


async def test_mark_outlives_its_letter_and_goes_later(streams: Streams) -> None:
    """A second replay that read the letter before it went finds the mark."""
    (letter,) = await _bury(streams, ELSEWHERE[0])
    await _replay(streams)
    await streams.replayer._append_to(1, letter)
    assert len(await _stream(streams, 1)) == 1
    key = streams.keys.replayed(1)
    await streams.replayer.forget_marks()
    assert await streams._session.run("HGETALL", key) != []
    await streams._session.run("HSET", key, letter.name, "1000-0")
    await streams.replayer.forget_marks()
    assert await streams._session.run("HGETALL", key) == []


async def test_what_is_no_message_goes_back_where_it_was(streams: Streams) -> None:
    """A newer version may understand it; a partition that is no more cannot."""
    key = streams.keys.dead_letters(0)
    await streams._session.run("XADD", key, "*", "payload", "{", "entry_id", "5-5", "reason", "r")
    (letter,) = await streams.dead_letters.list_page(0, 10)
    assert (letter.channel, letter.message_id, letter.attempts) == (None, "", 0)
    assert streams.replayer.target(letter) == 0
    with pytest.raises(UnreplayableError, match="names no channel"):
        streams.replayer.target(msgspec.structs.replace(letter, partition=7))
    (outcome,) = await _replay(streams)
    assert outcome.partition == 0


async def test_letter_without_an_entry_is_told_and_the_others_go_on(
    streams: Streams,
) -> None:
    """One that somebody else wrote stops nothing."""
    key = streams.keys.dead_letters(0)
    await streams._session.run("XADD", key, "*", "entry_id", "1-1")
    await streams._session.run("XADD", key, "*", *["f"] * 10_000, "entry_id", "1-1")
    await _bury(streams, HERE[0])
    empty, long, done = await _replay(streams)
    assert "purge it" in str(empty)
    assert "too many fields" in str(long)
    assert isinstance(done, Replayed)


async def test_letter_that_cannot_move_is_told_and_the_others_go_on(streams: Streams) -> None:
    """Its channel lives elsewhere now, and its payload cannot be written for there."""
    key = streams.keys.dead_letters(0)
    deep = b"[" * 20_000 + b"]" * 20_000
    for payload in (b'{"channel":"%s","x":"\xff"}' % ELSEWHERE[0].encode(), b'{"x":%s}' % deep):
        await streams._session.run("XADD", key, "*", "payload", payload, "entry_id", "1-1")
    await _bury(streams, HERE[0])
    failed, *done = await _replay(streams)
    assert "cannot be replayed" in str(failed)
    assert [type(outcome) for outcome in done] == [Replayed, Replayed]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (LetterFilter(channel=HERE[0]), ["m0"]),
        (LetterFilter(channel="room:*"), ["m0", "m1", "m2"]),
        (LetterFilter(channel="other:*"), []),
        (LetterFilter(error="BOOM"), ["m0", "m1", "m2"]),
        (LetterFilter(error="other"), []),
        (LetterFilter(reason="fail"), ["m0", "m1", "m2"]),
        (LetterFilter(partition=1), []),
        (LetterFilter(buried_to=1.0), []),
        (LetterFilter(buried_from=1.0), ["m0", "m1", "m2"]),
        (LetterFilter(names=frozenset(["0:1-1"])), []),
    ],
)
async def test_filters_say_which_are_meant(
    streams: Streams, wanted: LetterFilter, expected: list[str]
) -> None:
    """Channel or pattern, error, reason, partition, age, names."""
    await _bury(streams, *HERE[:3])
    found = await find_page(streams.dead_letters, wanted, 10, None)
    assert [letter.message_id for letter in found] == expected
    assert len(await find_places(streams.dead_letters, wanted)) == len(expected)


async def test_pages_of_all_partitions_follow_each_other(streams: Streams) -> None:
    """In the order in which they were given up; none is left out or shown twice, also where the
    same id is used in two partitions."""
    for partition, dead_id in [(0, "5-0"), (1, "5-0"), (1, "5-1"), (0, "6-0"), (1, "7-0")]:
        key = streams.keys.dead_letters(partition)
        await streams._session.run("XADD", key, dead_id, "payload", "x", "entry_id", "1-1")
    names, after = [], None
    while page := await find_page(streams.dead_letters, ALL, 2, after):
        names += [letter.name for letter in page]
        after = parse_name(names[-1])
    assert names == ["0:5-0", "1:5-0", "1:5-1", "0:6-0", "1:7-0"]


@pytest.mark.parametrize("name", ["", "5-0", "x:5-0", "1:5", "1:5-0 ", "-1:5-0", "1:5-0;"])
def test_what_is_no_name_is_refused(name: str) -> None:
    """Before Redis is asked."""
    with pytest.raises(ValueError, match="expected one such as"):
        parse_name(name)


async def test_layout_that_changes_meanwhile_is_read_again(streams: Streams) -> None:
    """A replay that goes by the count before a resize appends nothing to a wrong partition."""
    moving = next(c for c in map(str, range(100)) if partition_of(c, 2) == 0 != partition_of(c, 3))
    (letter,) = await _bury(streams, moving)
    stale = streams.layout.view
    view = await streams.resizer.begin(await streams.layout.read(), 3)
    await streams.resizer.carry_on(view)
    streams.layout.view = stale
    assert await streams.replayer._append_to(0, letter) is None
    outcome = await streams.replayer.replay(LetterPlace((0, 0), 0, letter.id))
    assert outcome is not None
    assert outcome.partition == partition_of(moving, 3)
    assert await streams.dead_letters.list_page(0, 10) == []


async def test_what_was_appended_before_a_resize_is_not_appended_after_it(
    streams: Streams, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mark of a replay that was killed counts wherever the channel lives now."""
    moving = next(
        c for c in map(str, range(100)) if partition_of(c, 2) == 1 and partition_of(c, 3) == 0
    )
    await _bury(streams, moving)

    async def die(*arguments: object) -> int:
        raise ConnectionError

    with monkeypatch.context() as patch:
        patch.setattr(streams.dead_letters, "remove", die)
        with pytest.raises(ConnectionError):
            await _replay(streams)
    view = await streams.resizer.begin(await streams.layout.read(), 3)
    await streams.resizer.carry_on(view)
    (outcome,) = await _replay(streams)
    assert outcome.partition == 1
    assert await streams.dead_letters.list_page(0, 10) == []
    entries = [await streams._session.run("XLEN", streams.keys.stream(p)) for p in range(3)]
    # The first was read when it was buried; each stream has one marker.
    assert entries == [2, 2, 1]
