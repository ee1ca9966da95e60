"""Lanes: order within a channel, fairness between channels and partitions, bounds, no leaks."""

import gc
import sys
from collections.abc import Iterable

import pytest

from realtime_message.streams.contracts import Entry
from realtime_message.testing.memory.streams import make_message
from realtime_message.worker.delivery import Delivery
from realtime_message.worker.lanes import Lanes, Turns


def delivery(channel: str, number: int = 0, size: int = 10) -> Delivery:
    entry = Entry(f"1-{number}", b"x" * size)
    return Delivery(entry, make_message(channel, number=number), None, size=size)


def lanes(turns: Turns | None = None, max_messages: int = 100, max_bytes: int = 10**6) -> Lanes:
    return Lanes(Turns() if turns is None else turns, max_messages, max_bytes)


def fill(target: Lanes, channels: Iterable[str]) -> None:
    for number, channel in enumerate(channels):
        target.add([delivery(channel, number)])


def numbers_of(taken: Iterable[Delivery]) -> list[str]:
    return [f"{d.message.channel}{d.message.id[1:]}" for d in taken]


def test_second_message_of_a_channel_waits_for_the_first() -> None:
    """Only the first of a channel is handed out until it is finished."""
    turns = Turns()
    one = lanes(turns)
    fill(one, ["a", "a", "a"])
    first = turns.take()
    assert first is not None
    assert turns.take() is None
    one.finish(first)
    second = turns.take()
    assert second is not None
    assert numbers_of([first, second]) == ["a0", "a1"]


def test_channels_take_turns() -> None:
    """A channel with many messages does not keep others waiting."""
    turns = Turns()
    one = lanes(turns)
    fill(one, ["a", "a", "a", "b", "c", "b"])
    order = []
    while (each := turns.take()) is not None:
        order.append(each)
        one.finish(each)
    assert numbers_of(order) == ["a0", "b3", "c4", "a1", "b5", "a2"]


def test_partitions_take_turns() -> None:
    """A partition with many ready channels does not keep another partition waiting."""
    turns = Turns()
    busy, quiet = lanes(turns), lanes(turns)
    fill(busy, [f"a{n}:" for n in range(5)])
    fill(quiet, ["b", "c"])
    order = [turns.take() for _ in range(7)]
    assert [d.message.channel[0] for d in order if d] == ["a", "b", "a", "c", "a", "a", "a"]


def test_retried_message_keeps_its_channel_waiting_and_no_other() -> None:
    """A message between two attempts stays at the head of its channel."""
    turns = Turns()
    one = lanes(turns)
    fill(one, ["a", "a", "b"])
    first = turns.take()
    assert first is not None
    assert numbers_of([turns.take()]) == ["b2"]
    assert turns.take() is None
    one.make_ready(first)
    assert turns.take() is first


def test_room_counts_messages_until_they_are_finished() -> None:
    """Taken messages still take room; finished ones do not."""
    turns = Turns()
    one = lanes(turns, max_messages=3)
    fill(one, ["a", "a", "b"])
    assert (one.room, one.message_count, one.lane_count) == (0, 3, 2)
    first = turns.take()
    assert one.room == 0
    one.finish(first)
    assert (one.room, one.message_count, one.lane_count) == (1, 2, 2)


def test_room_is_bounded_by_bytes() -> None:
    """Few large messages fill it as well; as many more fit as are of the size of those here."""
    turns = Turns()
    one = lanes(turns, max_messages=1000, max_bytes=1000)
    one.add([delivery("a", 0, size=100)])
    assert one.room == 9
    for number in range(1, 10):
        one.add([delivery(f"a{number}", number, size=100)])
    assert one.room == 0
    one.finish(turns.take())
    assert one.room == 1


def test_little_is_read_while_the_size_of_messages_is_unknown() -> None:
    """A backlog of huge messages must not arrive all at once; afterwards their size is known."""
    turns = Turns()
    one = lanes(turns, max_messages=1000, max_bytes=1000)
    assert one.room == 16
    one.add([delivery("a", 0, size=1)])
    assert one.room == 999
    one.finish(turns.take())
    assert one.room == 1000


def test_one_huge_message_leaves_room_for_others() -> None:
    """It counts as half of what may be here, however large it is; nothing is left of it."""
    turns = Turns()
    one = lanes(turns, max_messages=1000, max_bytes=1000)
    one.add([delivery("huge", 0, size=10**6)])
    huge = turns.take()
    assert one.room == 1
    for number in range(1, 10):
        one.add([delivery(f"a{number}", number, size=10)])
    assert one.room > 1
    one.finish(huge)
    assert one.room > 90


def test_closed_lanes_hand_out_nothing_and_accept_nothing() -> None:
    """After close, nothing is ready, nothing is added, and late finishes are harmless."""
    turns = Turns()
    one = lanes(turns)
    fill(one, ["a", "a", "b", "c"])
    taken, retried = turns.take(), turns.take()
    one.close()
    one.finish(taken)
    one.make_ready(retried)
    one.add([delivery("d")])
    assert turns.take() is None
    assert (one.room, one.message_count, one.lane_count) == (0, 0, 0)


