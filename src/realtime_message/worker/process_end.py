"""How a worker's process comes to its end even if something in it does not.

asyncio waits without a limit for tasks that ignore being cancelled, and Python for the threads of
`asyncio.to_thread`. Leases are given back or left to run out by then, so nothing is gained by it.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NoReturn

import uvloop

from realtime_message.errors import EXIT_FAILED, RealtimeMessageError
from realtime_message.telemetry.logs import get_logger
from realtime_message.worker.stacks import frame_of, stack_text

log = get_logger("worker.process_end")

_THREADS = "asyncio.to_thread"
# How long tasks and threads may still take after all else has ended.
_LAST_SECONDS = 1.0
_OURS = ("realtime_message.", "asyncio.")


def run_process(main: Coroutine[Any, Any, None], exit_code: Callable[[], int]) -> int:
    """Run a coroutine in an event loop of its own, and return the exit code.

    If something is still at work then, it is named in the log and the process ends here.

    Args:
        main: what to run.
        exit_code: returns the exit code when it has ended well.
    """
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        threads = ThreadPoolExecutor(thread_name_prefix=_THREADS)
        runner.get_loop().set_default_executor(threads)
        error: BaseException | None = None
        try:
            runner.run(main)
        except BaseException as raised:
            error = raised
            raise
        finally:
            left = runner.run(_what_is_left(threads))
            if left:
                log.error(
                    "worker.ended_by_force",
                    left=left,
                    advice="these did not end although they were asked to: let CancelledError "
                    "through, and give calls in threads time-outs of their own",
                )
                _end(error, exit_code)
    return exit_code()


async def _what_is_left(threads: ThreadPoolExecutor) -> list[str]:
    """End what can be ended; return what does not, by name or by its stack."""
    deadline = time.monotonic() + _LAST_SECONDS
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        if not task.cancelling():
            task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=_LAST_SECONDS)
    threads.shutdown(wait=False, cancel_futures=True)
    for thread in _at_work():
        thread.join(max(0.0, deadline - time.monotonic()))
    return [
        *(_name_of(task) for task in tasks if not task.done()),
        *(f"{t.name}: {stack_text(frame_of(t.ident or 0))}" for t in _at_work()),
    ]


def _at_work() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith(_THREADS)]


def _name_of(task: asyncio.Task[Any]) -> str:
    """Return which coroutines of the user's a task waits in, the handler first; else its name."""
    names = []
    waiting: Any = task.get_coro()
    while (frame := getattr(waiting, "cr_frame", None)) is not None:
        names.append(f"{frame.f_globals.get('__name__')}.{waiting.__qualname__}")
        waiting = waiting.cr_await
    theirs = [name for name in names if not name.startswith(_OURS)]
    return " > ".join(theirs) or task.get_name()


def _end(error: BaseException | None, exit_code: Callable[[], int]) -> NoReturn:
    """End the process without waiting for anything."""
    code = exit_code() if error is None else EXIT_FAILED
    if isinstance(error, RealtimeMessageError):
        code = error.exit_code
        print(f"worker: {error}", file=sys.stderr)  # noqa: T201 - the sentence is the product
    elif error is not None:
        traceback.print_exception(error)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
