"""Apps for tests of the callback service's processes."""

from __future__ import annotations

import asyncio
import os
import signal

from realtime_message import App, PublishEvent
from realtime_message.errors import AppError
from realtime_message.telemetry.logs import get_logger

deadly = App()


@deadly.on_publish()
async def die(event: PublishEvent) -> None:
    """End the process without a word."""
    os.kill(os.getpid(), signal.SIGKILL)


hanging = App()


@hanging.on_publish()
async def hang(event: PublishEvent) -> None:
    """Say that it was reached, and never return."""
    get_logger("tests").info("hook.reached")
    await asyncio.Event().wait()


def __getattr__(name: str) -> object:
    if name == "unusable":
        raise AppError("support.callback_apps: no App, on purpose")
    raise AttributeError(name)
