"""The pages about the callback service name what it has: every code, route and metric."""

import re
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from realtime_message.callback.serving import make_metrics
from realtime_message.centrifugo.events import EventKind
from realtime_message.centrifugo.replies import Code

REFERENCE = Path(__file__).parents[2] / "docs/reference"


def test_every_code_is_in_the_table_as_temporary_or_not() -> None:
    """And no code that there is not."""
    page = (REFERENCE / "errors.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| (\d{3}) \| (yes|no) \|", page, flags=re.MULTILINE))
    assert rows == {str(code.value): "yes" if code.is_temporary else "no" for code in Code}


def test_every_event_has_a_row() -> None:
    """In the table of events."""
    page = (REFERENCE / "http-api.md").read_text("utf-8")
    rows = re.findall(r"^\| (\w+) \| ", page, flags=re.MULTILINE)
    assert {event.value for event in EventKind} <= set(rows)


def test_every_metric_is_listed() -> None:
    """Those of the service itself; each that is listed begins like one of them."""
    page = (REFERENCE / "http-api.md").read_text("utf-8")
    listed = set(
        re.findall(r"^\| `(rtm_callback_\w+?)(?:_total)?(?:\{.*\})?` \|", page, re.MULTILINE)
    )
    registry = CollectorRegistry()
    registry.register(make_metrics())
    text = generate_latest(registry).decode()
    assert {family.name for family in text_string_to_metric_families(text)} <= listed
