"""Parked channels: held back after a failure, set aside in order, resumed before all else."""

import asyncio
from collections import defaultdict
from collections.abc import Callable

import pytest

from realtime_message import App, Context, Message
from realtime_message.testing.memory.streams import MemoryStreams
from realtime_message.testing.running_worker import RunningWorker
from realtime_message.testing.virtual_time import in_virtual_time, until


class Town:
    """A worker with the policy halt_channel, whose handler fails where the test says."""

    def __init__(self, *, is_batched: bool = False, **settings: object) -> None:
        self.streams = MemoryStreams(1, asyncio.get_running_loop().time)
        self.app = App()
        self.handled: dict[str, list[int]] = defaultdict(list)
        self.fails: Callable[[Message], bool] = lambda message: False
        self.settings = {"dead_letter_policy": "halt_channel", "max_attempts": 2, **settings}
        if is_batched:

            @self.app.on_batch()
            async def handle_all(messages: list[Message]) -> None:
                for message in messages:
                    self.check(message)
                for message in messages:
                    self.handled[message.channel].append(int(message.text))
        else:

            @self.app.on_message()
            async def handle(message: Message) -> None:
                await asyncio.sleep(0.01)
                self.check(message)
                self.handled[message.channel].append(int(message.text))

    def check(self, message: Message) -> None:
        if self.fails(message):
            raise ValueError("no")

    def start(self, name: str = "a") -> RunningWorker:
        return RunningWorker(self.streams, self.app, name, **self.settings)

    @property
    def aside(self) -> list[int]:
        """How many messages are set aside of each parked channel."""
        return [len(entries) for entries in self.streams.partitions[0].aside.values() if entries]

    @property
    def parked(self) -> dict[str, bool]:
        return self.streams.partitions[0].parked


@in_virtual_time
async def test_channel_is_held_back_and_others_go_on() -> None:
    """The failed message is a dead letter; the later ones wait aside, acknowledged."""
    town = Town()
    town.fails = lambda message: message.channel == "ill" and message.text == "3"
    worker = town.start()
    for number in range(10):
        town.streams.append("ill", str(number))
        town.streams.append("well", str(number))
    await until(lambda: town.streams.unfinished == 0)
    assert town.handled == {"ill": [0, 1, 2], "well": list(range(10))}
    assert len(town.streams.dead) == 1
    assert town.parked == {"ill": False}
    assert town.aside == [6]
    town.streams.append("ill", "10")
    await until(lambda: town.aside == [7])
    await worker.stop()


@pytest.mark.parametrize("is_batched", [False, True])
@in_virtual_time
async def test_resumed_channel_goes_on_in_order_before_what_comes_meanwhile(
    is_batched: bool,
) -> None:
    """What was set aside comes first, then what arrived since; nothing twice."""
    town = Town(is_batched=is_batched)
    town.fails = lambda message: message.text == "0"
    worker = town.start()
    for number in range(100):
        town.streams.append("ill", str(number))
    await until(lambda: town.aside == [99])
    town.streams.resume("ill")
    for number in range(100, 200):
        town.streams.append("ill", str(number))
        await asyncio.sleep(0.02)
    await until(lambda: town.parked == {} and town.streams.unfinished == 0)
    assert town.handled["ill"] == list(range(1, 200))
    town.streams.append("ill", "200")
    await until(lambda: town.handled["ill"][-1] == 200)
    assert town.aside == []
    await worker.stop()


@in_virtual_time
async def test_failure_while_resuming_parks_again() -> None:
    """The second failed message is a dead letter too; the rest stays where it is, in order."""
    town = Town()
    town.fails = lambda message: message.text in ("0", "5")
    worker = town.start()
    for number in range(20):
        town.streams.append("ill", str(number))
    await until(lambda: town.aside == [19])
    town.streams.resume("ill")
    await until(lambda: len(town.streams.dead) == 2)
    await asyncio.sleep(5)
    assert town.handled["ill"] == [1, 2, 3, 4]
    assert town.parked == {"ill": False}
    assert town.aside == [14]
    town.streams.resume("ill")
    await until(lambda: town.parked == {})
    assert town.handled["ill"] == [1, 2, 3, 4, *range(6, 20)]
    await worker.stop()


