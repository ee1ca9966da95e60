"""The Lua scripts: one file each, loaded as package data."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from hashlib import sha1
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class Script:
    """A script that the server runs in one atomic step.

    Attributes:
        name: `noun_verb`, the file's name without its suffix.
        text: the Lua source.
        sha: by what the server knows it once it was loaded.
    """

    name: str
    text: str
    sha: str


@cache
def load_script(name: str) -> Script:
    """Return the script `lua/{name}.lua`."""
    text = files("realtime_message.streams").joinpath("lua", f"{name}.lua").read_text("utf-8")
    return Script(name, text, sha1(text.encode(), usedforsecurity=False).hexdigest())
