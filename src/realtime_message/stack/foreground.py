"""A supervisor in the foreground of a terminal: what signals mean, and what source changes do."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Sequence
from pathlib import Path

from realtime_message.errors import EXIT_INTERRUPTED
from realtime_message.stack.combined_log import CombinedLog
from realtime_message.stack.kept_part import Part
from realtime_message.stack.source_watch import source_changes
from realtime_message.stack.supervisor import Supervisor


async def run_in_foreground(
    parts: Sequence[Part],
    log: CombinedLog,
    *,
    on_ready: Callable[[], None],
    reloads: bool,
) -> int:
    """Run parts until a signal ends them or one is given up; return the exit code.

    The first Ctrl-C, SIGTERM or SIGHUP ends everything in order, the second kills it.

    Args:
        parts: what to run.
        log: where everything is written.
        on_ready: called once when every part is ready.
        reloads: whether a change in the working directory starts the parts anew that follow it.
    """
    supervisor = Supervisor(parts, log, on_ready=on_ready, reloads=reloads)
    is_interrupted = False
    loop = asyncio.get_running_loop()

    def on_interrupt() -> None:
        nonlocal is_interrupted
        is_interrupted = True
        supervisor.request_stop()

    loop.add_signal_handler(signal.SIGINT, on_interrupt)
    for number in (signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, supervisor.request_stop)
    watching = asyncio.create_task(_reload_on_change(supervisor, log)) if reloads else None
    try:
        exit_code = await supervisor.run()
    finally:
        if watching is not None:
            watching.cancel()
    return EXIT_INTERRUPTED if is_interrupted and exit_code == 0 else exit_code


async def _reload_on_change(supervisor: Supervisor, log: CombinedLog) -> None:
    folder = Path.cwd()
    async for changed in source_changes(folder):
        log.say(f"{changed.relative_to(folder)} changed")
        supervisor.reload()
