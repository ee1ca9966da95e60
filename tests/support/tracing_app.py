"""An app that tells what its process has loaded for tracing."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from realtime_message import App, Message, PublishEvent, PublishReply

app = App()


#: Of our own: redis-py loads OpenTelemetry itself, wherever it is installed.
MODULES = ("telemetry.tracing", "callback.traced_dispatch", "worker.traced")


def loaded() -> list[str]:
    return [name for name in MODULES if f"realtime_message.{name}" in sys.modules]


@app.on_publish("*")
async def answer(event: PublishEvent) -> PublishReply:
    return PublishReply(data={"text": "hi", "loaded": loaded()})


@app.on_message("*")
def handle(message: Message) -> None:
    Path(os.environ["TEST_HISTORY"]).write_text(f"{loaded()}\n")
