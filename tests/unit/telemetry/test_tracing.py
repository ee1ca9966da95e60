"""One trace from the publish to the handler: what its spans are, and where they belong."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap

import pytest
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode

from realtime_message import App, Context, Message, PublishEvent, Reject, Skip
from realtime_message.centrifugo.events import EventKind
from realtime_message.streams.trace_contracts import TracedEntry
from realtime_message.telemetry.trace_context import TraceContext, read_trace_context
from realtime_message.testing import WorkerHarness
from support.spans import TRACE_ID, TRACE_PARENT, Spans, is_child, recorded_spans, trace_id

HEADERS = {"traceparent": TRACE_PARENT, "tracestate": "vendor=a,other=b"}


@pytest.fixture
def spans() -> Spans:
    recorded = recorded_spans()
    recorded.forget()
    return recorded


def current() -> trace.SpanContext:
    return trace.get_current_span().get_span_context()


async def publish(harness: WorkerHarness, channel: str = "chat:1", **given) -> None:
    answer = await harness.callback.send(
        EventKind.publish,
        channel=channel,
        user="u",
        data={"text": "hi"},
        **{"headers": HEADERS, **given},
    )
    assert answer.is_accepted


async def test_one_trace_goes_from_the_caller_to_the_handler(spans) -> None:
    """The publish is the caller's child, the attempt the publish's; each says what it is about."""
    app = App()

    @app.on_message("chat:*")
    async def handle(message: Message) -> None:
        assert current().is_valid

    async with WorkerHarness(app, has_tracing=True) as harness:
        await publish(harness)
        await harness.run_until_idle()
        (message,) = harness.handled
        (entry,) = [e for state in harness.streams.partitions for e in state.entries]
    (sent,), (attempt,) = spans.of("publish"), spans.of("process")
    assert {trace_id(span) for span in spans.all} == {TRACE_ID}
    assert f"{sent.parent.span_id:016x}" == TRACE_PARENT.split("-")[2]
    assert is_child(attempt, sent)
    assert (sent.name, sent.kind) == ("publish", SpanKind.PRODUCER)
    assert (attempt.name, attempt.kind) == ("process chat:*", SpanKind.CONSUMER)
    shared = {
        "messaging.system": "redis_streams",
        "messaging.destination.name": "chat:1",
        "messaging.destination.partition.id": str(message.partition_id),
        "messaging.message.id": message.id,
        "rtm.entry.id": entry.id,
    }
    assert dict(sent.attributes) == shared | {
        "messaging.operation.name": "publish",
        "messaging.operation.type": "send",
        "rtm.outcome": "appended",
    }
    handler = attempt.attributes["code.function.name"]
    assert handler.endswith("handle")
    assert dict(attempt.attributes) == shared | {
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.template": "chat:*",
        "messaging.client.id": "0",
        "code.function.name": handler,
        "rtm.attempt": 1,
        "rtm.outcome": "ack",
    }
    assert isinstance(entry, TracedEntry)
    assert entry.trace.state == "vendor=a,other=b"


async def test_each_attempt_is_a_span_and_the_dead_letter_is_one(spans) -> None:
    """Attempts that fail are visible with number, outcome and error; then the dead letter."""
    app = App()

    @app.on_message("chat:*")
    async def handle(message: Message) -> None:
        raise ValueError("no")

    async with WorkerHarness(app, has_tracing=True, max_attempts=3) as harness:
        await publish(harness)
        await harness.run_until_idle()
        (letter,) = await harness.streams.dead_letters.list_page(
            next(n for n, s in enumerate(harness.streams.partitions) if s.dead), 10
        )
    attempts, (sent,), (dead,) = spans.of("process"), spans.of("publish"), spans.of("dead_letter")
    assert [(a.attributes["rtm.attempt"], a.attributes["rtm.outcome"]) for a in attempts] == [
        (1, "retry"),
        (2, "retry"),
        (3, "dead_letter"),
    ]
    for attempt in attempts:
        assert attempt.status.status_code is StatusCode.ERROR
        assert attempt.attributes["error.type"] == "ValueError"
        assert [event.name for event in attempt.events] == ["exception"]
    assert all(is_child(span, sent) for span in (*attempts, dead))
    assert dead.attributes["messaging.operation.type"] == "settle"
    assert dead.attributes["rtm.attempt"] == 3
    assert letter.fields[2::2] == (b"traceparent", b"tracestate")


async def test_signals_are_outcomes_and_no_exceptions(spans) -> None:
    """Skip is no failure; Reject is one, without a stack trace."""
    app = App()

    @app.on_message("skip:*")
    async def skip(message: Message) -> None:
        raise Skip

    @app.on_message("reject:*")
    async def reject(message: Message) -> None:
        raise Reject("never")

    async with WorkerHarness(app, has_tracing=True) as harness:
        await publish(harness, "skip:1")
        await publish(harness, "reject:1")
        await harness.run_until_idle()
    ends = {
        s.name: (s.attributes["rtm.outcome"], s.status.status_code) for s in spans.of("process")
    }
    assert ends == {
        "process skip:*": ("skip", StatusCode.UNSET),
        "process reject:*": ("dead_letter", StatusCode.ERROR),
    }
    assert not [event for span in spans.all for event in span.events]


async def test_crash_is_visible_in_the_next_attempt(spans) -> None:
    """A killed worker tells nothing: the next attempt says that it comes after a crash."""
    app, began = App(), []

    @app.on_message("chat:*")
    async def handle(message: Message) -> None:
        began.append(message)
        if len(began) == 1:
            await asyncio.Event().wait()

    async with WorkerHarness(app, has_tracing=True) as harness:
        await publish(harness)
        await harness.run_until(lambda: bool(began))
        await harness.crash()
        await harness.run_until_idle()
    *_, last = spans.of("process")
    assert last.attributes["rtm.after_crash"] is True
    assert trace_id(last) == TRACE_ID


async def test_message_that_only_crashes_workers_ends_as_a_visible_dead_letter(spans) -> None:
    """The dead letter has its span though the last attempts told nothing."""
    app, began = App(), []

    @app.on_message("chat:*")
    async def handle(message: Message) -> None:
        began.append(message)
        await asyncio.Event().wait()

    async with WorkerHarness(app, has_tracing=True, max_attempts=1) as harness:
        await publish(harness)
        for crashes in (1, 2):
            await harness.run_until(lambda crashes=crashes: len(began) == crashes)
            await harness.crash()
        await harness.run_until_idle()
    (dead,) = spans.of("dead_letter")
    assert trace_id(dead) == TRACE_ID


async def test_batch_is_one_span_with_links(spans) -> None:
    """A batch begins a trace of its own, linked to the publishes of its messages."""
    app, inside = App(), []

    @app.on_batch("chat:*", max_messages=10, max_wait_seconds=0.01)
    async def handle(messages: list[Message]) -> None:
        inside.append(current())

    async with WorkerHarness(app, has_tracing=True, partition_count=1) as harness:
        await publish(harness, "chat:1")
        await publish(harness, "chat:2", headers={})
        await harness.streams.appender()
        harness.streams.append("chat:3", "untraced")
        await harness.run_until_idle()
    (batch,) = spans.of("process")
    assert inside == [batch.context]
    assert batch.parent is None
    assert batch.attributes["messaging.batch.message_count"] == 3
    assert "messaging.destination.name" not in batch.attributes
    assert [link.context.span_id for link in batch.links] == [
        span.context.span_id for span in spans.of("publish")
    ]
    assert [link.attributes["messaging.destination.name"] for link in batch.links] == [
        "chat:1",
        "chat:2",
    ]
    assert batch.attributes["rtm.outcome"] == "ack"


async def test_failing_message_of_a_batch_is_found_in_its_own_span(spans) -> None:
    """Each call of the handler is a span; the one with a single message has an outcome."""
    app = App()

    @app.on_batch("chat:*", max_messages=2, max_wait_seconds=0.01)
    async def handle(messages: list[Message]) -> None:
        if any(message.channel == "chat:2" for message in messages):
            raise ValueError("no")

    async with WorkerHarness(app, has_tracing=True, partition_count=1, max_attempts=1) as harness:
        await publish(harness, "chat:1")
        await publish(harness, "chat:2")
        await harness.run_until_idle()
    calls = [
        (s.attributes["messaging.batch.message_count"], s.attributes.get("rtm.outcome"))
        for s in spans.of("process")
    ]
    assert calls == [(2, None), (1, "ack"), (1, "dead_letter")]


async def test_handlers_side_by_side_have_spans_of_their_own(spans) -> None:
    """In coroutines and threads the current span is the attempt's, also after waiting."""
    app, seen = App(), {}

    @app.on_message("async:*")
    async def in_loop(message: Message) -> None:
        before = current()
        await asyncio.sleep(0)
        await asyncio.sleep(0.001)
        assert current() == before
        seen[message.channel] = before

    @app.on_message("sync:*")
    def in_thread(message: Message) -> None:
        seen[message.channel] = current()

    async with WorkerHarness(app, has_tracing=True) as harness:
        for n in range(5):
            await publish(harness, f"async:{n}", headers={})
            await publish(harness, f"sync:{n}", headers={})
        await harness.run_until_idle()
        assert not current().is_valid
    attempts = {s.attributes["messaging.destination.name"]: s.context for s in spans.of("process")}
    assert seen == attempts
    assert len({context.trace_id for context in seen.values()}) == 10


