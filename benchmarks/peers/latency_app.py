"""Our worker's handler in the measurement of latency: looks at the clock first."""

from __future__ import annotations

import json
import os
import time

from realtime_message import App, Message

WARM_UP = int(os.environ["WARM_UP"])
TOTAL = int(os.environ["TOTAL"])

app = App()
_latencies: list[float] = []


@app.on_message()
async def look(message: Message) -> None:
    """Note for how long the message was on its way, in milliseconds."""
    now = time.time_ns()
    _latencies.append((now - int(message.text.split(" ", 1)[0])) / 1e6)
    if len(_latencies) == TOTAL:
        print("RESULT " + json.dumps(_latencies[WARM_UP:]), flush=True)
