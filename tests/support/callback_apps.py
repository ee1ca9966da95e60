"""Apps for tests of the callback service's processes."""

from __future__ import annotations

import os
import signal

from realtime_message import App, PublishEvent
from realtime_message.errors import AppError

deadly = App()


@deadly.on_publish()
async def die(event: PublishEvent) -> None:
    """End the process without a word."""
    os.kill(os.getpid(), signal.SIGKILL)


def __getattr__(name: str) -> object:
    if name == "unusable":
        raise AppError("support.callback_apps: no App, on purpose")
    raise AttributeError(name)
