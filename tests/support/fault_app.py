"""The app of workers that are killed, frozen and blocked: it writes down what it does.

What a message's text says after its number is done: `7 sleep 2`, `7 block 3` (the event loop),
`7 fail`, `7 die`. With `once-` before it, only the first time. Without, it takes TEST_WORK_SECONDS.
"""

import asyncio
import json
import os
import signal
import time
from pathlib import Path

from realtime_message import App, Context, Message

app = App()
_history = os.open(os.environ["TEST_HISTORY"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
_work_seconds = float(os.environ.get("TEST_WORK_SECONDS", "0.002"))


def note(event: str, message: Message, context: Context) -> None:
    """Append a line; one write, so that lines of several processes do not mix."""
    line = {
        "event": event,
        "channel": message.channel,
        "number": int(message.text.split()[0]),
        "partition": context.partition,
        "epoch": context.epoch,
        "attempt": context.attempt,
        "pid": os.getpid(),
        "at": time.monotonic(),
    }
    os.write(_history, json.dumps(line).encode() + b"\n")


@app.on_message()
async def handle(message: Message, context: Context) -> None:
    """Do what the text says."""
    note("start", message, context)
    _, *order = message.text.split()
    try:
        await _obey(_reduce(order))
    except asyncio.CancelledError:
        note("cancelled", message, context)
        raise
    except ValueError:
        note("failed", message, context)
        raise
    note("end", message, context)


async def _obey(order: list[str]) -> None:
    if not order:
        await asyncio.sleep(_work_seconds)
    elif order[0] in ("sleep", "slow"):
        await asyncio.sleep(float(order[1]))
    elif order[0] == "block":
        time.sleep(float(order[1]))  # noqa: ASYNC251 - blocking the event loop is the order
    elif order[0] == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    else:
        raise ValueError(order[0])


def _reduce(order: list[str]) -> list[str]:
    """Return what is left of an order: one with `once-` counts for the first time only."""
    if not order or not order[0].startswith("once-"):
        return order
    marker = Path(os.environ["TEST_HISTORY"] + ".once")
    if marker.exists():
        return []
    marker.touch()
    return [order[0].removeprefix("once-"), *order[1:]]
