"""Where a handler failed, and how its dead letter is seen: in the log, not its content."""

import json
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from realtime_message import App, Message, Reject
from realtime_message.testing import WorkerHarness
from realtime_message.worker.failure_view import place_of

LINES = Path(__file__).read_text("utf-8").splitlines()


@pytest.fixture(autouse=True)
def _in_the_folder_of_this_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parent)


async def _log_of(data: object, max_attempts: int = 2) -> list[dict[str, object]]:
    app = App()

    @app.on_message()
    async def handle(message: Message) -> None:
        if message.text == "reject":
            raise Reject("no")
        json.loads(message.text)  # the line that is told

    with capture_logs() as log:
        async with WorkerHarness(app, max_attempts=max_attempts) as harness:
            await harness.publish("room:a b", data)
            await harness.run_until_idle()
    return [dict(line) for line in log if line["event"].startswith("message.")]


async def test_line_of_the_handler_is_told_and_not_that_of_a_library() -> None:
    """With the file as the user knows it, for each attempt and for the dead letter."""
    number = next(n for n, text in enumerate(LINES, 1) if text.endswith("# the line that is told"))
    failed, dead = await _log_of({"text": "{"})
    assert failed["at"] == dead["at"] == f"test_failure_view.py:{number}"
    assert dead["see"] == "rtm dead-letters list --channel 'room:a b'"


async def test_what_a_handler_decided_has_no_place() -> None:
    """It says why itself."""
    (dead,) = await _log_of({"text": "reject"})
    assert dead["reason"] == "no"
    assert "at" not in dead


def test_failure_in_a_library_alone_is_told_too() -> None:
    """Better than nothing."""
    error = 'Traceback\n  File "/x/site-packages/lib.py", line 7, in f\nKeyError: 1\n'
    assert place_of(error) == {"at": "/x/site-packages/lib.py:7"}
