"""Whole workers on streams in memory, in virtual time: what each guarantee means, one by one."""

import asyncio
from collections import defaultdict
from itertools import pairwise

from realtime_message import App, Context, Message, Reject, Retry, Skip
from realtime_message.errors import StreamsUnavailableError
from realtime_message.streams.contracts import Entry
from realtime_message.telemetry.worker_metrics import Loss, Outcome
from realtime_message.testing.memory.streams import MemoryStreams
from realtime_message.testing.running_worker import RunningWorker
from realtime_message.testing.virtual_time import in_virtual_time, until


def make_streams(partition_count: int = 8) -> MemoryStreams:
    return MemoryStreams(partition_count, asyncio.get_running_loop().time)


def recorder() -> tuple[App, list[str]]:
    """An app that notes the text of each message."""
    app, seen = App(), []

    @app.on_message()
    async def note(message: Message) -> None:
        seen.append(message.text)

    return app, seen


@in_virtual_time
async def test_messages_from_before_and_after_the_start_are_handled_and_acknowledged() -> None:
    """Everything is handled once, in order per channel, and nothing stays pending."""
    streams = make_streams()
    app, seen = App(), defaultdict(list)

    @app.on_message()
    async def note(message: Message) -> None:
        seen[message.channel].append(int(message.text))

    for number in range(500):
        streams.append(f"c:{number % 20}", str(number))
    worker = RunningWorker(streams, app)
    await until(lambda: streams.unfinished == 0)
    for number in range(500, 1000):
        streams.append(f"c:{number % 20}", str(number))
    await until(lambda: streams.unfinished == 0)
    assert dict(seen) == {f"c:{c}": list(range(c, 1000, 20)) for c in range(20)}
    await worker.stop()
    assert worker.count(Outcome.ack) == 1000


@in_virtual_time
async def test_idle_worker_asks_for_nothing_but_renewals_and_heartbeats() -> None:
    """Without messages no partition is polled: a read in five seconds, a look in ten."""
    streams = make_streams()
    app, _ = recorder()
    worker = RunningWorker(streams, app)
    await until(lambda: len(worker.partitions) == 8)
    await asyncio.sleep(1)
    calls: dict[str, int] = defaultdict(int)
    streams.line.on_call = lambda call, partition: calls.__setitem__(call, calls[call] + 1)
    await asyncio.sleep(60)
    assert calls.pop("wait_for_entries") <= 8 * 13
    assert calls.pop("cycle") <= 8 * 13
    assert calls.pop("find_oldest") <= 8 * 6
    assert set(calls) <= {"renew", "heartbeat", "trim"}
    await worker.stop()


@in_virtual_time
async def test_slow_channel_does_not_keep_others_waiting() -> None:
    """While one channel's handler takes a minute, a thousand messages of others pass."""
    streams = make_streams(1)
    app, seen = App(), []

    @app.on_message()
    async def handle(message: Message) -> None:
        if message.channel == "slow":
            await asyncio.sleep(60)
        seen.append(message.channel)

    worker = RunningWorker(streams, app, handler_timeout_seconds=0)
    streams.append("slow")
    for number in range(1000):
        streams.append(f"quick:{number % 10}")
    await until(lambda: len(seen) == 1000, 5)
    assert "slow" not in seen
    await until(lambda: "slow" in seen, 70)
    await worker.stop()


@in_virtual_time
async def test_failing_message_is_tried_again_before_later_ones_of_its_channel() -> None:
    """Order holds across retries; other channels go on."""
    streams = make_streams(1)
    app, seen, attempts = App(), [], []

    @app.on_message()
    async def handle(message: Message, context: Context) -> None:
        if message.text == "bad" and context.attempt < 4:
            attempts.append(context.attempt)
            raise ConnectionError("the database is away")
        seen.append(message.channel + message.text)

    worker = RunningWorker(streams, app)
    for channel, text in [("a", "bad"), ("a", "2"), ("b", "3"), ("a", "4")]:
        streams.append(channel, text)
    await until(lambda: streams.unfinished == 0)
    assert attempts == [1, 2, 3]
    assert seen == ["b3", "abad", "a2", "a4"]
    assert worker.count(Outcome.retry) == 3
    assert not streams.dead
    await worker.stop()


