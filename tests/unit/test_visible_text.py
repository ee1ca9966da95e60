"""Text of others on a terminal or a page."""

from __future__ import annotations

import pytest

from realtime_message.visible_text import many_lines, one_line


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ünïcode 漢字", "plain ünïcode 漢字"),
        ("\x1b[31mred\x07", "\\x1b[31mred\\x07"),
        ("two\nlines\r", "two\\nlines\\r"),
        ("evil\u202egpj.exe", "evil\\u202egpj.exe"),
        ("\ud800", "\\ud800"),
    ],
)
def test_what_steers_is_escaped(text: str, shown: str) -> None:
    """Escapes, ends of lines, a change of direction, half of a character."""
    assert one_line(text) == shown


def test_line_ends_may_stay() -> None:
    """Where several lines are wanted, and nothing else."""
    assert many_lines("a\n\x1b[2J\u2028b\r\nc") == "a\n\\x1b[2J\\u2028b\\r\nc"
