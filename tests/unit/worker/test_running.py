"""Time limits of handlers, in whole workers and in real threads."""

import asyncio
import contextlib
import threading

import pytest
from structlog.testing import capture_logs

from realtime_message import App, Context, Message
from realtime_message.errors import StuckHandlerError
from realtime_message.telemetry.worker_metrics import Loss, Outcome
from realtime_message.testing.memory.streams import MemoryStreams
from realtime_message.testing.running_worker import RunningWorker
from realtime_message.testing.virtual_time import in_virtual_time, until
from realtime_message.worker import running
from support.either_way import app_of


@in_virtual_time
async def test_each_handler_has_its_own_time() -> None:
    """Of handlers that began at different times each is cancelled at its own limit."""
    loop = asyncio.get_running_loop()
    streams = MemoryStreams(1, loop.time)
    app, took = App(), {}

    @app.on_message()
    async def handle(message: Message) -> None:
        began_at = loop.time()
        try:
            await asyncio.sleep(3600)
        finally:
            took[message.text] = loop.time() - began_at

    worker = RunningWorker(streams, app, handler_timeout_seconds=5, max_attempts=1)
    for number in range(5):
        streams.append(f"c:{number}", str(number))
        await asyncio.sleep(1.3)
    await until(lambda: streams.unfinished == 0)
    assert len(took) == 5
    assert all(5.0 <= seconds < 5.1 for seconds in took.values())
    assert all("took longer" in letter.reason for letter in streams.dead)
    await worker.stop()


@in_virtual_time
async def test_handler_that_swallows_the_cancellation_may_finish() -> None:
    """It is asked once; if it ends well after all, that counts."""
    streams = MemoryStreams(1, asyncio.get_running_loop().time)
    app, seen = App(), []

    @app.on_message()
    async def handle(message: Message, context: Context) -> None:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            await asyncio.sleep(1)
        seen.append((message.text, context.attempt))

    worker = RunningWorker(streams, app, handler_timeout_seconds=2)
    streams.append("a", "1")
    await until(lambda: streams.unfinished == 0)
    assert seen == [("1", 1)]
    streams.append("a", "2")
    await until(lambda: streams.unfinished == 0)
    await worker.stop()


@in_virtual_time
async def test_limit_does_not_reach_into_the_next_message() -> None:
    """The same runner handles the next message undisturbed."""
    streams = MemoryStreams(1, asyncio.get_running_loop().time)
    app, seen = App(), []

    @app.on_message()
    async def handle(message: Message, context: Context) -> None:
        await asyncio.sleep(3600 if (message.text, context.attempt) == ("long", 1) else 0.5)
        seen.append(message.text)

    worker = RunningWorker(streams, app, handler_timeout_seconds=2, concurrency=1)
    for text in ("long", "1", "2"):
        streams.append(text, text)
    await until(lambda: streams.unfinished == 0)
    assert sorted(seen) == ["1", "2", "long"]
    assert worker.count(Outcome.retry) == 1
    await worker.stop()


async def test_thread_over_its_limit_is_named_and_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No second handler of the channel begins while the thread is at work."""
    lines: list[dict[str, object]] = []
    monkeypatch.setattr(
        running.log, "error", lambda event, **fields: lines.append({"event": event, **fields})
    )
    streams = MemoryStreams(1)
    app, seen = App(), []
    go_on = threading.Event()

    @app.on_message()
    def slow_handler(message: Message) -> None:
        if message.text == "slow":
            go_on.wait(10)
        seen.append(message.text)

    worker = RunningWorker(streams, app, handler_timeout_seconds=0.1)
    streams.append("a", "slow")
    streams.append("a", "next")
    streams.append("b", "other")
    await until(lambda: bool(lines) and seen == ["other"])
    go_on.set()
    await until(lambda: streams.unfinished == 0)
    assert seen == ["other", "slow", "next"]
    (line,) = lines
    assert line["event"] == "handler.overdue"
    assert "slow_handler" in str(line["handler"])
    assert "go_on.wait(10)" in str(line["stack"])
    assert worker.count(Outcome.retry) == 0
    await worker.stop()


@pytest.mark.parametrize("is_batch", [False, True])
async def test_partition_is_not_handed_over_while_a_thread_is_at_work(is_batch: bool) -> None:
    """The drain waits; in the end it leaves without a release, so that nobody begins the same."""
    streams = MemoryStreams(1)
    go_on, begun = threading.Event(), threading.Event()

    def handle(_messages: list[Message]) -> None:
        begun.set()
        go_on.wait(30)

    app = app_of(handle, is_batch=is_batch)
    worker = RunningWorker(streams, app, drain_timeout_seconds=0.1)
    streams.append("a", "slow")
    await until(begun.is_set)
    await worker.stop()
    assert worker.metrics.released_count == 0
    assert streams.partitions[0].holder is not None
    go_on.set()


@in_virtual_time
async def test_handler_that_outlives_its_lease_for_ever_ends_the_worker() -> None:
    """The log names it; another worker goes on, which was not assigned the partition before."""
    streams = MemoryStreams(1, asyncio.get_running_loop().time)
    app, seen = App(), []
    go_on = asyncio.Event()

    @app.on_message()
    async def stubborn(message: Message) -> None:
        seen.append(message.text)
        while len(seen) == 1 and not go_on.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await go_on.wait()

    with capture_logs() as logs:
        first = RunningWorker(streams, app, "a", max_blocked_seconds=20, handler_timeout_seconds=0)
        streams.append("a", "1")
        await until(lambda: seen == ["1"])
        second = RunningWorker(streams, app, "b", handler_timeout_seconds=0)
        (held,) = first.worker.ownership.held()
        held.hold.lose(Loss.taken)
        await asyncio.sleep(19)
        assert first.worker.health()[0]
        assert seen == ["1"]
        asyncio.get_running_loop().call_later(30, go_on.set)  # not for ever if this fails
        await until(lambda: first.worker.failure.error is not None, 2)
        assert not first.worker.health()[0]
        with pytest.raises(StuckHandlerError, match=r"stubborn did not end in 20 s"):
            await first.task
    (line,) = [line for line in logs if line["event"] == "partition.waits_for_handlers"]
    assert "stubborn" in line["handlers"]
    assert first.metrics.released_count == 0
    await until(lambda: streams.unfinished == 0, 15)
    assert seen == ["1", "1"]
    await second.stop()


@pytest.mark.parametrize("is_batch", [False, True])
async def test_thread_that_outlives_its_lease_is_waited_for(is_batch: bool) -> None:
    """The worker that gets the partition back does not begin the same beside itself."""
    streams = MemoryStreams(1)
    begun = []
    go_on = threading.Event()

    def handle(_messages: list[Message]) -> None:
        begun.append(1)
        go_on.wait(30)

    worker = RunningWorker(streams, app_of(handle, is_batch=is_batch))
    streams.append("a")
    await until(lambda: begun == [1])
    (held,) = worker.worker.ownership.held()
    held.hold.lose(Loss.taken)
    await until(lambda: worker.partitions == [])
    await asyncio.sleep(0.5)
    assert begun == [1]
    go_on.set()
    await until(lambda: streams.unfinished == 0)
    assert begun == [1, 1]
    await worker.stop()
