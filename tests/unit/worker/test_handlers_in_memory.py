"""Typed payloads, resources, middleware and batches, in whole workers in memory."""

import asyncio
import functools
import threading
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable

import msgspec
import pytest

from realtime_message import App, Context, Message, Reject, Retry
from realtime_message.app import open_resources
from realtime_message.errors import AppError, StartupError
from realtime_message.message import encode_message
from realtime_message.telemetry.worker_metrics import Loss, Outcome
from realtime_message.testing.memory.streams import MemoryStreams, make_message
from realtime_message.testing.running_worker import RunningWorker
from realtime_message.testing.virtual_time import in_virtual_time, until
from realtime_message.worker.held_partition import HeldPartition


class Said(msgspec.Struct):
    """What the messages of these tests carry."""

    text: str


class Number(msgspec.Struct):
    """What they do not."""

    number: int


def make_streams(partition_count: int = 1) -> MemoryStreams:
    return MemoryStreams(partition_count, asyncio.get_running_loop().time)


@in_virtual_time
async def test_payload_arrives_as_the_type_of_the_annotation() -> None:
    """Beside the message, the context and a resource, if the handler wants them."""
    streams = make_streams()
    app, seen = App(), []

    @app.on_message("both:*")
    async def both(said: Said, message: Message, pool: list[str], context: Context) -> None:
        seen.append((said, message.channel, pool, context.attempt))

    @app.on_message("plain:*")
    async def plain(said: dict) -> None:
        seen.append(said)

    app.resources["pool"] = None
    worker = RunningWorker(streams, app, resources={"pool": ["p"]})
    streams.append("both:1", "hello")
    streams.append("plain:1", "there")
    await until(lambda: streams.unfinished == 0)
    assert (Said("hello"), "both:1", ["p"], 1) in seen
    assert {"text": "there"} in seen
    await worker.stop()


@in_virtual_time
async def test_context_shows_what_a_user_may_use() -> None:
    """Printed, it has the attributes of its documentation and nothing else."""
    streams = make_streams()
    app, seen = App(), []

    @app.on_message()
    async def handle(message: Message, context: Context) -> None:
        seen.append(repr(context))

    worker = RunningWorker(streams, app)
    streams.append("a")
    await until(lambda: streams.unfinished == 0)
    (shown,) = seen
    assert shown.startswith("Context(entry_id='")
    assert "_" not in shown.replace("entry_id", "")
    assert "attempt=1" in shown
    await worker.stop()


@in_virtual_time
async def test_payload_that_does_not_fit_is_a_dead_letter_and_no_retry_loop() -> None:
    """At the first attempt, with the reason."""
    streams = make_streams()
    app = App()

    @app.on_message()
    async def handle(number: Number) -> None:
        raise AssertionError(number)

    worker = RunningWorker(streams, app)
    streams.append("a", "x")
    deep = msgspec.structs.replace(make_message("a"), raw='{"other":' + "[" * 20_000)
    streams.append("a", payload=encode_message(deep))
    await until(lambda: streams.unfinished == 0)
    plain, nested = streams.dead
    assert plain.reason.startswith("the payload does not fit Number: Object missing required")
    assert nested.reason.startswith("the payload does not fit Number")
    assert worker.count(Outcome.retry) == 0
    await worker.stop()


async def test_sync_handlers_run_in_threads_and_get_the_same() -> None:
    """Their errors are outcomes too."""
    streams = MemoryStreams(1)
    app, seen = App(), []

    @app.on_message("ok:*")
    def handle(said: Said, context: Context) -> None:
        seen.append((said.text, context.attempt, threading.current_thread().name[:7]))

    @app.on_message("bad:*")
    def refuse(_message: Message) -> None:
        raise Reject("no")

    worker = RunningWorker(streams, app)
    streams.append("ok:1", "hello")
    streams.append("bad:1")
    await until(lambda: streams.unfinished == 0)
    assert seen == [("hello", 1, "handler")]
    assert [letter.reason for letter in streams.dead] == ["no"]
    await worker.stop()


