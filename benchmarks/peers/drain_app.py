"""Our worker's handlers in the drain: one that does nothing, one that records, one in batches."""

from __future__ import annotations

import json
import os
import signal
import time

from realtime_message import App, Message

WARM_UP = int(os.environ["WARM_UP"])
TOTAL = int(os.environ["TOTAL"])


class Meter:
    """Counts messages; says what they cost when all have come."""

    def __init__(self) -> None:
        self.count = 0
        self.at = self.used = 0.0

    def add(self, count: int = 1) -> None:
        """Count."""
        before, self.count = self.count, self.count + count
        if before < WARM_UP <= self.count:
            self.at, self.used = time.perf_counter(), time.process_time()
        if before < TOTAL <= self.count:
            self._tell()

    def _tell(self) -> None:
        done = TOTAL - WARM_UP
        result = {
            "per_second": done / (time.perf_counter() - self.at),
            "cpu_us": (time.process_time() - self.used) / done * 1e6,
        }
        print("RESULT " + json.dumps(result), flush=True)
        os.kill(os.getpid(), signal.SIGTERM)


meter = Meter()
nothing, recording, batched = App(), App(), App()


@nothing.on_message()
async def do_nothing(message: Message) -> None:  # noqa: ARG001 - as a handler's signature is
    """Count, and nothing else."""
    meter.add()


_last: dict[str, tuple[str, str]] = {}


@recording.on_message()
async def record(message: Message) -> None:
    """Keep the last message of each channel."""
    _last[message.channel] = (message.id, message.text)
    meter.add()


@batched.on_batch(max_messages=200)
async def record_all(messages: list[Message]) -> None:
    """The same for many at once."""
    for message in messages:
        _last[message.channel] = (message.id, message.text)
    meter.add(len(messages))
