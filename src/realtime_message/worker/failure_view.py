"""What the log says of a failed message beside its reason. Payloads stay out of it."""

from __future__ import annotations

import re
import shlex

from realtime_message.app.user_code import is_users, shown_file
from realtime_message.message import Message

_FRAME = re.compile(r'^  File "(.+)", line (\d+)', re.MULTILINE)


def place_of(error: str) -> dict[str, str]:
    """Return where the user's code failed, as a field of a log line; nothing if that is unknown.

    Args:
        error: a traceback's end, as a dead letter keeps it; empty for what the handler decided.
    """
    frames = _FRAME.findall(error)
    own = [frame for frame in frames if is_users(frame[0])] or frames
    if not own:
        return {}
    file, line = own[-1]
    return {"at": f"{shown_file(file)}:{line}"}


def how_to_see(message: Message) -> str:
    """Return the command that shows the dead letters of a message's channel."""
    return f"rtm dead-letters list --channel {shlex.quote(message.channel)}"
