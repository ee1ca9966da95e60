"""How values stand on a page: numbers, times, long texts, tables."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from realtime_message.ages import shown_seconds, shown_time
from realtime_message.console.html import Child, Html, element

#: Of a text in a table, and of one that has a place of its own.
SHORT_CHARACTERS = 160
LONG_CHARACTERS = 20_000

#: A text of no more is not broken in a table.
WORD_CHARACTERS = 24

NOTHING = "–"  # noqa: RUF001 - a dash as wide as a number, for what is not there

_KIBIBYTE = 1024
_LEAST_SHARE = 0.01


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes:
        title: its header.
        is_number: whether its cells stand right.
    """

    title: str
    is_number: bool = False


def table(caption: str, columns: Sequence[Column], rows: Sequence[Sequence[Child]]) -> Html:
    """Return a table that scrolls within itself; the first cell of a row is its header."""
    head = [
        element("th", column.title, scope="col", class_="number" if column.is_number else None)
        for column in columns
    ]
    body = []
    for row in rows:
        cells = [
            element("td", cell, class_=_kind(cell, column))
            if index
            else element("th", cell, scope="row", class_=_kind(cell, column))
            for index, (cell, column) in enumerate(zip(row, columns, strict=True))
        ]
        body.append(element("tr", cells))
    return element(
        "div",
        element(
            "table",
            element("caption", caption, class_="visually-hidden"),
            element("thead", element("tr", head)),
            element("tbody", body),
        ),
        class_="scroll",
        role="region",
        aria_label=caption,
        tabindex=0,
    )


def _kind(cell: Child, column: Column) -> str | None:
    """Return how a cell is laid out: short texts are never broken, long ones have room."""
    if column.is_number:
        return "number"
    if isinstance(cell, Html) or not isinstance(cell, str):
        return None
    return "word" if len(cell) <= WORD_CHARACTERS else "text"


def facts(rows: Sequence[tuple[str, Child]]) -> Html:
    """Return names and values beneath each other."""
    pairs = [
        element("div", element("dt", name), element("dd", NOTHING if value is None else value))
        for name, value in rows
    ]
    return element("dl", pairs, class_="facts")


def section(title: str, *children: Child, class_: str | None = None) -> Html:
    """Return a section under a heading."""
    return element("section", element("h2", title), children, class_=class_)


def number(value: int | None) -> str:
    """Return a count with a comma between thousands."""
    return NOTHING if value is None else f"{value:,}"


def rate(per_second: float | None) -> str:
    """Return entries per second."""
    return NOTHING if per_second is None else f"{per_second:,.1f}"


def age(seconds: float | None) -> str:
    """Return a length of time."""
    return shown_seconds(seconds) or NOTHING


def size(count: int | None) -> str:
    """Return a number of bytes in the unit that fits."""
    if count is None:
        return NOTHING
    if count < _KIBIBYTE:
        return f"{count} B"
    value, unit = count / _KIBIBYTE, "KiB"
    for larger in ("MiB", "GiB", "TiB"):
        if value < _KIBIBYTE:
            break
        value, unit = value / _KIBIBYTE, larger
    return f"{value:.1f} {unit}"


def share(value: float) -> str:
    """Return a share in percent."""
    return "under 1%" if 0 < value < _LEAST_SHARE else f"{value:.0%}"


def moment(at: float | None) -> Child:
    """Return a point in time, in seconds since 1970, by this machine's clock."""
    if at is None:
        return NOTHING
    utc = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))
    return element("time", shown_time(at), datetime=utc)


def short(text: str | None, limit: int = SHORT_CHARACTERS) -> str:
    """Return a text for a cell, cut where it is too long."""
    if not text:
        return NOTHING
    return text if len(text) <= limit else f"{text[:limit]}…"


def command(text: str) -> Html:
    """Return a command to be copied: one click selects it."""
    return element("code", text, class_="command")


def partition_link(partition: int) -> Html:
    """Return a link to a partition."""
    return element("a", partition, href=f"/partitions/{partition}")


def letter_path(name: str) -> str:
    """Return where a dead letter is shown."""
    return f"/dead-letters/{quote(name, safe=':')}"
