"""A table on the screen: its header stays while the rows are scrolled."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import ScrollableContainer, Vertical
from textual.content import Content
from textual.widgets import Static

from realtime_message.console.terminal.columns import aligned
from realtime_message.console.terminal.rows import Row

# Also on a narrow screen a name must be recognised.
_LEAST_CELLS = 20


class _Rows(ScrollableContainer):
    """What scrolls; says so to the pane around it."""

    def watch_scroll_x(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_x(old_value, new_value)
        self._tell()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        self._tell()

    def on_resize(self) -> None:
        self._tell()

    def _tell(self) -> None:
        if isinstance(self.parent, TablePane):
            self.parent.show_place()


class TablePane(Vertical):
    """A table, or a sentence where it has no rows.

    Args:
        columns: their names.
        id_: of the widget.
    """

    DEFAULT_CSS = """
    TablePane { height: auto; }
    TablePane > .header { height: 1; text-style: underline; }
    TablePane:focus-within > .header { text-style: bold reverse; }
    TablePane > .place { height: 1; display: none; text-style: dim; }
    TablePane > _Rows { height: 1fr; scrollbar-size: 0 0; }
    TablePane > _Rows > Static { width: auto; }
    """

    def __init__(self, columns: Sequence[str], id_: str) -> None:
        super().__init__(id=id_)
        self._columns = columns
        self._header_line = ""
        self._line_count = 0
        self._header = Static(classes="header", markup=False)
        self._text = Static(markup=False)
        self._rows = _Rows(self._text, can_focus=True)
        self._place = Static(classes="place", markup=False)

    @property
    def wanted_height(self) -> int:
        """How many lines it takes to show all."""
        return 1 + max(self._line_count, 1)

    def compose(self) -> ComposeResult:
        """Put the parts below each other."""
        yield self._header
        yield self._rows
        yield self._place

    def take_focus(self) -> None:
        """Let the keys that scroll go here."""
        self._rows.focus()

    def show(self, rows: Sequence[Row], empty_words: str) -> None:
        """Show rows; a sentence if there are none."""
        self._header_line, lines = aligned(
            self._columns, rows, max(self.size.width // 4, _LEAST_CELLS)
        )
        self._line_count = len(lines)
        self._text.update(Content("\n".join(lines or [empty_words])))
        self.show_place()

    def show_place(self) -> None:
        """Let the header follow to the side, and say which of the rows are to be seen."""
        left, top = round(self._rows.scroll_x), round(self._rows.scroll_y)
        self._header.update(Content(self._header_line[left:]))
        count, room = self._line_count, self.size.height - 1
        self._place.display = 0 < room < count
        last = min(top + room - 1, count)
        self._place.update(Content(f"rows {top + 1}-{last} of {count}: arrows, Page Down, End"))
