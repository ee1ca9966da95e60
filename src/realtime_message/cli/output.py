"""How commands print data: a table for people, JSON for scripts."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from typing import Any

from realtime_message.visible_text import one_line

_GAP = "  "
# With less than this for its last column a table is easier to read unfolded.
_LEAST_ROOM = 16


def print_json(value: Any) -> None:
    """Print a value as JSON."""
    import msgspec  # noqa: PLC0415 - --help needs none of it

    print(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def print_json_line(value: Any) -> None:
    """Print a value as JSON on one line, at once: a reader may wait for it."""
    import msgspec  # noqa: PLC0415 - as above

    print(msgspec.json.encode(value).decode(), flush=True)


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows under their columns; numbers stand right. None is shown as a dash."""
    from realtime_message.telemetry.logs import has_colour  # noqa: PLC0415 - as above

    is_terminal = sys.stdout.isatty()
    # Elsewhere than on a terminal every row is one line.
    width = shutil.get_terminal_size().columns if is_terminal else None
    header, *lines = table_lines(columns, rows, width)
    print(f"\x1b[1m{header}\x1b[0m" if has_colour(os.environ, is_terminal=is_terminal) else header)
    for line in lines:
        print(line)


def table_lines(
    columns: Sequence[str], rows: Sequence[Sequence[object]], width: int | None
) -> list[str]:
    """Return the lines of a table, the header first; no cell is ever cut off or broken in a word.

    Only the last column is folded, between words. Where too little room is left for it, each row is
    one long line, which the terminal wraps.

    Args:
        columns: their names.
        rows: their cells.
        width: of the terminal; None for as wide as it takes.
    """
    shown = [[one_line("-" if cell is None else str(cell)) for cell in row] for row in rows]
    table = [list(columns), *shown]
    widths = [max(_cells(row[index]) for row in table) for index in range(len(columns))]
    is_number = [
        bool(rows) and all(isinstance(row[index], int | None) for row in rows)
        for index in range(len(columns))
    ]
    indent = sum(widths[:-1]) + len(_GAP) * (len(columns) - 1)
    room = widths[-1] if width is None else width - indent
    if room < min(widths[-1], _LEAST_ROOM):
        room = widths[-1]
    lines = []
    for row in table:
        first, *rest = _folded(row[-1], room)
        cells = zip([*row[:-1], first], widths, is_number, strict=True)
        lines.append(_GAP.join(_aligned(*cell) for cell in cells).rstrip())
        lines += [" " * indent + piece for piece in rest]
    return lines


def _cells(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    from rich.cells import cell_len  # noqa: PLC0415 - most commands print no table

    return cell_len(text)


def _aligned(text: str, width: int, is_number: bool) -> str:
    space = " " * (width - _cells(text))
    return space + text if is_number else text + space


def _folded(text: str, width: int) -> list[str]:
    """Break a text between words; a word that is longer stays whole."""
    lines: list[str] = []
    current, *words = text.split(" ")
    for word in words:
        if _cells(current) + 1 + _cells(word) > width:
            lines.append(current)
            current = word
        else:
            current = f"{current} {word}"
    return [*lines, current]