@in_virtual_time
async def test_message_that_never_succeeds_becomes_a_dead_letter_and_its_channel_goes_on() -> None:
    """After max_attempts it is buried with its error; the next message of the channel follows."""
    streams = make_streams(1)
    app, seen = App(), []

    @app.on_message()
    async def handle(message: Message) -> None:
        if message.text == "poison":
            raise ValueError("cannot be")
        seen.append(message.text)

    worker = RunningWorker(streams, app, max_attempts=3)
    streams.append("a", "poison")
    streams.append("a", "fine")
    await until(lambda: streams.unfinished == 0)
    (letter,) = streams.dead
    assert letter.attempts == 3
    assert letter.reason == "ValueError: cannot be (attempt 3 of 3)"
    assert "raise ValueError" in letter.error
    assert seen == ["fine"]
    assert (worker.count(Outcome.retry), worker.count(Outcome.dead_letter)) == (2, 1)
    await worker.stop()


@in_virtual_time
async def test_signals_of_the_handler_are_obeyed() -> None:
    """Skip is done, Reject is a dead letter at once, Retry waits as long as it says."""
    streams = make_streams(1)
    loop = asyncio.get_running_loop()
    app, times = App(), []

    @app.on_message()
    async def handle(message: Message) -> None:
        if message.text == "skip":
            raise Skip
        if message.text == "reject":
            raise Reject("not for us")
        times.append(loop.time())
        if len(times) == 1:
            raise Retry(after_seconds=12.5)

    worker = RunningWorker(streams, app)
    for text in ("skip", "reject", "retry"):
        streams.append("a", text)
    await until(lambda: streams.unfinished == 0)
    assert worker.count(Outcome.skip) == 1
    assert [letter.reason for letter in streams.dead] == ["not for us"]
    assert abs(times[1] - times[0] - 12.5) < 0.1
    await worker.stop()


@in_virtual_time
async def test_handler_over_its_time_limit_is_cancelled_and_tried_again() -> None:
    """A handler that hangs costs an attempt, not the channel."""
    streams = make_streams(1)
    app, seen = App(), []

    @app.on_message()
    async def handle(_message: Message, context: Context) -> None:
        if context.attempt == 1:
            await asyncio.sleep(3600)
        seen.append(context.attempt)

    worker = RunningWorker(streams, app, handler_timeout_seconds=5)
    streams.append("a")
    await until(lambda: seen == [2], 10)
    assert worker.count(Outcome.retry) == 1
    await worker.stop()


@in_virtual_time
async def test_entry_that_is_no_message_becomes_a_dead_letter_and_delays_nothing() -> None:
    """Foreign and broken entries are kept aside with the reason."""
    streams = make_streams(1)
    app, seen = recorder()
    worker = RunningWorker(streams, app)
    streams.append("a", payload=b"{")
    streams.append("a", "fine")
    streams.append("a", payload=b'{"id": 7}')
    streams.append("a", payload=b'{"id": "deep", "extra":' + b"[" * 20_000 + b"]" * 20_000 + b"}")
    streams.append_entry(0, Entry("9-9", None))
    streams.append_entry(0, Entry("9-10", None, generation=99))
    await until(lambda: streams.unfinished == 0)
    assert seen == ["fine"]
    reasons = [letter.reason for letter in streams.dead]
    assert len(reasons) == 5
    assert all("payload" in reason for reason in reasons)
    await worker.stop()


