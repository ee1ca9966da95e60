"""The watch over the event loop."""

import asyncio
import threading
import time

import pytest

from realtime_message.app import App
from realtime_message.testing.virtual_time import until
from realtime_message.worker import loop_watch
from realtime_message.worker.loop_watch import LoopWatch

app = App()


@app.on_message()
async def blocking_handler(_message: object) -> None:
    """Blocks the event loop for as long as the watch needs to see it."""
    time.sleep(0.5)  # noqa: ASYNC251 - that is what is watched for


async def test_blocked_loop_is_seen_from_outside_and_the_handler_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The log line has the handler's name and where it hangs; it is written once."""
    monkeypatch.setattr(loop_watch, "_WARN_SECONDS", 0.2)
    lines: list[dict[str, object]] = []
    monkeypatch.setattr(
        loop_watch.log, "error", lambda event, **fields: lines.append({"event": event, **fields})
    )
    watch = LoopWatch(app.message_handlers.values, time.monotonic)
    watch.start()
    ended = threading.Event()
    looks: list[float] = []

    def look() -> None:
        while not ended.wait(0.02):
            looks.append(watch.look())

    looker = threading.Thread(target=look)
    looker.start()
    await asyncio.sleep(0.2)
    await blocking_handler(None)
    await until(lambda: looks[-1] == 0.0, 10)
    ended.set()
    looker.join()
    watch.stop()
    (line,) = [each for each in lines if "blocking_handler" in str(each["handler"])]
    assert line["event"] == "loop.blocked"
    assert "time.sleep(0.5)" in str(line["stack"])
    assert max(looks) > 0.2
    assert watch.block_count >= 1


async def test_quiet_loop_is_not_blamed() -> None:
    """Waiting is not blocking."""
    watch = LoopWatch([], time.monotonic)
    watch.start()
    await asyncio.sleep(0.3)
    assert watch.look() == 0.0
    assert watch.blocked_seconds == 0.0
    watch.stop()
