"""The harness for users' tests: what became of messages, without servers and without waiting."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import uvloop

from realtime_message import App, Context, Message, Reject, Retry, Skip
from realtime_message.app import Resource
from realtime_message.errors import AppError, StartupError
from realtime_message.telemetry.worker_metrics import Outcome
from realtime_message.testing import NotIdleError, WorkerHarness


def failing_app(failures: int) -> tuple[App, list[int]]:
    """An app whose handler fails so many times, and the attempts that it saw."""
    app, attempts = App(), []

    @app.on_message("chat:*")
    async def handle(message: Message, context: Context) -> None:
        attempts.append(context.attempt)
        if len(attempts) <= failures:
            raise ValueError("no")

    return app, attempts


async def test_a_published_message_is_handled() -> None:
    """The handler gets what was published; idle means that it is done."""
    app, seen = App(), []

    @app.on_message("chat:*")
    async def handle(message: Message) -> None:
        seen.append((message.channel, message.user_id, message.user_name, message.text))

    async with WorkerHarness(app) as harness:
        sent = await harness.publish("chat:1", {"text": "hi"}, user="u", user_name="Ann")
        await harness.run_until_idle()
        assert seen == [("chat:1", "u", "Ann", "hi")]
        assert harness.handled == [sent] == harness.handled_in("chat:1")
        (attempt,) = harness.attempts_of(sent)
        assert (attempt.number, attempt.outcome) == (1, Outcome.ack)
        assert harness.streams.unfinished == 0


async def test_hours_of_back_off_take_no_real_time() -> None:
    """Retries come at once, in the worker's own time after their delay."""
    app, began = App(), []

    @app.on_message()
    async def handle(message: Message) -> None:
        began.append(asyncio.get_running_loop().time())
        if len(began) < 4:
            raise Retry(after_seconds=1800)

    async with WorkerHarness(app) as harness:
        message = await harness.publish("c", {})
        await harness.run_until_idle(60)
        assert [a.outcome for a in harness.attempts_of(message)] == ["retry"] * 3 + ["ack"]
    assert began[-1] - began[0] >= 3 * 1800


async def test_message_that_fails_for_good_is_a_dead_letter() -> None:
    """With the reason, the end of the traceback, and how often it was tried."""
    app, attempts = failing_app(99)
    async with WorkerHarness(app, max_attempts=3) as harness:
        message = await harness.publish("chat:1", {"text": "x"})
        await harness.run_until_idle()
        (letter,) = harness.dead_letters
    assert attempts == [1, 2, 3]
    assert letter.message == message
    assert letter.attempts == 3
    assert "ValueError: no" in letter.reason
    assert "Traceback" in letter.error


async def test_signals_are_seen_in_the_outcomes() -> None:
    """Skip, Reject and an unhandled channel, each by its name."""
    app = App()

    @app.on_message("skip:*")
    async def skip(message: Message) -> None:
        raise Skip

    @app.on_message("reject:*")
    async def reject(message: Message) -> None:
        raise Reject("never")

    async with WorkerHarness(app) as harness:
        for channel in ("skip:1", "reject:1", "other"):
            await harness.publish(channel, 1)
        await harness.run_until_idle()
        outcomes = {a.message.channel: a.outcome for a in harness.attempts}
        assert [letter.reason for letter in harness.dead_letters] == ["never"]
    assert outcomes == {"skip:1": "skip", "reject:1": "dead_letter", "other": "unhandled"}


async def test_parked_channel_is_shown_and_resumed() -> None:
    """Under halt_channel the later messages are set aside, and come when it goes on."""
    app, seen = App(), []

    @app.on_message()
    async def handle(message: Message) -> None:
        if message.text == "bad":
            raise Reject("bad")
        seen.append(message.text)

    async with WorkerHarness(app, dead_letter_policy="halt_channel") as harness:
        for text in ("bad", "1", "2"):
            await harness.publish("room", {"text": text})
        await harness.run_until_idle()
        assert {c: [m.text for m in ms] for c, ms in harness.parked.items()} == {"room": ["1", "2"]}
        assert seen == []
        harness.resume("room")
        await harness.run_until_idle()
        assert harness.parked == {}
    assert seen == ["1", "2"]