@in_virtual_time
async def test_channel_without_handler_follows_the_policy() -> None:
    """`ack` acknowledges and counts, `dead_letter` keeps the message."""
    for policy, outcome, dead in (
        ("ack", Outcome.unhandled, 0),
        ("dead_letter", Outcome.dead_letter, 1),
    ):
        streams = make_streams(1)
        app = App()

        @app.on_message("chat:*")
        async def handle(_message: Message) -> None:
            pass

        worker = RunningWorker(streams, app, unhandled=policy)
        streams.append("news")
        await until(lambda streams=streams: streams.unfinished == 0)
        assert worker.count(outcome) == 1
        assert len(streams.dead) == dead
        await worker.stop()


@in_virtual_time
async def test_buffer_is_bounded_and_everything_passes_all_the_same() -> None:
    """Never more than max_buffered_messages are in hand, and reads go on as room is made."""
    streams = make_streams(1)
    app, seen, most = App(), [], 0

    @app.on_message()
    async def handle(message: Message) -> None:
        nonlocal most
        most = max(most, len(streams.partitions[0].pending))
        await asyncio.sleep(0.01)
        seen.append(message.text)

    worker = RunningWorker(streams, app, max_buffered_messages=30, concurrency=5)
    for number in range(400):
        streams.append(f"c:{number % 7}", str(number))
    await until(lambda: streams.unfinished == 0)
    assert len(seen) == 400
    # Acknowledged ones stay pending until the next cycle; they are not in hand any more.
    assert most <= 60
    await worker.stop()


@in_virtual_time
async def test_planned_hand_over_repeats_nothing_and_is_short() -> None:
    """A worker joins and one leaves under load: no message twice, no partition idle for long."""
    streams = make_streams()
    loop = asyncio.get_running_loop()
    app, seen, handled_at = App(), [], defaultdict(list)

    @app.on_message()
    async def handle(message: Message, context: Context) -> None:
        await asyncio.sleep(0.02)
        seen.append(message.text)
        handled_at[context.partition].append(loop.time())

    first = RunningWorker(streams, app, "first")
    await until(lambda: len(first.partitions) == 8)
    total = 4000

    async def publish() -> None:
        for number in range(total):
            streams.append(f"c:{number % 50}", str(number))
            await asyncio.sleep(0.005)

    publishing = asyncio.create_task(publish())
    await asyncio.sleep(5)
    second = RunningWorker(streams, app, "second")
    await until(lambda: len(second.partitions) == 4 and len(first.partitions) == 4, 2)
    await asyncio.sleep(5)
    await first.stop()
    await until(lambda: len(second.partitions) == 8, 2)
    await publishing
    await until(lambda: streams.unfinished == 0)
    assert sorted(map(int, seen)) == list(range(total))
    for times in handled_at.values():
        assert max(b - a for a, b in pairwise(times)) < 1.0
    await second.stop()


@in_virtual_time
async def test_crashed_worker_is_succeeded_within_its_lease() -> None:
    """What it had in hand comes first, in order; nothing is lost."""
    streams = make_streams(2)
    loop = asyncio.get_running_loop()
    app, seen = App(), defaultdict(list)
    is_hanging = True

    @app.on_message()
    async def handle(message: Message) -> None:
        if is_hanging:
            await asyncio.sleep(3600)
        seen[message.channel].append(int(message.text))

    first = RunningWorker(streams, app, "first", handler_timeout_seconds=0)
    for number in range(100):
        streams.append(f"c:{number % 10}", str(number))
    await until(lambda: all(p.read_count == len(p.entries) for p in streams.partitions))
    second = RunningWorker(streams, app, "second")
    await first.crash()
    crashed_at = loop.time()
    is_hanging = False
    await until(lambda: streams.unfinished == 0)
    assert loop.time() - crashed_at < 3.0 + 1.0, "longer than the lease and a second"
    assert seen == {f"c:{c}": list(range(c, 100, 10)) for c in range(10)}
    await second.stop()


