"""Appending: confirmed only when the entry is there, resends once."""

import asyncio

import pytest

from realtime_message.streams.contracts import Appended, Dedup
from support.eventually import eventually
from support.streams_outside import AnyStreams


async def _length(streams: AnyStreams, partition: int = 0) -> int:
    return (await streams.inspect.partitions())[partition].length


async def test_append_is_there_when_confirmed(streams: AnyStreams) -> None:
    """A confirmed append has an entry id and is in the stream of its partition."""
    appender = await streams.appender()
    appended = await appender.append(1, b'{"a":1}')
    assert not appended.is_duplicate
    lease = await streams.leases.acquire(1, "w", 60)
    assert lease is not None
    reader = streams.reader(lease, "worker-w-1")
    (entry,) = await reader.cycle([], 10)
    assert (entry.id, entry.payload) == (appended.entry_id, b'{"a":1}')
    await reader.close()


async def test_submit_calls_back_after_it_returned(streams: AnyStreams) -> None:
    """The outcome of `submit` never comes before `submit` has returned."""
    appender = await streams.appender()
    outcomes: list[Appended | Exception] = []
    appender.submit(0, b"x", outcomes.append)
    assert outcomes == []

    async def told() -> bool:
        return bool(outcomes)

    await eventually(told)
    assert isinstance(outcomes[0], Appended)


async def test_appends_of_one_caller_keep_their_order(streams: AnyStreams) -> None:
    """Entries stand in the stream in the order in which they were submitted."""
    appender = await streams.appender()
    confirmed = await asyncio.gather(*(appender.append(0, b"%d" % n) for n in range(2000)))
    assert await _length(streams) == 2000
    lease = await streams.leases.acquire(0, "w", 60)
    assert lease is not None
    reader = streams.reader(lease, "worker-w-1")
    entries = await reader.cycle([], 5000)
    assert [entry.payload for entry in entries] == [b"%d" % n for n in range(2000)]
    assert [entry.id for entry in entries] == [appended.entry_id for appended in confirmed]
    await reader.close()


async def test_resend_is_answered_with_what_the_first_stored(streams: AnyStreams) -> None:
    """The same client message is one entry; every resend gets the first one's id and reply."""
    appender = await streams.appender()
    first = await appender.append(0, b"x", Dedup("u|c|1", b'{"first": true}', 60_000))
    again = await appender.append(0, b"y", Dedup("u|c|1", b"second", 60_000))
    assert not first.is_duplicate
    assert again == Appended(first.entry_id, b'{"first": true}')
    assert await _length(streams) == 1


async def test_other_ids_are_other_messages(streams: AnyStreams) -> None:
    """Another user's, another channel's, or the user's next one."""
    appender = await streams.appender()
    keys = ("u1|c|1", "u2|c|1", "u1|d|1", "u1|c|2")
    outcomes = [await appender.append(0, b"x", Dedup(key, b"r", 60_000)) for key in keys]
    assert not any(outcome.is_duplicate for outcome in outcomes)
    assert len({outcome.entry_id for outcome in outcomes}) == 4


async def test_simultaneous_resends_are_one_entry(streams: AnyStreams) -> None:
    """Resends that arrive at once are appended once."""
    appender = await streams.appender()
    dedup = Dedup("u|c|1", b"reply", 60_000)
    outcomes = await asyncio.gather(*(appender.append(0, b"x", dedup) for _ in range(50)))
    assert sum(not outcome.is_duplicate for outcome in outcomes) == 1
    assert len({outcome.entry_id for outcome in outcomes}) == 1
    assert await _length(streams) == 1


async def test_resend_after_the_window_is_a_new_entry(streams: AnyStreams) -> None:
    """A message id is forgotten when its window ends."""
    appender = await streams.appender()
    dedup = Dedup("u|c|1", b"reply", 30)
    await appender.append(0, b"x", dedup)

    async def appended_anew() -> bool:
        return not (await appender.append(0, b"x", dedup)).is_duplicate

    await eventually(appended_anew)


@pytest.mark.parametrize("reply", [b"", b" ", b"a b  c", b"\x00\xff"])
async def test_stored_reply_is_kept_byte_for_byte(streams: AnyStreams, reply: bytes) -> None:
    """Whatever bytes the first append kept come back unchanged."""
    appender = await streams.appender()
    dedup = Dedup("nutzer ä|c|1", reply, 60_000)
    await appender.append(0, b"x", dedup)
    assert (await appender.append(0, b"x", dedup)).stored_reply == reply


async def test_check_stores_nothing(streams: AnyStreams) -> None:
    """Asking whether appends would be taken leaves no trace."""
    appender = await streams.appender()
    await appender.check()
    assert [p.length for p in await streams.inspect.partitions()] == [0, 0]