def test_million_channels_leave_nothing_behind() -> None:
    """Lanes that are empty are not kept: memory does not grow with channels over time."""
    turns = Turns()
    one = lanes(turns, max_messages=10)

    def pass_through(count: int) -> None:
        for number in range(count):
            one.add([delivery(f"channel:{number}", number)])
            one.finish(turns.take())

    pass_through(1000)
    gc.collect()
    before = sys.getallocatedblocks()
    pass_through(200_000)
    gc.collect()
    assert sys.getallocatedblocks() - before < 500
    assert one.lane_count == 0


@pytest.mark.parametrize("channel_count", [1, 7, 1000])
def test_order_is_kept_for_any_number_of_channels(channel_count: int) -> None:
    """Each channel's messages come out in the order in which they went in."""
    turns = Turns()
    one = lanes(turns, max_messages=10_000)
    fill(one, [f"c{n % channel_count}:" for n in range(5000)])
    last: dict[str, int] = {}
    while (each := turns.take()) is not None:
        number = int(each.message.id[1:])
        assert last.get(each.message.channel, -1) < number
        last[each.message.channel] = number
        one.finish(each)
    assert one.message_count == 0


class Store:
    """Reads the overflow of some lanes again, when it is told to."""

    def __init__(self, target: Lanes, turns: Turns) -> None:
        self.target, self.turns = target, turns
        self.asked: list[str] = []
        self.entries: dict[str, Delivery] = {}
        target.on_low = self.asked.append

    def add(self, channel: str, number: int) -> None:
        one = delivery(channel, number)
        self.entries[one.entry.id] = one
        self.target.add([one])

    def read_again(self) -> None:
        channel = self.asked.pop(0)
        stubs = self.target.take_overflow(channel)
        self.target.refill(channel, [self.entries[stub.entry_id] for stub in stubs])


def test_slow_channel_does_not_fill_the_room_of_others() -> None:
    """Of a long lane only the ids are kept."""
    turns = Turns()
    one = lanes(turns, max_messages=1000)
    fill(one, ["slow"] * 900 + ["well"] * 50)
    one.make_room(["slow", "unknown"])
    assert one.message_count < 100
    assert one.message_count + one.overflow_count == 950
    fill(one, ["slow"] * 500)
    assert one.message_count < 100
    assert one.room > 900


def test_overflow_comes_back_in_order() -> None:
    """Whatever the order of finishing, arriving and reading again."""
    turns = Turns()
    one = lanes(turns, max_messages=1000)
    store = Store(one, turns)
    order: list[int] = []
    for number in range(300):
        store.add("slow", number)
        if number % 3 == 0 and (taken := turns.take()) is not None:
            order.append(int(taken.message.id[1:]))
            one.finish(taken)
        if number % 50 == 49:
            one.make_room(["slow"])
        if number % 70 == 0 and store.asked:
            store.read_again()
    while one.lane_count:
        if (taken := turns.take()) is not None:
            order.append(int(taken.message.id[1:]))
            one.finish(taken)
        else:
            store.read_again()
    assert order == list(range(300))
    assert (one.message_count, one.overflow_count) == (0, 0)


def test_room_that_is_made_while_more_is_read_again_keeps_the_order() -> None:
    """As when a batch fails and its channel waits for a retry while the next ids are looked up."""
    turns = Turns()
    one = lanes(turns, max_messages=1000)
    store = Store(one, turns)
    for number in range(200):
        store.add("hot", number)
    order: list[int] = []

    def take() -> Delivery:
        taken = turns.take()
        assert taken is not None
        order.append(int(taken.message.id[1:]))
        return taken

    first = take()
    one.make_room(["hot"])
    one.finish(first)
    while not store.asked:
        one.finish(take())
    store.read_again()
    first = take()
    batch = one.take_following(first, 60)
    assert len(batch) > 32
    (channel,) = store.asked
    stubs = one.take_overflow(channel)
    one.put_back(batch)
    one.make_room(["hot"])
    one.refill(channel, [store.entries[stub.entry_id] for stub in stubs])
    store.asked.clear()
    one.finish(first)
    while one.lane_count:
        if one.ready:
            one.finish(take())
        else:
            store.read_again()
    assert order == list(range(200))


def test_lane_whose_overflow_was_deleted_is_let_go() -> None:
    """Entries that are gone leave no lane behind that is busy for ever."""
    turns = Turns()
    one = lanes(turns, max_messages=1000)
    store = Store(one, turns)
    for number in range(40):
        store.add("slow", number)
    one.make_room(["slow"])
    assert one.overflow_count > 0
    while (taken := turns.take()) is not None:
        one.finish(taken)
    while store.asked:
        channel = store.asked.pop()
        one.take_overflow(channel)
        one.refill(channel, [])
    assert one.lane_count == 0


def test_full_overflow_leaves_no_room() -> None:
    """Even ids are bounded: then reading stops."""
    turns = Turns()
    one = lanes(turns, max_messages=10)
    fill(one, ["slow"] * 50)
    one.make_room(["slow"])
    fill(one, ["slow"] * 960)
    assert one.overflow_count < 1000
    assert one.room == 0 or one.message_count == 33
    fill(one, ["slow"] * 60)
    assert one.overflow_count >= 1000
    assert one.room == 0