@in_virtual_time
async def test_message_that_kills_its_worker_is_stopped() -> None:
    """Attempts are counted across crashes: after max_attempts it is a dead letter."""
    streams = make_streams(1)
    app, attempts = App(), []

    @app.on_message()
    async def handle(_message: Message, context: Context) -> None:
        attempts.append(context.attempt)
        await asyncio.sleep(3600)

    streams.append("a", "killer")
    for _ in range(4):
        worker = RunningWorker(streams, app, max_attempts=3, lease_seconds=1)
        before = len(attempts)
        await until(lambda before=before: len(attempts) > before or bool(streams.dead))
        await worker.crash()
    last = RunningWorker(streams, app, max_attempts=3, lease_seconds=1)
    await until(lambda: streams.unfinished == 0)
    assert attempts == [1, 1, 2, 3]
    (letter,) = streams.dead
    assert letter.attempts == 3
    assert "ended while they handled it" in letter.reason
    await last.stop()


@in_virtual_time
async def test_worker_without_redis_stops_handling_before_its_lease_ends() -> None:
    """By its own clock it gives up after two thirds of the lease, and takes part again later."""
    streams = make_streams(1)
    loop = asyncio.get_running_loop()
    app, ended = App(), []

    @app.on_message()
    async def handle(message: Message, context: Context) -> None:
        try:
            await asyncio.sleep(3600 if message.text == "long" and not ended else 0)
        except asyncio.CancelledError:
            ended.append((loop.time(), context.is_lease_held))
            raise

    worker = RunningWorker(streams, app, lease_seconds=9, handler_timeout_seconds=0)
    streams.append("a", "long")
    await until(lambda: len(streams.partitions[0].pending) == 1)
    await asyncio.sleep(10)
    streams.line.go_away()
    await until(lambda: bool(ended))
    (ended_at, was_held), held_until = ended[0], streams.partitions[0].held_until
    assert ended_at < held_until - 2
    assert was_held is False
    assert worker.metrics.losses[Loss.expired] == 1
    assert worker.partitions == []
    streams.line.come_back()
    await until(lambda: streams.unfinished == 0)
    await worker.stop()


@in_virtual_time
async def test_short_outage_of_redis_interrupts_nothing() -> None:
    """Handlers go on, acknowledgements are sent when it is back, nothing is handled twice."""
    streams = make_streams(1)
    app, seen = App(), []

    @app.on_message()
    async def handle(message: Message) -> None:
        await asyncio.sleep(0.5)
        seen.append(message.text)

    worker = RunningWorker(streams, app, lease_seconds=9)
    for number in range(10):
        streams.append(f"c:{number}", str(number))
    await until(lambda: len(streams.partitions[0].pending) == 10)
    streams.line.go_away()
    await asyncio.sleep(2)
    streams.line.come_back()
    streams.append("c:0", "last")
    await until(lambda: streams.unfinished == 0)
    assert sorted(seen) == sorted([*map(str, range(10)), "last"])
    assert sum(worker.metrics.losses.values()) == 0
    await worker.stop()


@in_virtual_time
async def test_more_workers_than_partitions_stand_by_and_step_in() -> None:
    """Five workers, two partitions: two own one each, the rest wait; when one dies another does."""
    streams = make_streams(2)
    app, seen = recorder()
    workers = [RunningWorker(streams, app, f"w{n}") for n in range(5)]
    await until(lambda: sum(len(w.partitions) for w in workers) == 2)
    await asyncio.sleep(10)
    assert sorted(len(w.partitions) for w in workers) == [0, 0, 0, 1, 1]
    victim = next(w for w in workers if w.partitions)
    await victim.crash()
    await until(lambda: sum(len(w.partitions) for w in workers if w is not victim) == 2, 5)
    streams.append("a", "1")
    await until(lambda: streams.unfinished == 0)
    assert seen == ["1"]
    for worker in workers:
        if worker is not victim:
            await worker.stop()


