"""Where `rtm centrifugo install` puts the program, so that all of a user's projects find it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

PROGRAM = "centrifugo"


def install_folder(environment: Mapping[str, str]) -> Path | None:
    """Return the folder: under XDG_DATA_HOME, else under HOME; None if neither is set."""
    base = environment.get("XDG_DATA_HOME")
    if base:
        return Path(base) / "centrifuge-realtime-message" / "bin"
    home = environment.get("HOME")
    if home:
        return Path(home) / ".local" / "share" / "centrifuge-realtime-message" / "bin"
    return None
