"""Suspects: after crashes, messages that may be the cause begin one at a time."""

import asyncio

from realtime_message import App, Context, Message
from realtime_message.streams.contracts import Entry
from realtime_message.testing.memory.streams import MemoryStreams, make_message
from realtime_message.testing.running_worker import RunningWorker
from realtime_message.testing.virtual_time import in_virtual_time, until
from realtime_message.worker.delivery import Delivery
from realtime_message.worker.suspects import Suspects


class Held:
    """As much of a partition as suspects need."""

    def __init__(self, number: int) -> None:
        self.number = number


def delivery(number: int, partition: int = 0) -> Delivery:
    return Delivery(Entry(f"1-{number}", b""), make_message("a"), Held(partition), is_suspect=True)


def test_next_begins_when_the_outcome_of_the_last_is_known() -> None:
    """Acknowledged or cleared, in the order in which they were added."""
    begun: list[Delivery] = []
    suspects = Suspects(begun.append)
    one, two, three = (delivery(n) for n in range(3))
    for each in (one, two, three):
        suspects.add(each)
    assert begun == [one]
    suspects.acknowledged(["7-7"], 0)
    suspects.acknowledged(["1-0"], 1)
    assert begun == [one]
    suspects.acknowledged(["7-7", "1-0"], 0)
    assert begun == [one, two]
    suspects.clear(three)
    assert begun == [one, two]
    suspects.clear(two)
    assert begun == [one, two, three]


def test_those_of_a_lost_partition_are_forgotten() -> None:
    """The suspects of other partitions go on in their place."""
    begun: list[Delivery] = []
    suspects = Suspects(begun.append)
    lost, waiting, other = delivery(0, 0), delivery(1, 0), delivery(2, 1)
    for each in (lost, waiting, other):
        suspects.add(each)
    suspects.forget(0)
    assert begun == [lost, other]


@in_virtual_time
async def test_innocent_messages_survive_a_message_that_kills_workers() -> None:
    """Side by side with the killer at each crash, they are handled and do not die with it."""
    streams = MemoryStreams(1, asyncio.get_running_loop().time)
    app, handled = App(), set()
    is_killed = asyncio.Event()

    @app.on_message()
    async def handle(message: Message, _context: Context) -> None:
        if message.text == "killer":
            is_killed.set()
            await asyncio.sleep(3600)
        await asyncio.sleep(0.5)
        handled.add(message.text)

    for number in range(30):
        streams.append(f"c:{number}", "killer" if number == 12 else str(number))
    crashes = 0
    while not streams.dead:
        worker = RunningWorker(
            streams, app, max_attempts=2, lease_seconds=1, handler_timeout_seconds=0
        )
        await until(lambda: is_killed.is_set() or bool(streams.dead), 300)
        if is_killed.is_set():
            crashes += 1
            is_killed.clear()
            await asyncio.sleep(0.1)
            await worker.crash()
    await until(lambda: streams.unfinished == 0)
    assert [letter.attempts for letter in streams.dead] == [2]
    assert len(handled) == 29
    assert crashes == 3
    await worker.stop()


@in_virtual_time
async def test_messages_left_by_a_hand_over_are_no_suspects() -> None:
    """What a drained worker had not begun costs its successor no write and no waiting."""
    streams = MemoryStreams(1, asyncio.get_running_loop().time)
    app, attempts = App(), []

    @app.on_message()
    async def handle(_message: Message, context: Context) -> None:
        attempts.append(context.attempt)
        await asyncio.sleep(0.1)

    first = RunningWorker(streams, app, "a", concurrency=2)
    for number in range(50):
        streams.append(f"c:{number}")
    await until(lambda: len(attempts) >= 4)
    await first.stop()
    calls = []
    streams.line.on_call = lambda call, partition: calls.append(call)
    second = RunningWorker(streams, app, "b", concurrency=50)
    await until(lambda: streams.unfinished == 0)
    assert attempts == [1] * 50
    assert "record_attempt" not in calls
    await second.stop()