@in_virtual_time
async def test_restarted_worker_gets_back_its_partitions() -> None:
    """By its name it is known again, though the process is another."""
    streams = make_streams(8)
    app, _ = recorder()
    workers = {name: RunningWorker(streams, app, name) for name in ("a", "b", "c", "d")}
    await until(lambda: all(len(w.partitions) == 2 for w in workers.values()))
    had = workers["b"].partitions
    await workers["b"].stop()
    await until(lambda: sum(len(w.partitions) for w in workers.values()) == 8)
    workers["b"] = RunningWorker(streams, app, "b")
    await until(lambda: len(workers["b"].partitions) == 2)
    assert workers["b"].partitions == had
    for worker in workers.values():
        await worker.stop()


@in_virtual_time
async def test_storm_of_joins_and_leaves_settles() -> None:
    """Afterwards the shares differ by one at most, and nothing moves any more."""
    streams = make_streams(16)
    app, _ = recorder()
    workers = [RunningWorker(streams, app, f"w{n}") for n in range(12)]
    await asyncio.sleep(0.3)
    for worker in workers[::3]:
        await worker.crash()
    workers = [w for n, w in enumerate(workers) if n % 3]
    workers += [RunningWorker(streams, app, f"x{n}") for n in range(3)]
    await until(lambda: sum(len(w.partitions) for w in workers) == 16)
    await asyncio.sleep(5)
    shares = [len(w.partitions) for w in workers]
    assert max(shares) - min(shares) <= 1
    version = streams.server.version
    acquired = sum(w.metrics.acquired_count for w in workers)
    await asyncio.sleep(60)
    assert streams.server.version == version
    assert sum(w.metrics.acquired_count for w in workers) == acquired
    for worker in workers:
        await worker.stop()


@in_virtual_time
async def test_two_static_workers_with_the_same_partition_take_it_in_turns_only() -> None:
    """Wrongly given the same partitions, one owns each and the other waits for it."""
    streams = make_streams(2)
    app, seen = recorder()
    one = RunningWorker(streams, app, "0", partitions="0,1")
    await until(lambda: one.partitions == [0, 1])
    two = RunningWorker(streams, app, "1", partitions="0,1")
    for number in range(20):
        streams.append(f"c:{number}", str(number))
    await asyncio.sleep(30)
    assert (one.partitions, two.partitions) == ([0, 1], [])
    assert sorted(map(int, seen)) == list(range(20))
    await one.stop()
    await until(lambda: two.partitions == [0, 1], 1)
    await two.stop()


@in_virtual_time
async def test_handler_that_ignores_the_drain_is_cancelled_and_its_message_comes_again() -> None:
    """The drain has a limit; what it cuts short is delivered to the next owner."""
    streams = make_streams(1)
    app, seen = App(), []
    is_patient = True

    @app.on_message()
    async def handle(message: Message, context: Context) -> None:
        if is_patient:
            await asyncio.sleep(3600)
        seen.append((message.text, context.attempt))

    first = RunningWorker(streams, app, "a", handler_timeout_seconds=0, drain_timeout_seconds=5)
    streams.append("a", "long")
    await until(lambda: len(streams.partitions[0].pending) == 1)
    await first.stop()
    assert first.count(Outcome.abandoned) == 1
    assert first.metrics.released_count == 1
    is_patient = False
    second = RunningWorker(streams, app, "b")
    await until(lambda: streams.unfinished == 0)
    assert [text for text, _ in seen] == ["long"]
    await second.stop()


@in_virtual_time
async def test_last_attempt_that_a_drain_cuts_short_comes_again() -> None:
    """A planned stop is not the message's fault; one that failed at each attempt is given up."""
    streams = make_streams(1)
    app, attempts = App(), defaultdict(list)

    @app.on_message()
    async def handle(message: Message, context: Context) -> None:
        attempts[message.text].append(context.attempt)
        if message.text == "bad" or context.attempt == 1:
            raise ValueError("no")
        await asyncio.sleep(5)

    streams.append("a", "cut")
    streams.append("b", "bad")
    settings = {"max_attempts": 2, "drain_timeout_seconds": 1}
    first = RunningWorker(streams, app, "a", **settings)
    await until(lambda: attempts == {"cut": [1, 2], "bad": [1, 2]})
    await asyncio.sleep(0.5)
    await first.stop()
    second = RunningWorker(streams, app, "b", **settings)
    await until(lambda: streams.unfinished == 0)
    assert attempts == {"cut": [1, 2, 2], "bad": [1, 2]}
    assert [(letter.attempts, "ValueError" in letter.error) for letter in streams.dead] == [
        (2, True)
    ]
    await second.stop()