async def test_coroutine_function_behind_an_ordinary_function_is_awaited() -> None:
    """A decorator, a lambda: nothing is acknowledged before the coroutine has ended."""
    streams = MemoryStreams(1)
    app, seen = App(), []
    go_on = asyncio.Event()

    def decorated(function: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
        @functools.wraps(function)
        def wrapper(*given: object, **named: object) -> Awaitable[None]:
            return function(*given, **named)

        return wrapper

    @app.on_message("one:*")
    @decorated
    async def handle(message: Message) -> None:
        await go_on.wait()
        seen.append(message.text)

    @app.on_batch("batch:*")
    @decorated
    async def handle_batch(messages: list[Message]) -> None:
        await go_on.wait()
        seen.extend(message.text for message in messages)

    worker = RunningWorker(streams, app)
    streams.append("one:1", "one")
    streams.append("batch:1", "batch")
    await until(lambda: len(worker.worker.handling.running) == 1, 10)
    await until(lambda: any(h.batch_handlers_at_work for h in worker.worker.ownership.held()))
    await asyncio.sleep(0.05)
    assert streams.unfinished == 2
    go_on.set()
    await until(lambda: streams.unfinished == 0)
    assert sorted(seen) == ["batch", "one"]
    await worker.stop()


async def test_coroutine_function_behind_a_decorator_has_its_time_limit() -> None:
    """Once the thread has returned it, it is cancelled like any other, and tried again."""
    streams = MemoryStreams(1)
    app, attempts = App(), []

    async def work(message: Message, context: Context) -> None:
        attempts.append((message.channel, context.attempt))
        await asyncio.sleep(60 if context.attempt == 1 else 0)

    def handle(message: Message, context: Context) -> Awaitable[None]:
        return work(message, context)

    app.on_message("one:*")(handle)
    worker = RunningWorker(streams, app, handler_timeout_seconds=0.1, backoff_initial_seconds=0.01)
    streams.append("one:1")
    await until(lambda: streams.unfinished == 0, 10)
    assert attempts == [("one:1", 1), ("one:1", 2)]
    assert worker.count(Outcome.retry) == 1
    await worker.stop()


@in_virtual_time
async def test_middleware_wraps_every_handler_first_one_outermost() -> None:
    """It sees what is raised, shares the context, and may keep the handler from running."""
    streams = make_streams()
    app, seen = App(), []

    @app.middleware
    async def outer(
        message: Message, context: Context, call_next: Callable[[], Awaitable[None]]
    ) -> None:
        seen.append(f"outer {message.text} {context.attempt}")
        try:
            await call_next()
        finally:
            seen.append("outer end")

    @app.middleware
    async def inner(message: Message, _context: Context, call_next: Callable[[], object]) -> None:
        if message.text != "kept":
            await call_next()

    @app.on_message()
    async def handle(message: Message) -> None:
        seen.append(f"handler {message.text}")
        if message.text == "bad":
            raise Reject("no")

    worker = RunningWorker(streams, app)
    for text in ("fine", "bad", "kept"):
        streams.append("a", text)
    await until(lambda: streams.unfinished == 0)
    assert seen == [
        *("outer fine 1", "handler fine", "outer end"),
        *("outer bad 1", "handler bad", "outer end"),
        *("outer kept 1", "outer end"),
    ]
    assert len(streams.dead) == 1
    await worker.stop()


async def test_resources_are_opened_in_order_and_closed_in_the_other() -> None:
    """Generators close, functions only return; what opened before a failure is closed."""
    app, seen = App(), []

    @app.resource
    async def pool() -> AsyncIterator[str]:
        seen.append("open pool")
        yield "pool"
        seen.append("close pool")

    @app.resource
    def repository(pool: str) -> str:
        return f"repository on {pool}"

    async with open_resources(app) as resources:
        assert resources == {"pool": "pool", "repository": "repository on pool"}
    with pytest.raises(KeyError):
        async with open_resources(app):
            raise KeyError
    assert seen == ["open pool", "close pool"] * 2

    @app.resource
    async def broken(pool: str) -> str:
        raise ConnectionError("no route")

    with pytest.raises(StartupError, match='"broken" could not be opened: ConnectionError: no'):
        async with open_resources(app):
            pass
    assert seen == ["open pool", "close pool"] * 3


@in_virtual_time
async def test_handler_that_nothing_fits_stops_the_start() -> None:
    """A worker that cannot call its handlers does not run."""
    app = App()

    @app.on_message()
    async def handle(message: Message, pool: object, other: object) -> None: ...

    with pytest.raises(AppError, match='nothing fits the parameter "other'):
        RunningWorker(make_streams(), app)


class Batches:
    """A batch handler that notes what it gets, and fails as the test says."""

    def __init__(self, *, max_messages: int = 200, max_wait_seconds: float = 0.05) -> None:
        self.app = App()
        self.calls: list[list[str]] = []
        self.handled: dict[str, list[str]] = defaultdict(list)
        self.fail: Callable[[list[str]], None] = lambda texts: None
        self.work_seconds = 0.0

        @self.app.on_batch(max_messages=max_messages, max_wait_seconds=max_wait_seconds)
        async def handle(messages: list[Message]) -> None:
            texts = [message.text for message in messages]
            self.calls.append(texts)
            await asyncio.sleep(self.work_seconds)
            self.fail(texts)
            for message in messages:
                self.handled[message.channel].append(message.text)


@in_virtual_time
async def test_messages_are_gathered_for_a_moment() -> None:
    """Those of many channels and of one busy channel, those of a channel in order."""
    streams, batches = make_streams(), Batches()
    worker = RunningWorker(streams, batches.app)
    await until(lambda: worker.partitions == [0])
    for number in range(60):
        streams.append(f"c:{number % 3}", str(number))
    await until(lambda: streams.unfinished == 0)
    assert len(batches.calls) <= 2
    for channel in range(3):
        assert batches.handled[f"c:{channel}"] == [str(n) for n in range(channel, 60, 3)]
    assert worker.count(Outcome.ack) == 60
    await worker.stop()


@in_virtual_time
async def test_no_batch_waits_while_its_channels_have_more() -> None:
    """Also when the first messages of many channels came while the batch before was at work."""
    streams, batches = make_streams(), Batches(max_messages=20, max_wait_seconds=30)
    for number in range(100):
        streams.append(f"c:{number // 4}", str(number))
    worker = RunningWorker(streams, batches.app)
    await until(lambda: streams.unfinished == 0, 5)
    assert [len(texts) for texts in batches.calls] == [20] * 5
    for channel in range(25):
        assert batches.handled[f"c:{channel}"] == [str(4 * channel + n) for n in range(4)]
    await worker.stop()


@in_virtual_time
async def test_batch_is_never_larger_than_its_rule() -> None:
    """And a full one does not wait."""
    streams, batches = make_streams(), Batches(max_messages=7, max_wait_seconds=3600)
    worker = RunningWorker(streams, batches.app)
    for number in range(70):
        streams.append(f"c:{number % 10}", str(number))
    await until(lambda: streams.unfinished == 0, 1)
    assert {len(texts) for texts in batches.calls} == {7}
    await worker.stop()


@in_virtual_time
async def test_few_messages_wait_no_longer_than_the_rule_says() -> None:
    """A lone message is handled after max_wait_seconds."""
    streams, batches = make_streams(), Batches(max_wait_seconds=2.0)
    loop = asyncio.get_running_loop()
    worker = RunningWorker(streams, batches.app)
    await until(lambda: worker.partitions == [0])
    streams.append("a", "1")
    began_at = loop.time()
    await until(lambda: streams.unfinished == 0)
    assert 1.9 <= loop.time() - began_at <= 2.2
    await worker.stop()


@in_virtual_time
async def test_failing_batch_is_narrowed_to_the_failing_message() -> None:
    """All others are handled; the later ones of its channel wait for it."""
    streams, batches = make_streams(), Batches()
    attempts = 0

    def fail(texts: list[str]) -> None:
        nonlocal attempts
        if "13" in texts:
            attempts += texts == ["13"]
            if attempts < 3:
                raise ValueError("13 is bad luck")

    batches.fail = fail
    worker = RunningWorker(streams, batches.app)
    await until(lambda: worker.partitions == [0])
    for number in range(40):
        streams.append(f"c:{number % 4}", str(number))
    await until(lambda: streams.unfinished == 0)
    for channel in range(4):
        assert batches.handled[f"c:{channel}"] == [str(n) for n in range(channel, 40, 4)]
    assert not streams.dead
    assert worker.count(Outcome.retry) == 2
    await worker.stop()


@in_virtual_time
async def test_poison_in_a_batch_becomes_the_only_dead_letter() -> None:
    """After its attempts, and its channel goes on."""
    streams, batches = make_streams(), Batches()

    def fail(texts: list[str]) -> None:
        if "5" in texts:
            raise ValueError("poison")

    batches.fail = fail
    worker = RunningWorker(streams, batches.app, max_attempts=3)
    for number in range(20):
        streams.append("a", str(number))
    await until(lambda: streams.unfinished == 0)
    assert batches.handled["a"] == [str(n) for n in range(20) if n != 5]
    assert [letter.attempts for letter in streams.dead] == [3]
    await worker.stop()


@in_virtual_time
@pytest.mark.parametrize("error", [ConnectionError("the database is away"), Retry(1.0)])
async def test_outage_is_not_looked_into(error: Exception) -> None:
    """A lost connection is nobody's fault: the whole batch comes again, halves are not tried."""
    streams, batches = make_streams(), Batches()
    calls = 0

    def fail(_texts: list[str]) -> None:
        nonlocal calls
        calls += 1
        if calls <= 2:
            raise error

    batches.fail = fail
    worker = RunningWorker(streams, batches.app)
    for number in range(50):
        streams.append(f"c:{number % 5}", str(number))
    await until(lambda: streams.unfinished == 0)
    assert sum(len(texts) == 1 for texts in batches.calls) == 0
    for channel in range(5):
        assert batches.handled[f"c:{channel}"] == [str(n) for n in range(channel, 50, 5)]
    await worker.stop()


@in_virtual_time
async def test_batch_over_its_time_limit_is_cancelled() -> None:
    """And comes again as a whole."""
    streams, batches = make_streams(), Batches()
    batches.work_seconds = 60.0
    worker = RunningWorker(streams, batches.app, handler_timeout_seconds=5)
    streams.append("a", "1")
    await until(lambda: worker.count(Outcome.retry) == 1, 10)
    batches.work_seconds = 0.0
    await until(lambda: streams.unfinished == 0)
    assert batches.handled["a"] == ["1"]
    await worker.stop()


@in_virtual_time
async def test_typed_batch_leaves_out_what_does_not_fit() -> None:
    """A misfit is a dead letter; the rest of the batch is handled."""
    streams = make_streams()
    app, seen = App(), []

    class Word(msgspec.Struct):
        text: str

        def __post_init__(self) -> None:
            if self.text == "bad":
                raise ValueError("bad word")

    @app.on_batch()
    async def handle(words: list[Word]) -> None:  # type: ignore[valid-type]
        seen.extend(word.text for word in words)

    handle.__annotations__["words"] = list[Word]
    worker = RunningWorker(streams, app)
    for text in ("one", "bad", "two"):
        streams.append("a", text)
    await until(lambda: streams.unfinished == 0)
    assert seen == ["one", "two"]
    (letter,) = streams.dead
    assert "does not fit Word: bad word" in letter.reason
    await worker.stop()


@in_virtual_time
async def test_type_that_fails_in_its_own_way_is_a_failure_of_its_message() -> None:
    """Any error of a payload type: the message is tried again and given up, the rest goes on."""
    streams, app, seen = make_streams(), App(), []

    class Known(msgspec.Struct):
        text: str

        def __post_init__(self) -> None:
            if self.text == "bad":
                raise SystemExit(self.text)

    @app.on_batch()
    async def handle(words: list[Known]) -> None:  # type: ignore[valid-type]
        seen.extend(word.text for word in words)

    handle.__annotations__["words"] = list[Known]
    worker = RunningWorker(streams, app, max_attempts=2)
    for channel, text in (("a", "one"), ("a", "bad"), ("a", "two"), ("b", "three")):
        streams.append(channel, text)
    await until(lambda: streams.unfinished == 0)
    assert sorted(seen) == ["one", "three", "two"]
    (letter,) = streams.dead
    assert letter.reason == "SystemExit: bad (attempt 2 of 2)"
    await worker.stop()


@in_virtual_time
async def test_drain_waits_for_the_batch_at_work_and_leaves_the_rest() -> None:
    """What is gathered and not begun is for the next owner; nothing is handled twice."""
    streams, batches = make_streams(), Batches(max_messages=10)
    batches.work_seconds = 2.0
    first = RunningWorker(streams, batches.app, "a")
    for number in range(45):
        streams.append(f"c:{number % 15}", str(number))
    await until(lambda: len(batches.calls) == 1)
    await first.stop()
    assert sum(map(len, batches.handled.values())) == 10
    batches.work_seconds = 0.0
    second = RunningWorker(streams, batches.app, "b")
    await until(lambda: streams.unfinished == 0)
    for channel in range(15):
        assert batches.handled[f"c:{channel}"] == [str(n) for n in range(channel, 45, 15)]
    await second.stop()


@in_virtual_time
async def test_batch_that_the_drain_waits_for_in_vain_is_cut_short() -> None:
    """Its messages come again, in order."""
    streams, batches = make_streams(), Batches()
    batches.work_seconds = 3600.0
    first = RunningWorker(
        streams, batches.app, "a", drain_timeout_seconds=3, handler_timeout_seconds=0
    )
    for number in range(6):
        streams.append("a", str(number))
    await until(lambda: len(batches.calls) == 1)
    await first.stop()
    assert first.metrics.released_count == 1
    assert first.count(Outcome.abandoned) == 6
    batches.work_seconds = 0.0
    second = RunningWorker(streams, batches.app, "b")
    await until(lambda: streams.unfinished == 0)
    assert batches.handled["a"] == [str(n) for n in range(6)]
    await second.stop()


@in_virtual_time
async def test_what_a_batch_had_done_when_it_was_cut_short_is_not_done_again() -> None:
    """Of a failing batch that is tried in halves, those that went well are acknowledged."""
    streams, batches = make_streams(), Batches()

    def fail(texts: list[str]) -> None:
        if len(texts) > 1:
            raise ValueError("one of them is no good")
        if texts == ["0"]:
            batches.work_seconds = 3600.0

    batches.fail = fail
    first = RunningWorker(streams, batches.app, "a", drain_timeout_seconds=3)
    for number in range(2):
        streams.append("a", str(number))
    await until(lambda: len(batches.calls) == 3)
    await first.stop()
    assert first.metrics.released_count == 1
    batches.work_seconds, batches.fail = 0.0, lambda texts: None
    second = RunningWorker(streams, batches.app, "b")
    await until(lambda: streams.unfinished == 0)
    assert batches.handled["a"] == ["0", "1"]
    await second.stop()


@in_virtual_time
async def test_batch_does_not_begin_when_the_lease_has_run_out() -> None:
    """As when the process stood still while it waited for more: another worker may be at it."""
    streams, batches = make_streams(), Batches(max_wait_seconds=1.0)
    worker = RunningWorker(streams, batches.app)
    streams.append("a", "0")

    def gathering() -> list[HeldPartition]:
        held = worker.worker.ownership.held()
        return [h for h in held if any(b.is_gathering for b in h._batchers.values())]

    await until(lambda: bool(gathering()))
    (held,) = gathering()
    held.hold.until = 0.0
    for batcher in held._batchers.values():
        batcher._begin()
    for _ in range(5):
        await asyncio.sleep(0)
    assert batches.calls == []
    await until(lambda: streams.unfinished == 0)
    assert batches.calls == [["0"]]
    await worker.stop()


@in_virtual_time
async def test_batch_that_outlives_its_lease_is_waited_for() -> None:
    """What it does at its end is not interrupted, and the batch does not begin beside itself."""
    streams, app, said = make_streams(), App(), []

    @app.on_batch(max_wait_seconds=0)
    async def handle(_messages: list[Message]) -> None:
        said.append("begins")
        try:
            await asyncio.sleep(3600 if len(said) == 1 else 0)
        finally:
            await asyncio.sleep(30)
            said.append("ends")

    worker = RunningWorker(streams, app, handler_timeout_seconds=0)
    streams.append("a")
    await until(lambda: said == ["begins"])
    (held,) = worker.worker.ownership.held()
    held.hold.lose(Loss.taken)
    await until(lambda: streams.unfinished == 0, 300)
    assert said == ["begins", "ends"] * 2
    await worker.stop()


@in_virtual_time
async def test_crash_in_a_batch_loses_nothing() -> None:
    """All of it is delivered again."""
    streams, batches = make_streams(), Batches()
    batches.work_seconds = 3600.0
    first = RunningWorker(streams, batches.app, "a", lease_seconds=1, handler_timeout_seconds=0)
    for number in range(30):
        streams.append(f"c:{number % 3}", str(number))
    await until(lambda: len(batches.calls) == 1)
    await first.crash()
    batches.work_seconds = 0.0
    second = RunningWorker(streams, batches.app, "b", lease_seconds=1)
    await until(lambda: streams.unfinished == 0)
    for channel in range(3):
        assert batches.handled[f"c:{channel}"] == [str(n) for n in range(channel, 30, 3)]
    await second.stop()
