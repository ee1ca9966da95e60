"""The container's log: every line says which part wrote it, as text or as JSON."""

from __future__ import annotations

import re
import sys
import time
from typing import Any, Protocol, TextIO

import msgspec

from realtime_message.stack.combined_log import OWN_NAME, CombinedLog

CALLBACK, GATEWAY = "callback", "gateway"
PART_NAMES = (GATEWAY, CALLBACK)

_TIME_OF_DAY = re.compile(r"T(\d\d:\d\d:\d\d)")


class PartLines(Protocol):
    """Where the lines of the parts and of the supervisor go."""

    def line(self, name: str, text: str) -> None:
        """Write one line of a part."""
        ...

    def say(self, text: str) -> None:
        """Write what the supervisor itself has to say."""
        ...


def open_log(log_format: str, stream: TextIO | None = None) -> PartLines:
    """Return the log.

    Args:
        log_format: `json` for one object a line; anything else for text with a prefix.
        stream: where to write; stdout by default.
    """
    return JsonLines(stream) if log_format == "json" else TextLines(stream)


class TextLines:
    """The part's name before each line. What Centrifugo wrote as JSON becomes a short line."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._log = CombinedLog(PART_NAMES, has_colour=False, stream=stream)

    def line(self, name: str, text: str) -> None:
        """Write one line of a part."""
        entry = _object_in(text)
        self._log.line(name, text if entry is None else _short(entry))

    def say(self, text: str) -> None:
        """Write what the supervisor itself has to say."""
        self._log.say(text)


class JsonLines:
    """One object a line, with the part's name under `source`."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout

    def line(self, name: str, text: str) -> None:
        """Write one line of a part: its own object, or its text as the message of one."""
        entry = _object_in(text)
        self._write({"source": name, **({"message": text} if entry is None else entry)})

    def say(self, text: str) -> None:
        """Write what the supervisor itself has to say."""
        moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        self._write({"source": OWN_NAME, "level": "info", "time": moment, "message": text})

    def _write(self, entry: dict[str, Any]) -> None:
        self._stream.write(msgspec.json.encode(entry).decode() + "\n")
        self._stream.flush()


def _object_in(text: str) -> dict[str, Any] | None:
    if not text.startswith("{"):
        return None
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.DecodeError:
        return None


def _short(entry: dict[str, Any]) -> str:
    """Return time of day, level where it is not info, message, and the other fields."""
    entry = dict(entry)
    moment = _TIME_OF_DAY.search(str(entry.pop("time", "")))
    level = str(entry.pop("level", "info"))
    message = str(entry.pop("message", ""))
    words = [moment.group(1) if moment else "", "" if level == "info" else level, message]
    words += [f"{name}={value}" for name, value in entry.items()]
    return " ".join(word for word in words if word)
