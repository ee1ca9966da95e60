"""Text of others made visible: nothing in it steers a terminal or turns a line around."""

from __future__ import annotations


def one_line(text: str) -> str:
    """Return a text with escapes in place of what would move or colour a terminal's cursor."""
    if text.isprintable():
        return text  # as nearly all are
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def many_lines(text: str) -> str:
    """Return a text as `one_line` does, but for its line ends."""
    return "\n".join(map(one_line, text.split("\n")))
