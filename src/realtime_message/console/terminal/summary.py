"""The state of the whole system in few words: what stands above the tables. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from realtime_message.ages import shown_seconds
from realtime_message.console.overview import Overview
from realtime_message.console.terminal.rows import shown_rate
from realtime_message.streams.layout_view import resize_sentence

_MEBIBYTE = 1024 * 1024
_FEW_CONCERNS = 3
_MANY_CONCERNS = 8


class Concern(NamedTuple):
    """Something that needs attention.

    Attributes:
        what: how bad it is, and what is so.
        fix: what to do about it.
    """

    what: str
    fix: str


def figures(overview: Overview) -> list[tuple[str, str]]:
    """Return the numbers of the whole system with their names; a dash for what is not known."""
    more = "+" if overview.has_more_parked else ""
    return [
        ("unhandled", str(overview.unhandled)),
        ("in/s", shown_rate(overview.appended_per_second) or "-"),
        ("done/s", shown_rate(overview.handled_per_second) or "-"),
        ("oldest", shown_seconds(overview.oldest_seconds) or "-"),
        ("dead letters", str(overview.dead_letters)),
        ("parked", f"{len(overview.parked)}{more}"),
        ("memory", _memory(overview)),
    ]


def layout_words(overview: Overview) -> str:
    """Say how many partitions there are, and whether that is about to change."""
    layout = overview.layout
    count = f"{layout.partition_count} partition{'' if layout.partition_count == 1 else 's'}"
    return count if layout.is_stable else f"{count}, RESIZING"


def attention_lines(
    overview: Overview, concerns: Sequence[Concern], *, has_room: bool
) -> list[str]:
    """Return what needs attention, a line each, the worst first.

    Args:
        overview: what was seen.
        concerns: what is wrong with it, the worst first.
        has_room: whether there is room for many lines, and for what to do.
    """
    lines = [] if overview.layout.is_stable else [resize_sentence(overview.layout)]
    count = _MANY_CONCERNS if has_room else _FEW_CONCERNS
    lines += [f"{c.what}: {c.fix}" if has_room else c.what for c in concerns[:count]]
    left = len(concerns) - count
    if left > 0:
        lines.append(f"and {left} more: rtm doctor shows all of them")
    return lines or ["nothing needs attention"]


def failure_words(failure: str, failing_seconds: float, age_seconds: float | None) -> str:
    """Say that Redis does not answer, why, since when, and how old what is shown is.

    Args:
        failure: why, and what to do.
        failing_seconds: for how long no look has succeeded.
        age_seconds: of what is shown; None if nothing is.
    """
    for_long = f"{whole_seconds(failing_seconds)}: {failure}"
    if age_seconds is None:
        return f"no answer for {for_long}"
    return f"no answer for {for_long}. Everything below is {whole_seconds(age_seconds)} old"


def age_words(age_seconds: float | None, *, is_current: bool, is_paused: bool) -> str:
    """Say how old what is shown is, and whether it will be renewed."""
    if age_seconds is None:
        return "nothing seen yet"
    age = f"{whole_seconds(age_seconds)} old"
    if is_paused:
        return f"PAUSED, {age}"
    return age if is_current else f"NOT CURRENT, {age}"


def whole_seconds(seconds: float) -> str:
    """Return an age without fractions: what is looked at must not flicker."""
    return (shown_seconds(int(seconds)) if seconds >= 1 else None) or "0 s"


def _memory(overview: Overview) -> str:
    memory = overview.memory
    if memory.share is not None:
        return f"{memory.share:.0%}"
    return "-" if memory.used_bytes is None else f"{memory.used_bytes / _MEBIBYTE:.0f} MiB"
