"""`--reload` for one part: it starts anew whenever source in the working directory changes."""

from __future__ import annotations

import asyncio
import os
import sys

from realtime_message.settings import LoadedSettings
from realtime_message.settings.environment import environment_with
from realtime_message.stack.combined_log import CombinedLog
from realtime_message.stack.foreground import run_in_foreground
from realtime_message.stack.kept_part import STOP_MARGIN_SECONDS, Part
from realtime_message.stack.part_command import part_command
from realtime_message.telemetry.logs import has_colour


def run_reloading(loaded: LoadedSettings, name: str, *arguments: str) -> int:
    """Run a part that follows the source, until Ctrl-C; return the exit code.

    Args:
        loaded: its settings.
        name: the part.
        arguments: its own arguments.
    """
    colour = has_colour(os.environ, is_terminal=sys.stdout.isatty())
    environment = environment_with(os.environ, loaded.chosen())
    environment |= {"PYTHONUNBUFFERED": "1"} | ({"FORCE_COLOR": "1"} if colour else {})
    if not loaded.is_set("log.format"):
        environment["RTM_LOG__FORMAT"] = "text"
    part = Part(
        name=name,
        command=part_command(name, *arguments),
        environment=environment,
        stop_timeout_seconds=loaded.settings.worker.drain_timeout_seconds + STOP_MARGIN_SECONDS,
        follows_source=True,
    )
    log = CombinedLog([name], has_colour=colour)
    return asyncio.run(run_in_foreground([part], log, on_ready=lambda: None, reloads=True))