@in_virtual_time
async def test_next_owner_knows_what_is_parked() -> None:
    """Through a crash, while being held back and while being resumed; in order, none lost."""
    town = Town(lease_seconds=1)
    town.fails = lambda message: message.text == "0"
    first = town.start("a")
    for number in range(60):
        town.streams.append("ill", str(number))
    await until(lambda: town.aside == [59])
    await first.crash()
    second = town.start("b")
    town.streams.append("ill", "60")
    await until(lambda: town.aside == [60])
    town.streams.resume("ill")
    await until(lambda: len(town.handled["ill"]) == 10)
    await second.crash()
    third = town.start("c")
    await until(lambda: town.parked == {})
    numbers = town.handled["ill"]
    assert sorted(set(numbers)) == list(range(1, 61))
    # One may have been handled whose removal was not told any more.
    assert len(numbers) <= 61
    assert [n for place, n in enumerate(numbers) if n not in numbers[:place]] == list(range(1, 61))
    await third.stop()


@in_virtual_time
async def test_payload_that_does_not_fit_halts_its_channel_and_strange_entries_do_not() -> None:
    """The policy is about messages of channels; an entry that is no message has none."""
    town = Town()
    worker = town.start()
    town.streams.append("a", payload=b"{")
    town.streams.append("a", "1")
    await until(lambda: town.handled["a"] == [1])
    assert town.parked == {}
    assert len(town.streams.dead) == 1
    await worker.stop()


@in_virtual_time
async def test_skip_policy_parks_nothing() -> None:
    """The default goes on with the next message."""
    town = Town(dead_letter_policy="skip")
    town.fails = lambda message: message.text == "0"
    worker = town.start()
    for number in range(5):
        town.streams.append("ill", str(number))
    await until(lambda: town.streams.unfinished == 0)
    assert town.handled["ill"] == [1, 2, 3, 4]
    assert town.parked == {}
    await worker.stop()


@in_virtual_time
async def test_channel_is_parked_with_a_long_queue_behind_it() -> None:
    """Also what was known by its id only is set aside in order."""
    town = Town(max_buffered_messages=100, backoff_initial_seconds=3.0)
    town.fails = lambda message: message.text == "0"
    worker = town.start()
    for number in range(1000):
        town.streams.append("ill", str(number))
    await until(lambda: town.aside == [999])
    town.streams.resume("ill")
    await until(lambda: town.parked == {})
    assert town.handled["ill"] == list(range(1, 1000))
    await worker.stop()


@in_virtual_time
async def test_message_that_was_set_aside_and_kills_its_worker_is_stopped() -> None:
    """Its attempts are counted across crashes, as those of a message in the stream are."""
    town = Town(lease_seconds=1, max_attempts=3)
    town.fails = lambda message: message.text == "0"
    worker = town.start("a")
    for number in range(4):
        town.streams.append("ill", str(number))
    await until(lambda: town.aside == [3])
    deadly = asyncio.Event()

    async def kill(message: Message, context: Context, call_next: Callable) -> None:
        if message.text == "1":
            deadly.set()
            await asyncio.sleep(1000)
        await call_next()

    town.app.middlewares.append(kill)
    await worker.crash()
    town.streams.resume("ill")
    for number in range(3):
        worker = town.start(f"b{number}")
        await deadly.wait()
        deadly.clear()
        await worker.crash()
    worker = town.start("c")
    await until(lambda: len(town.streams.dead) == 2)
    letter = town.streams.dead[1]
    assert (letter.attempts, "ended while they handled it" in letter.reason) == (3, True)
    town.streams.resume("ill")
    await until(lambda: town.parked == {})
    assert town.handled["ill"] == [2, 3]
    await worker.stop()


@in_virtual_time
async def test_hand_over_while_resuming_costs_no_attempt() -> None:
    """What a drain cut short, or left not begun, comes again with the attempt it had."""
    town = Town(max_attempts=1, drain_timeout_seconds=0.1)
    town.fails = lambda message: message.text == "0"
    slow = [True]
    attempts: list[int] = []

    async def dawdle(message: Message, context: Context, call_next: Callable) -> None:
        if message.text == "1":
            attempts.append(context.attempt)
            await asyncio.sleep(1000 if slow[0] else 0)
        await call_next()

    town.app.middlewares.append(dawdle)
    worker = town.start("a")
    for number in range(3):
        town.streams.append("ill", str(number))
    await until(lambda: town.aside == [2])
    town.streams.resume("ill")
    await until(lambda: len(attempts) == 1)
    await worker.stop()
    worker = town.start("b")
    await until(lambda: len(attempts) == 2)
    await worker.stop()
    slow[0] = False
    worker = town.start("c")
    await until(lambda: town.parked == {})
    assert attempts == [1, 1, 1]
    assert town.handled["ill"] == [1, 2]
    assert len(town.streams.dead) == 1
    await worker.stop()
