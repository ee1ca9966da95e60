"""The command line of a part."""

from __future__ import annotations

import sys


def part_command(name: str, *arguments: str) -> list[str]:
    """Return the command line that runs a part.

    `-P` keeps the working directory off the module path while our own modules are loaded: a file
    called `redis.py` beside the user must not replace a library.
    """
    return [sys.executable, "-P", "-m", "realtime_message.stack.part", name, *arguments]
