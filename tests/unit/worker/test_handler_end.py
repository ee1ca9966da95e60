"""Whatever a handler raises: it costs its message an attempt, and no worker more than that."""

import asyncio
import contextvars
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from realtime_message import App, Message, Reject, Retry
from realtime_message.telemetry.worker_metrics import Outcome
from realtime_message.testing.memory.streams import MemoryStreams
from realtime_message.testing.running_worker import RunningWorker
from realtime_message.testing.virtual_time import in_virtual_time, run_in_virtual_time, until
from realtime_message.worker.settle import Settler
from support.either_way import app_of


class UnreadableError(Exception):
    """Its text cannot be had."""

    def __str__(self) -> str:
        return self.args[0]["detail"]


class NumberError(Exception):
    """Its text is none."""

    def __str__(self) -> str:
        return 5  # type: ignore[return-value]  # noqa: PLE0307 - the point


ODD: dict[str, tuple[Callable[[], BaseException], str]] = {
    "a text for a time": (lambda: Retry("database is away"), "TypeError: Retry: after_seconds"),
    "a timedelta": (lambda: Retry(timedelta(seconds=1)), "TypeError: Retry: after_seconds"),
    "no end": (lambda: Retry(float("inf")), "ValueError: Retry: after_seconds must be finite"),
    "an error as a reason": (lambda: Reject(ValueError("x")), "TypeError: Reject: the reason"),
    "no reason": (lambda: Reject(None), "TypeError: Reject: the reason must be text"),
    "a retry without a reason": (lambda: Retry(reason=None), "TypeError: Retry: the reason"),
    "a name that is no Unicode": (
        lambda: FileNotFoundError(2, "No such file", "/data/\udce4.txt"),
        "FileNotFoundError: [Errno 2] No such file: ",
    ),
    "a text that is no Unicode": (lambda: ValueError("file \udce4"), "ValueError: file \\udce4"),
    "a reason that is no Unicode": (lambda: Reject("file \udce4"), "file \\udce4"),
    "a retry that is no Unicode": (lambda: Retry(reason="file \udce4"), "file \\udce4"),
    "an unreadable error": (lambda: UnreadableError("no detail"), "UnreadableError"),
    "an error whose text is a number": (NumberError, "NumberError"),
}


@pytest.mark.parametrize("kind", ODD)
@pytest.mark.parametrize("is_batch", [False, True])
def test_odd_error_is_an_attempt_and_then_a_dead_letter(kind: str, is_batch: bool) -> None:
    """With a reason and a traceback that can be stored; the channel goes on, the worker lives."""
    make_error, reason = ODD[kind]

    async def check() -> None:
        streams = MemoryStreams(1, asyncio.get_running_loop().time)
        seen = []

        async def handle(messages: list[Message]) -> None:
            for message in messages:
                if message.text == "odd":
                    raise make_error()
                seen.append(message.text)

        worker = RunningWorker(streams, app_of(handle, is_batch=is_batch), max_attempts=2)
        streams.append("a", "odd")
        streams.append("a", "next")
        await until(lambda: streams.unfinished == 0)
        (letter,) = streams.dead
        assert letter.reason.startswith(reason)
        assert f"{letter.reason}{letter.error}".encode()
        assert seen == ["next"]
        await worker.stop()

    run_in_virtual_time(check())


class PanicError(BaseException):
    """No Exception, as what extensions in Rust raise when they panic."""


async def await_what_somebody_cancels() -> None:
    task = asyncio.ensure_future(asyncio.sleep(60))
    asyncio.get_running_loop().call_later(0.01, task.cancel)
    await task


async def cancel_oneself() -> None:
    asyncio.current_task().cancel()
    await asyncio.sleep(0.01)


def raising(error: BaseException) -> Callable[[], Awaitable[None]]:
    async def fail() -> None:
        raise error

    return fail


RARE: dict[str, Callable[[], Awaitable[None]]] = {
    "a panic": raising(PanicError("in Rust")),
    "a group with a panic": raising(BaseExceptionGroup("several", [PanicError("in Rust")])),
    "an exit": raising(SystemExit(1)),
    "a cancelled error": raising(asyncio.CancelledError()),
    "something cancelled": await_what_somebody_cancels,
    "its own task cancelled": cancel_oneself,
}