async def test_nothing_of_a_span_stays_for_a_message_without_a_trace(spans) -> None:
    """The next message in the same runner begins a trace of its own, and follows no other."""
    app = App()

    @app.on_message("*")
    async def handle(message: Message) -> None: ...

    async with WorkerHarness(app, has_tracing=True, concurrency=1) as harness:
        await publish(harness)
        harness.streams.append("chat:2", "untraced")
        await harness.run_until_idle()
    traced, untraced = spans.of("process")
    assert trace_id(traced) == TRACE_ID
    assert untraced.parent is None
    assert trace_id(untraced) != TRACE_ID


async def test_span_of_the_publish_is_current_in_hooks(spans) -> None:
    """Coroutine hooks and hooks in threads see it, and the entry is still its child."""
    app, seen = App(), []

    @app.on_publish("async:*")
    async def decide(event: PublishEvent) -> None:
        await asyncio.sleep(0)
        seen.append(current())

    @app.on_publish("sync:*")
    def decide_in_thread(event: PublishEvent) -> None:
        seen.append(current())

    @app.on_message("*")
    async def handle(message: Message) -> None: ...

    async with WorkerHarness(app, has_tracing=True) as harness:
        await publish(harness, "async:1")
        await publish(harness, "sync:1")
        await harness.run_until_idle()
    contexts = {s.attributes["messaging.destination.name"]: s.context for s in spans.of("publish")}
    assert seen == [contexts["async:1"], contexts["sync:1"]]
    assert {trace_id(span) for span in spans.of("process")} == {TRACE_ID}