@in_virtual_time
async def test_long_drain_keeps_the_lease() -> None:
    """A handler that needs longer than a lease to finish is waited for; nobody else starts it."""
    streams = make_streams(1)
    app, seen = App(), []

    @app.on_message()
    async def handle(message: Message) -> None:
        await asyncio.sleep(15)
        seen.append(message.text)

    first = RunningWorker(streams, app, "a", drain_timeout_seconds=30)
    streams.append("a", "1")
    await until(lambda: len(streams.partitions[0].pending) == 1)
    second = RunningWorker(streams, app, "b")
    await first.stop()
    await asyncio.sleep(5)
    assert seen == ["1"]
    assert streams.unfinished == 0
    await second.stop()


@in_virtual_time
async def test_stolen_partition_is_let_go_at_once() -> None:
    """When the epoch moves under it, a worker acknowledges nothing and cancels its handlers."""
    streams = make_streams(1)
    app, cancelled = App(), []

    @app.on_message()
    async def handle(message: Message) -> None:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            cancelled.append(message.text)
            raise

    worker = RunningWorker(streams, app, handler_timeout_seconds=0, lease_seconds=9)
    streams.append("a", "1")
    await until(lambda: len(streams.partitions[0].pending) == 1)
    streams.partitions[0].holder = None
    await streams.leases.acquire(0, "thief", 3600)
    await until(lambda: cancelled == ["1"], 9)
    assert streams.partitions[0].acknowledged == []
    assert worker.metrics.losses[Loss.taken] == 1
    assert worker.count(Outcome.abandoned) == 1
    await worker.stop()


@in_virtual_time
async def test_handler_that_outlives_its_lease_is_not_begun_again_beside_itself() -> None:
    """A worker that gets a lost partition back waits for what it still has at work there."""
    streams = make_streams(1)
    app, at_work, most = App(), [], []

    @app.on_message()
    async def handle(message: Message, context: Context) -> None:
        at_work.append(message.text)
        most.append(len(at_work))
        try:
            await asyncio.sleep(3600 if len(most) == 1 else 0)
        except asyncio.CancelledError:
            await asyncio.sleep(30)
            raise
        finally:
            at_work.remove(message.text)

    worker = RunningWorker(streams, app, handler_timeout_seconds=0, lease_seconds=9)
    streams.append("a", "1")
    await until(lambda: len(streams.partitions[0].pending) == 1)
    streams.partitions[0].holder = None
    thief = await streams.leases.acquire(0, "thief", 3600)
    await until(lambda: worker.metrics.losses[Loss.taken] == 1, 9)
    assert at_work == ["1"]
    await streams.leases.release(thief)
    await until(lambda: streams.unfinished == 0, 120)
    assert most == [1, 1]
    await worker.stop()


@in_virtual_time
async def test_context_tells_and_answers() -> None:
    """The context knows the delivery, and answers carry keys that a redelivery repeats."""
    streams = make_streams(1)
    app, contexts = App(), []

    @app.on_message()
    async def handle(_message: Message, context: Context) -> None:
        contexts.append(context)
        await context.publish("out", {"n": 1})
        await context.broadcast(["x", "y"], {"n": 2})
        if context.attempt == 1:
            raise ValueError

    worker = RunningWorker(streams, app, handler_timeout_seconds=7)
    entry = streams.append("a", "1")
    await until(lambda: streams.unfinished == 0)
    first = contexts[0]
    assert (first.entry_id, first.partition, first.worker) == (entry.id, 0, "a")
    assert first.first_seen_at.timestamp() == int(entry.id.split("-")[0]) / 1000
    assert first.deadline is not None
    assert first.is_lease_held
    assert not first.is_stop_requested
    keys = [key for _, _, key in worker.replies.calls]
    assert keys == ["m1:1", "m1:2", "m1:1", "m1:2"]
    await worker.stop()
    assert first.is_stop_requested


