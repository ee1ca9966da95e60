"""The Lua scripts: one file each, loaded as package data.

Those whose first line says `allow-oom` also run while Redis is over its maxmemory. They write
little, or a copy of what is trimmed soon. Without them leases would run out and entries stay
pending, so that nothing could be trimmed and the memory would never be free again. What lets new
messages in has no such line.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from hashlib import sha1
from importlib.resources import files

from realtime_message.errors import StreamsUnavailableError
from realtime_message.streams.wire import Wire


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


async def make_known(script: Script, wire: Wire, timeout_seconds: float) -> None:
    """Let the server behind a connection know a script, or close the connection.

    That it refuses the script is no error here: it will refuse the call, too.

    Raises:
        StreamsUnavailableError: no answer, or it takes no commands yet.
    """
    try:
        (reply,) = await wire.call([("SCRIPT", "LOAD", script.text)], timeout_seconds)
    except BaseException:
        wire.close()
        raise
    if isinstance(reply, StreamsUnavailableError):  # such as LOADING
        wire.close()
        raise reply
