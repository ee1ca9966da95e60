"""Whether an app can be used, asked of a process of its own before anything is started."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping

from realtime_message.errors import EXIT_COULD_NOT_START, AppError
from realtime_message.stack.part_command import part_command
from realtime_message.stack.restarts import describe_exit

_LONGEST_IMPORT_SECONDS = 30.0


def check_app(name: str, environment: Mapping[str, str]) -> None:
    """Import an app as its parts will, and pass on why that fails.

    Args:
        name: as `module:attribute`.
        environment: all of the parts' environment.

    Raises:
        AppError: it cannot be used; the text says why.
    """
    try:
        done = subprocess.run(  # noqa: S603 - our own program
            part_command("app", "--app", name),
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            timeout=_LONGEST_IMPORT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise AppError(
            f"{name}: importing it took more than {_LONGEST_IMPORT_SECONDS:g} s"
        ) from None
    if done.returncode == 0:
        return
    *before, last = done.stderr.strip().splitlines() or [""]
    for line in before:
        print(line, file=sys.stderr)  # noqa: T201 - what the app itself said about it
    if done.returncode == EXIT_COULD_NOT_START and last.startswith("rtm: "):
        raise AppError(last.removeprefix("rtm: "))
    why = f": {last}" if last else ""
    raise AppError(f"{name}: importing it ended with {describe_exit(done.returncode)}{why}")
