"""The queue of lines that a client has not taken yet."""

import asyncio

import pytest

from realtime_message.gateway import codes
from realtime_message.gateway.outgoing import OutgoingQueue


@pytest.fixture
async def frames():
    return []


@pytest.fixture
async def endings():
    return []


@pytest.fixture
async def queue(frames, endings):
    return OutgoingQueue(frames.append, endings.append, max_bytes=100, write_timeout_seconds=0.05)


async def test_lines_of_one_turn_share_a_frame(queue, frames):
    """Up to sixteen of them, as in Centrifugo."""
    for n in range(20):
        queue.add(b"%d" % n)
    assert frames == []
    await asyncio.sleep(0)
    assert [len(frame.split(b"\n")) for frame in frames] == [16, 4]


async def test_blocked_socket_holds_lines_back(queue, frames, endings):
    """They leave when the socket takes data again."""
    queue.block()
    queue.add(b"a")
    await asyncio.sleep(0)
    assert frames == []
    queue.unblock()
    assert frames == [b"a"]
    await asyncio.sleep(0.1)
    assert endings == []


async def test_too_many_bytes_end_the_connection_as_slow(queue, endings):
    """The limit is in bytes, not in lines."""
    queue.block()
    queue.add(b"x" * 100)
    assert endings == []
    queue.add(b"x")
    assert endings == [codes.CLOSE_SLOW]
    queue.discard()


async def test_socket_that_stays_blocked_ends_the_connection(frames):
    """A write that does not get through is a write error."""
    ending = asyncio.get_running_loop().create_future()
    queue = OutgoingQueue(
        frames.append, ending.set_result, max_bytes=100, write_timeout_seconds=0.05
    )
    queue.block()
    async with asyncio.timeout(5):
        assert await ending == codes.CLOSE_WRITE_ERROR