@pytest.mark.parametrize("kind", RARE)
@pytest.mark.parametrize("is_batch", [False, True])
def test_rare_end_is_a_failure_like_others(kind: str, is_batch: bool) -> None:
    """The message is tried again soon, in its place, and nothing is lost with it."""

    async def check() -> None:
        streams = MemoryStreams(1, asyncio.get_running_loop().time)
        seen, attempts = [], []

        async def handle(messages: list[Message]) -> None:
            attempts.append([message.text for message in messages])
            if len(attempts) == 1:
                await RARE[kind]()
            seen.extend(message.text for message in messages)

        worker = RunningWorker(streams, app_of(handle, is_batch=is_batch))
        for text in ("1", "2", "3"):
            streams.append("a", text)
        await until(lambda: streams.unfinished == 0, 5)
        assert seen == ["1", "2", "3"]
        # A batch of several may be tried in halves instead.
        assert worker.count(Outcome.retry) == 1 or is_batch
        assert not any(worker.metrics.losses.values())
        await worker.stop()

    run_in_virtual_time(check())


@pytest.mark.parametrize("is_batch", [False, True])
async def test_panic_in_a_thread_is_a_failure_like_others(is_batch: bool) -> None:
    """It reaches the worker, and ends neither the thread nor the worker."""
    streams = MemoryStreams(1)
    attempts = []

    def handle(_messages: list[Message]) -> None:
        attempts.append(1)
        if len(attempts) == 1:
            raise PanicError("in Rust")

    app = app_of(handle, is_batch=is_batch)
    worker = RunningWorker(streams, app, backoff_initial_seconds=0.01)
    streams.append("a")
    await until(lambda: streams.unfinished == 0, 10)
    assert len(attempts) == 2
    await worker.stop()


class Array:
    """Like an array of numbers: there is no single answer to whether it equals another one."""

    __hash__ = None

    def __eq__(self, other: object) -> bool:
        raise ValueError("the truth value of an array is ambiguous")


ARRAY: contextvars.ContextVar[object] = contextvars.ContextVar("array")


@in_virtual_time
async def test_context_variable_that_cannot_be_compared_is_a_changed_one() -> None:
    """It ends no worker, and does not reach the next message."""
    before = Array()
    ARRAY.set(before)
    streams = MemoryStreams(1, asyncio.get_running_loop().time)
    app, seen = App(), []

    @app.on_message()
    async def handle(message: Message) -> None:
        seen.append((message.text, ARRAY.get() is before))
        ARRAY.set(Array())

    worker = RunningWorker(streams, app)
    for text in ("1", "2", "3"):
        streams.append("a", text)
    await until(lambda: streams.unfinished == 0, 5)
    assert seen == [("1", True), ("2", True), ("3", True)]
    await worker.stop()


def break_settling(monkeypatch: pytest.MonkeyPatch) -> None:
    def settle_failed(*_: Any) -> None:
        raise LookupError("a defect")

    monkeypatch.setattr(Settler, "_settle_failed", settle_failed)


@pytest.mark.parametrize("is_batch", [False, True])
def test_message_at_which_we_fail_is_given_up_in_the_end(
    monkeypatch: pytest.MonkeyPatch, is_batch: bool
) -> None:
    """A worker that ends over it hands nothing over in order: the next one counts the attempt."""
    break_settling(monkeypatch)

    async def check() -> None:
        streams = MemoryStreams(1, asyncio.get_running_loop().time)
        calls = []

        async def handle(_messages: list[Message]) -> None:
            calls.append(1)
            raise ValueError("poison")

        app = app_of(handle, is_batch=is_batch)
        streams.append("a", "poison")
        for number in range(8):
            worker = RunningWorker(streams, app, f"w{number}", max_attempts=3, lease_seconds=1)
            await until(lambda w=worker: w.task.done() or streams.unfinished == 0)
            if not worker.task.done():
                await worker.stop()
                break
            assert isinstance(worker.task.exception(), LookupError)
            assert worker.metrics.released_count == 0
        (letter,) = streams.dead
        assert letter.attempts == 3
        assert 3 <= len(calls) <= 4

    run_in_virtual_time(check())


@in_virtual_time
async def test_defect_met_at_the_end_of_a_drain_is_no_hand_over_in_order() -> None:
    """Nobody may take the message for one that had not begun."""
    streams = MemoryStreams(1, asyncio.get_running_loop().time)
    app = App()
    go_on = asyncio.Event()

    @app.on_message()
    async def handle(_message: Message) -> None:
        await go_on.wait()
        raise ValueError("poison")

    worker = RunningWorker(streams, app)
    streams.append("a", "poison")
    await until(lambda: len(worker.worker.handling.running) == 1)
    worker.ask_to_stop()
    (held,) = worker.worker.ownership.held()
    await until(lambda: held.is_draining)

    async def record_attempt(*_: object) -> None:
        raise LookupError("a defect")

    held.reader.record_attempt = record_attempt
    go_on.set()
    with pytest.raises(LookupError):
        await worker.task
    assert worker.metrics.released_count == 0
    assert streams.partitions[0].holder is not None