@in_virtual_time
async def test_channel_in_trouble_with_a_long_queue_holds_up_nobody() -> None:
    """Ten thousand messages behind a poison one; others pass at full speed, then it goes on."""
    streams = make_streams(1)
    app, seen = App(), defaultdict(list)
    is_cured = False

    @app.on_message()
    async def handle(message: Message) -> None:
        if message.channel == "ill" and not is_cured:
            raise ValueError("not yet")
        seen[message.channel].append(int(message.text))

    worker = RunningWorker(
        streams, app, max_attempts=1000, backoff_max_seconds=5, max_buffered_messages=100
    )
    for number in range(5000):
        streams.append("ill", str(number))
        streams.append(f"well:{number % 20}", str(number))
    await until(lambda: sum(map(len, seen.values())) == 5000, 30)
    assert "ill" not in seen
    is_cured = True
    await until(lambda: streams.unfinished == 0)
    assert seen["ill"] == list(range(5000))
    await worker.stop()


@in_virtual_time
async def test_slow_handler_with_a_long_queue_holds_up_nobody() -> None:
    """The same for a channel whose handler is at work for minutes."""
    streams = make_streams(1)
    app, seen = App(), defaultdict(list)

    @app.on_message()
    async def handle(message: Message) -> None:
        if message.text == "0" and message.channel == "slow":
            await asyncio.sleep(300)
        seen[message.channel].append(int(message.text))

    worker = RunningWorker(streams, app, handler_timeout_seconds=0, max_buffered_messages=100)
    for number in range(3000):
        streams.append("slow", str(number))
    for number in range(1000):
        streams.append(f"well:{number % 20}", str(number))
    await until(lambda: sum(map(len, seen.values())) == 1000, 100)
    assert "slow" not in seen
    await until(lambda: streams.unfinished == 0, 400)
    assert seen["slow"] == list(range(3000))
    await worker.stop()


@in_virtual_time
async def test_reply_that_is_too_large_for_its_time_is_asked_for_in_parts() -> None:
    """Reads that fail ask for less each time, down to a single entry."""
    streams = make_streams(1)
    app, seen = recorder()
    worker = RunningWorker(streams, app)
    await until(lambda: worker.partitions == [0])
    (held,) = worker.worker.ownership.held()
    cycle, counts = held.reader.cycle, []

    async def slow_cycle(acknowledged: list[str], count: int) -> list[Entry]:
        counts.append(count)
        if count > 2:
            raise StreamsUnavailableError("the reply takes too long")
        return await cycle(acknowledged, count)

    held.reader.cycle = slow_cycle
    for number in range(30):
        streams.append(f"c:{number}", str(number))
    await until(lambda: streams.unfinished == 0)
    assert sorted(map(int, seen)) == list(range(30))
    reads = [count for count in counts if count]
    assert reads[reads.index(2) :][:5] == [2, 4, 2, 4, 2]
    await worker.stop()


@in_virtual_time
async def test_huge_entry_delays_no_other_channel() -> None:
    """One of 16 MiB is at work for minutes; a thousand others pass, and it is handled whole."""
    streams = make_streams(1)
    app, seen = App(), []

    @app.on_message("huge")
    async def handle_huge(message: Message) -> None:
        await asyncio.sleep(20)
        seen.append(len(message.text))

    @app.on_message()
    async def handle(message: Message) -> None:
        seen.append(message.text)

    streams.append("huge", "x" * 16 * 2**20)
    for number in range(1000):
        streams.append(f"c:{number % 100}", str(number))
    worker = RunningWorker(streams, app)
    await until(lambda: len(seen) == 1000, 10)
    await until(lambda: streams.unfinished == 0)
    assert seen[-1] == 16 * 2**20
    await worker.stop()
