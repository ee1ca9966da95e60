"""Rows as aligned lines of text, which nothing that others wrote can disturb."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content

from realtime_message.console.terminal.rows import Row
from realtime_message.visible_text import one_line

_GAP = "  "
_MAX_LAST_CELLS = 500
# Wide enough for usual numbers, so that columns do not move when the numbers grow.
_LEAST_WIDTHS = {"length": 7, "oldest": 7, "in/s": 6}
_STAND_RIGHT = {
    *("partition", "length", "unread", "pending", "dead", "oldest", "in/s", "done/s"),
    *("set aside"),
}


def aligned(columns: Sequence[str], rows: Sequence[Row], max_cells: int) -> tuple[str, list[str]]:
    """Return the header and a line for each row.

    Args:
        columns: their names.
        rows: what stands in each row.
        max_cells: a cell that is longer is cut off, or it would push the others out of sight; the
            last one has none behind it.
    """
    last = len(columns) - 1
    limits = [_MAX_LAST_CELLS if index == last else max_cells for index in range(len(columns))]
    table = [
        [_cropped(_text(cell), limit) for cell, limit in zip(row, limits, strict=True)]
        for row in rows
    ]
    widths = [
        max([_LEAST_WIDTHS.get(name, 0), len(name), *(cell_count(row[index]) for row in table)])
        for index, name in enumerate(columns)
    ]
    header, *lines = (
        _GAP.join(
            _padded(cell, width, stands_right=name in _STAND_RIGHT)
            for cell, width, name in zip(cells, widths, columns, strict=True)
        ).rstrip()
        for cells in [columns, *table]
    )
    return header, lines


def cell_count(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    return len(text) if text.isascii() else Content(text).cell_length


def _text(cell: object) -> str:
    return "-" if cell is None else one_line(str(cell))


def _cropped(text: str, limit: int) -> str:
    if cell_count(text) <= limit:
        return text
    return Content(text).truncate(limit, ellipsis=True).plain


def _padded(text: str, width: int, *, stands_right: bool) -> str:
    space = " " * (width - cell_count(text))
    return space + text if stands_right else text + space
