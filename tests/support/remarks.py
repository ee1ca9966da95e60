"""What a reader of a run should know beside passed and failed: stand-ins, versions, figures.

A test notes it in its own process; the report of the test carries it to the process that writes the
summary, also when tests run in several.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_NAME = "remark"

#: What was noted in this process, in order.
REMARKS: list[str] = []


def remark(text: str) -> None:
    """Note something for the summary, once."""
    if text not in REMARKS:
        REMARKS.append(text)


def attach_remarks(report: Any) -> None:
    """Let a test's report carry what was noted so far."""
    report.user_properties = [*report.user_properties, *((_NAME, text) for text in REMARKS)]


def told_remarks(stats: Mapping[str, Sequence[Any]]) -> list[str]:
    """Return what the reports of a run carry, each text once.

    Args:
        stats: the reports by outcome, as the terminal reporter keeps them.
    """
    texts: dict[str, None] = {}
    for reports in stats.values():
        for report in reports:
            for name, text in getattr(report, "user_properties", ()):
                if name == _NAME:
                    texts.setdefault(text)
    return list(texts)