async def test_crash_in_the_middle_of_a_handler() -> None:
    """The message is delivered again, counted as another attempt, before later ones."""
    app, seen, is_hanging = App(), [], True

    @app.on_message()
    async def handle(message: Message, context: Context) -> None:
        seen.append((message.text, context.attempt))
        if is_hanging:
            await asyncio.Event().wait()

    async with WorkerHarness(app) as harness:
        await harness.publish("room", {"text": "1"})
        await harness.publish("room", {"text": "2"})
        await harness.run_until(lambda: bool(seen))
        is_hanging = False
        await harness.crash()
        await harness.run_until_idle()
        assert [m.text for m in harness.handled] == ["1", "2"]
    assert [text for text, _ in seen] == ["1", "1", "2"]


async def test_message_that_kills_its_worker_is_stopped() -> None:
    """After as many crashes as attempts it is a dead letter, and others go on."""
    app, begun = App(), []

    @app.on_message()
    async def handle(message: Message) -> None:
        if message.text == "deadly":
            begun.append(1)
            await asyncio.Event().wait()

    async with WorkerHarness(app, max_attempts=3) as harness:
        await harness.publish("a", {"text": "deadly"})
        while not harness.dead_letters:
            count = len(begun)
            await harness.run_until(
                lambda count=count: len(begun) > count or bool(harness.dead_letters)
            )
            await harness.crash()
        await harness.publish("a", {"text": "fine"})
        await harness.run_until_idle()
        assert [m.text for m in harness.handled] == ["fine"]
        assert harness.dead_letters[0].message.text == "deadly"
    assert len(begun) <= 4


async def test_handled_message_can_be_delivered_again() -> None:
    """As after a lost acknowledgement: the same message, for handlers that must be idempotent."""
    app, seen = App(), []

    @app.on_message()
    async def handle(message: Message, context: Context) -> None:
        seen.append(message.id)
        await context.publish("out", {"n": 1})

    async with WorkerHarness(app) as harness:
        message = await harness.publish("room", {"text": "1"})
        await harness.run_until_idle()
        await harness.redeliver(message)
        await harness.run_until_idle()
        assert seen == [message.id] * 2
        assert harness.handled == [message, message]
        # Centrifugo broadcasts once: both calls carry the same idempotency key.
        assert len({key for _, _, key in harness.replies.calls}) == 1
        with pytest.raises(ValueError, match="was not handled"):
            await harness.redeliver(Message(**{**_fields(message), "id": "other"}))


def _fields(message: Message) -> dict:
    return {name: getattr(message, name) for name in message.__struct_fields__}


async def test_resources_are_opened_or_replaced() -> None:
    """What a test gives is used as it is; nothing that only the replaced one takes is opened."""
    app, opened = App(), []

    @app.resource
    def address() -> str:
        return "db:5432"

    @app.resource
    async def pool(address: str) -> AsyncIterator[str]:
        opened.append("pool")
        yield f"pool at {address}"
        opened.append("closed")

    @app.resource
    def table(pool: str) -> str:
        return f"table in {pool}"

    seen = []

    @app.on_message()
    async def handle(message: Message, table: str) -> None:
        seen.append(table)

    for resources in ({}, {"pool": "fake"}):
        async with WorkerHarness(app, resources=resources) as harness:
            await harness.publish("room", 1)
            await harness.run_until_idle()
    assert seen == ["table in pool at db:5432", "table in fake"]
    assert opened == ["pool", "closed"]


async def test_sync_and_batch_handlers_are_waited_for() -> None:
    """Also a thread and a batch are at work: no time is skipped meanwhile."""
    app, seen = App(), []

    @app.on_message("sync:*")
    def handle(message: Message) -> None:
        time.sleep(0.05)
        seen.append(message.text)

    @app.on_batch("batch:*", max_wait_seconds=60)
    async def handle_all(messages: list[Message]) -> None:
        await asyncio.sleep(0.05)
        seen.append([message.text for message in messages])

    async with WorkerHarness(app) as harness:
        await harness.publish("sync:1", {"text": "s"})
        for number in range(3):
            await harness.publish("batch:1", {"text": str(number)})
        await harness.run_until_idle()
    assert sorted(seen, key=str) == [["0", "1", "2"], "s"]


async def test_handler_that_does_not_end_is_named() -> None:
    """The text says how much is left; leaving the block ends it."""
    app = App()

    @app.on_message()
    async def handle(message: Message) -> None:
        await asyncio.Event().wait()

    async with WorkerHarness(app, handler_timeout_seconds=0) as harness:
        await harness.publish("room", 1)
        with pytest.raises(NotIdleError, match=r"1 entries .* 1 handlers at work"):
            await harness.run_until_idle(0.2)


