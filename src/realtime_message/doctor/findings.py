"""What the doctor finds."""

from __future__ import annotations

from typing import Literal

import msgspec

#: `error`: messages are lost or refused, or strangers get in, now or at the next fault. `warning`:
#: it works, but not as it should. `note`: nothing to fix.
Severity = Literal["error", "warning", "note"]

SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")


class Finding(msgspec.Struct, frozen=True):
    """One thing that was found.

    Attributes:
        severity: how bad it is.
        what: what is so, and where.
        why: why it matters.
        fix: what to do, as a command or a setting; may be empty for a note.
    """

    severity: Severity
    what: str
    why: str
    fix: str = ""


def counted(count: int, one: str, many: str) -> str:
    """Return a number with the words that fit it: `1 message waits`, `2 messages wait`."""
    return f"{count} {one if count == 1 else many}"


def error(what: str, why: str, fix: str) -> Finding:
    """Return a finding that has to be fixed."""
    return Finding("error", what, why, fix)


def warning(what: str, why: str, fix: str) -> Finding:
    """Return a finding that should be fixed."""
    return Finding("warning", what, why, fix)


def note(what: str, why: str = "", fix: str = "") -> Finding:
    """Return something worth knowing; `fix` is what could be done about it."""
    return Finding("note", what, why, fix)