async def test_current_span_of_a_test_is_the_parent(spans) -> None:
    """Where something else has begun a span already, the publish is within it."""
    app = App()

    @app.on_message("*")
    async def handle(message: Message, context: Context) -> None: ...

    async with WorkerHarness(app, has_tracing=True) as harness:
        with trace.get_tracer("test").start_as_current_span("outer") as outer:
            await publish(harness, headers={})
        await harness.run_until_idle()
    assert {span.context.trace_id for span in spans.all} == {outer.get_span_context().trace_id}


@pytest.mark.parametrize(
    ("parent", "state", "read"),
    [
        (TRACE_PARENT, None, TraceContext(TRACE_PARENT)),
        (TRACE_PARENT, "a=1,b@c=2", TraceContext(TRACE_PARENT, "a=1,b@c=2")),
        (TRACE_PARENT, "a=" + "x" * 300, TraceContext(TRACE_PARENT)),
        (TRACE_PARENT, ",".join(f"{k}={'x' * 250}" for k in "abc"), TraceContext(TRACE_PARENT)),
        (TRACE_PARENT, "a=" + "x" * 600, TraceContext(TRACE_PARENT)),
        (TRACE_PARENT, "no state", TraceContext(TRACE_PARENT)),
        (None, "a=1", None),
        ("", None, None),
        ("broken", None, None),
        (TRACE_PARENT.upper(), None, None),
        (f"{TRACE_PARENT}, {TRACE_PARENT}", None, None),
        (f"{TRACE_PARENT}\n", None, None),
        ("ff" + TRACE_PARENT[2:], None, None),
        (f"00-{'0' * 32}-00f067aa0ba902b7-01", None, None),
        (f"00-{TRACE_ID}-{'0' * 16}-01", None, None),
    ],
)
def test_only_what_fits_the_format_is_a_trace(parent, state, read) -> None:
    """What clients and other writers put there is bounded, and never an error."""
    assert read_trace_context(parent, state) == read


async def test_refused_publish_says_so(spans) -> None:
    """A publish that is rejected has a span with its outcome, and no entry."""
    app = App()

    @app.on_message("*")
    async def handle(message: Message) -> None: ...

    async with WorkerHarness(app, has_tracing=True) as harness:
        await harness.callback.publish("chat:1", {"text": " "})
    (sent,) = spans.all
    assert sent.attributes["rtm.outcome"] == "rejected"
    assert "rtm.entry.id" not in sent.attributes
    assert sent.status.status_code is StatusCode.UNSET


async def test_without_tracing_there_are_neither_spans_nor_traces(spans) -> None:
    """Off is the default: headers are not looked at, and entries hold their payload alone."""
    app = App()

    @app.on_message("*")
    async def handle(message: Message) -> None: ...

    async with WorkerHarness(app) as harness:
        await publish(harness)
        await harness.run_until_idle()
        assert harness.streams.attached.traces == [None]
    assert not spans.all


def run(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        check=True,
    )


def test_missing_package_is_told_in_one_sentence() -> None:
    """Whoever turns it on without the extra learns what to install, and the exit code is 3."""
    done = run(
        """
        import sys
        sys.modules["opentelemetry"] = None
        from realtime_message.errors import StartupError
        from realtime_message.telemetry.tracing_extra import open_tracing
        try:
            open_tracing()
        except StartupError as error:
            print(error.exit_code, error)
        """
    )
    assert done.stdout == (
        "3 telemetry.tracing is on, and opentelemetry-api is not installed: "
        "pip install 'centrifuge-realtime-message[tracing]'\n"
    )


def test_missing_sdk_is_told_once_and_traces_are_still_passed_on() -> None:
    """Without an SDK spans go nowhere: one warning; a trace that comes in goes on."""
    done = run(
        f"""
        from realtime_message.telemetry.tracing_extra import open_tracing
        from realtime_message.telemetry.trace_context import TraceContext
        tracing = open_tracing()
        with tracing.active(tracing.start_send(TraceContext("{TRACE_PARENT}"))):
            print(tracing.headers())
        """
    )
    assert (done.stdout + done.stderr).count("spans.discarded") == 1
    assert f"{{'traceparent': '{TRACE_PARENT}'}}" in done.stdout