async def test_time_is_advanced() -> None:
    """What is due within it happens; what comes later does not."""
    app, attempts = failing_app(99)
    settings = {"backoff_initial_seconds": 100.0, "backoff_max_seconds": 100.0}
    async with WorkerHarness(app, **settings) as harness:
        await harness.publish("chat:1", 1)
        await harness.run_until(lambda: len(attempts) == 1)
        await harness.advance(40)
        assert len(attempts) == 1
        await harness.advance(80)
        assert len(attempts) == 2


async def test_outage_of_the_streams_is_survived() -> None:
    """Nothing is lost while calls fail, and nothing is handled twice."""
    app, attempts = failing_app(0)
    async with WorkerHarness(app) as harness:
        harness.streams.line.go_away()
        await harness.publish("chat:1", 1)
        await harness.advance(5)
        harness.streams.line.come_back()
        await harness.run_until_idle()
        assert len(harness.handled) == 1
    assert attempts == [1]


async def test_app_that_no_worker_would_run_is_refused() -> None:
    """With the same sentence as at the start of a worker."""
    with pytest.raises(AppError, match="no handler"):
        async with WorkerHarness(App()):
            pass
    app = App()

    @app.on_message()
    async def handle(message: Message, missing: object) -> None:
        pass

    with pytest.raises(StartupError, match=r"declare one with @app\.resource"):
        async with WorkerHarness(app):
            pass


async def test_harness_must_be_entered() -> None:
    """Using it outside of its block is a mistake with a sentence."""
    app, _ = failing_app(0)
    harness = WorkerHarness(app)
    with pytest.raises(RuntimeError, match="async with WorkerHarness"):
        await harness.callback.publish("chat:1", {"text": "x"})
    with pytest.raises(RuntimeError, match="async with WorkerHarness"):
        await harness.advance(1)


def test_uvloop_is_refused_with_a_reason() -> None:
    """Its time cannot be changed; the text says what to do."""
    app, _ = failing_app(0)

    async def use() -> None:
        async with WorkerHarness(app):
            pass

    with (
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        pytest.raises(RuntimeError, match="asyncio's own"),
    ):
        runner.run(use())


async def test_app_is_given_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As to the fixture that starts the whole system."""
    source = "from realtime_message import App\napp = App()\napp.on_message()(lambda m: None)\n"
    (tmp_path / "named_app.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    async with WorkerHarness("named_app:app") as harness:
        await harness.publish("room", 1)
        await harness.run_until_idle()
        assert len(harness.handled) == 1
    with pytest.raises(AppError, match="did you mean named_app:app"):
        WorkerHarness("named_app:apq")
    with pytest.raises(TypeError, match="wants an App or its name, such as myapp:app, not type"):
        WorkerHarness(App)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("names", "said"),
    [(["pool"], "the app has no resource poool; it has pool"), ([], "poool; it has none")],
)
async def test_replaced_resource_that_there_is_not_is_refused(names: list[str], said: str) -> None:
    """The real one would be opened in its place."""
    app = App()
    app.on_message()(lambda m: None)
    for name in names:
        app.resources[name] = Resource(name, dict)
    with pytest.raises(AppError, match=said):
        async with WorkerHarness(app, resources={"poool": 1}):
            pass


async def test_harness_shows_what_became_of_messages() -> None:
    """A failing assertion prints it, and says why messages were given up."""
    app, _ = failing_app(99)
    async with WorkerHarness(app, max_attempts=1) as harness:
        assert repr(harness) == "<WorkerHarness handled=0 dead_letters=0>"
        for _ in range(2):
            await harness.publish("chat:1", {})
        await harness.run_until_idle()
    shown = "handled=0 dead_letters=2: ValueError: no (attempt 1 of 1)"
    assert repr(harness) == f"<WorkerHarness {shown}>"


async def test_end_of_the_harness_is_not_logged(capsys: pytest.CaptureFixture[str]) -> None:
    """What a user sees of a failing test is about the test; what was logged before stays."""
    app, _ = failing_app(1)
    async with WorkerHarness(app) as harness:
        await harness.publish("chat:1", {})
        await harness.run_until_idle()
        await harness.crash()
        before = capsys.readouterr()
    after = capsys.readouterr()
    assert (after.out, after.err) == ("", "")
    assert "message.failed" in before.out + before.err
    assert "this process has crashed" not in before.out + before.err
