"""What the page about traces shows and lists is so."""

import re
from pathlib import Path
from types import ModuleType

from realtime_message import App
from realtime_message.telemetry import tracing
from realtime_message.testing import WorkerHarness
from support.readme_commands import shown_programs
from support.spans import is_child, recorded_spans

PROJECT = Path(__file__).parents[2]
PAGE = "docs/howto/trace-messages.md"


def sample(number: int) -> App:
    """The app of one of the page's programs."""
    module = ModuleType("sample")
    source = shown_programs(PROJECT / PAGE)[number]
    exec(compile(source, PAGE, "exec"), vars(module))
    app: App = module.app
    return app


def test_every_attribute_is_on_the_page() -> None:
    """The table lists exactly what spans say."""
    text = (PROJECT / PAGE).read_text("utf-8")
    table = text.partition("## What spans say")[2].partition("\n## ")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    listed = {name for row in rows for name in re.findall(r"`([^`]+)`", row)}
    prefixes = ("messaging.", "rtm.", "error.", "code.")
    names = {value for value in vars(tracing).values() if isinstance(value, str)}
    assert listed == {name for name in names if name.startswith(prefixes)}


async def test_first_sample_makes_the_three_spans_that_the_page_tells_of() -> None:
    """The publish, and an attempt that fails before one that does not."""
    spans = recorded_spans()
    spans.forget()
    async with WorkerHarness(sample(0), has_tracing=True) as harness:
        await harness.callback.publish("chat:1", {"text": "hello"})
        await harness.run_until_idle()
    (sent,), (first, second) = spans.of("publish"), spans.of("process")
    assert is_child(first, sent)
    assert is_child(second, sent)
    assert [
        (s.attributes["rtm.attempt"], s.attributes["rtm.outcome"]) for s in (first, second)
    ] == [
        (1, "retry"),
        (2, "ack"),
    ]
    assert [event.name for event in first.events] == ["exception"]


async def test_span_of_the_second_sample_is_within_the_attempt() -> None:
    """So is whatever a library makes."""
    spans = recorded_spans()
    spans.forget()
    async with WorkerHarness(sample(1), has_tracing=True) as harness:
        await harness.callback.publish("orders:1", {"text": "a book"})
        await harness.run_until_idle()
        assert [call[0] for call in harness.replies.calls] == ["orders:done"]
    (attempt,) = spans.of("process")
    (inner,) = [span for span in spans.all if span.name == "reserve"]
    assert is_child(inner, attempt)
    assert attempt.attributes["shop.order"] == "a book"
