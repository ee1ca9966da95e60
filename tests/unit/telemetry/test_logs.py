"""What a line of the log looks like, and what logging costs."""

import json
import subprocess
import sys

import pytest

from realtime_message.telemetry.logs import has_colour

_PROGRAM = """
from realtime_message.telemetry.logs import configure_logging, get_logger
configure_logging({level!r}, {format!r})
log = get_logger("worker.fetcher")
log.debug("entry.read")
log.info("lease.acquired", partition=3, holder="two words")
try:
    1 / 0
except ZeroDivisionError:
    log.exception("handler.failed", channel="room:\\x1b[2J")
"""


def _run(level: str, log_format: str, **environment: str) -> str:
    program = _PROGRAM.format(level=level, format=log_format)
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    assert done.stdout == ""
    return done.stderr


def test_json_is_one_object_a_line() -> None:
    """Machines get every field by name, and the traceback inside the object."""
    lines = [json.loads(line) for line in _run("info", "auto").splitlines()]
    assert [line["event"] for line in lines] == ["lease.acquired", "handler.failed"]
    assert (lines[0]["partition"], lines[0]["part"]) == (3, "worker.fetcher")
    assert lines[0]["timestamp"].endswith("Z")
    assert "ZeroDivisionError" in lines[1]["exception"]


def test_text_is_for_people() -> None:
    """Time, event, fields; a level only where it is not info."""
    lines = _run("debug", "text").splitlines()
    assert "lease.acquired" in lines[1]
    assert "partition=3 holder='two words'" in lines[1]
    assert "info" not in lines[1]
    assert " error " in lines[2]


def test_text_escapes_what_could_move_the_cursor() -> None:
    """A channel name from the outside cannot write to the operator's terminal."""
    assert "\x1b" not in _run("info", "text")
    assert "\x1b[2J" not in _run("info", "text", FORCE_COLOR="1")


@pytest.mark.parametrize(
    ("environment", "is_terminal", "expected"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"NO_COLOR": "1"}, True, False),
        ({"FORCE_COLOR": "1"}, False, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, True, False),
    ],
)
def test_colour_is_for_terminals(
    environment: dict[str, str], is_terminal: bool, expected: bool
) -> None:
    """NO_COLOR and FORCE_COLOR mean what they mean elsewhere."""
    assert has_colour(environment, is_terminal=is_terminal) is expected


def test_logging_does_not_load_rich() -> None:
    """structlog would load rich into every process that serves; and rich still imports later."""
    program = (
        "import sys, realtime_message.telemetry.logs\n"
        "assert 'rich.console' not in sys.modules\n"
        "import rich.console"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
