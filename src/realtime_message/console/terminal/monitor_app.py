"""The live screen of `rtm monitor`."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import ClassVar

from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Horizontal
from textual.content import Content
from textual.widgets import ContentSwitcher, Static

from realtime_message.console.overview import Overview
from realtime_message.console.overview_keeper import OverviewKeeper
from realtime_message.console.terminal.lookout import Lookout
from realtime_message.console.terminal.rows import (
    LETTER_COLUMNS,
    PARKED_COLUMNS,
    PARTITION_COLUMNS,
    WORKER_COLUMNS,
    Order,
    letter_rows,
    parked_rows,
    partition_rows,
    worker_rows,
)
from realtime_message.console.terminal.screen_texts import HELP, STYLES, figure_lines, keys_line
from realtime_message.console.terminal.summary import (
    Concern,
    age_words,
    attention_lines,
    failure_words,
    figures,
    layout_words,
)
from realtime_message.console.terminal.table_pane import TablePane
from realtime_message.errors import EXIT_INTERRUPTED, StreamsError
from realtime_message.visible_text import one_line

# From here on there is room for what to do about each concern.
_ROOMY_LINES = 30
# For the workers at least a header, two rows, and the line that says which rows they are.
_LEAST_HEIGHT = 5
# From here on the workers stand beside the partitions.
_WIDE_COLUMNS = 150

# The terminal's own two colours: fit for a light one, a dark one and one that has no others.
_THEME = "ansi-dark"

_TEXTS = ("where", "age", "figures", "failure", "attention", "keys")
_TABLES = {
    "partitions": PARTITION_COLUMNS,
    "workers": WORKER_COLUMNS,
    "parked": ("parked channel", *PARKED_COLUMNS[1:]),
    "letters": ("dead letter", *LETTER_COLUMNS[1:]),
}


class MonitorApp(App[int]):
    """Shows the latest overview until it is ended; the result is the exit code.

    Args:
        keeper: keeps the overview, by the lookout.
        lookout: takes it, and the dead letters.
        review: says what needs attention, the worst first.
        where: the server, without its password.
        refresh_seconds: between two looks.
    """

    CSS = STYLES
    ENABLE_COMMAND_PALETTE = False
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (_WIDE_COLUMNS, "-wide")]  # noqa: RUF012 - as textual declares it
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "end(0)"),
        Binding("ctrl+c", f"end({EXIT_INTERRUPTED})", priority=True),
        Binding("p,space", "pause"),
        Binding("o", "order"),
        Binding("d", "view('failed')"),
        Binding("question_mark,h", "view('help')"),
        Binding("escape", "view('system')"),
        Binding("ctrl+z", "suspend_process"),
    ]

    def __init__(
        self,
        keeper: OverviewKeeper,
        lookout: Lookout,
        review: Callable[[Overview], Sequence[Concern]],
        where: str,
        refresh_seconds: float,
    ) -> None:
        super().__init__(ansi_color=True)  # from the start: with NO_COLOR it is too late afterwards
        self.theme = _THEME
        self.animation_level = "none"
        self._keeper = keeper
        self._lookout = lookout
        self._review = review
        self._where = one_line(where)
        self._refresh_seconds = refresh_seconds
        self._order = Order.number
        self._going = asyncio.Event()
        self._going.set()
        # Held here: a resize or a look may come before they are on the screen, or after.
        self._texts = {name: Static(id=name, markup=False) for name in _TEXTS}
        self._tables = {name: TablePane(columns, name) for name, columns in _TABLES.items()}
        self._system = Container(id="system")
        self._views = ContentSwitcher(initial="system")

    @property
    def is_paused(self) -> bool:
        """Whether nothing is looked at for now."""
        return not self._going.is_set()

    def compose(self) -> ComposeResult:
        """Put the parts below each other."""
        with Horizontal(id="top"):
            yield self._texts["where"]
            yield self._texts["age"]
        for name in ("figures", "failure", "attention"):
            yield self._texts[name]
        with self._views:
            with self._system:
                yield self._tables["partitions"]
                yield self._tables["workers"]
            with Container(id="failed"):
                yield self._tables["parked"]
                yield self._tables["letters"]
            yield Static(Content(HELP), id="help", markup=False)
        yield self._texts["keys"]

    def on_mount(self) -> None:
        """Show what is known, and begin to look."""
        self._focus_table()
        self._show()
        self.run_worker(self._keep_looking())
        self.set_interval(1.0, self._show_top)

    def on_resize(self) -> None:
        """Use the room that there is now."""
        self._show_top()

    def action_end(self, code: int) -> None:
        """End with an exit code."""
        self.exit(code)

    def action_pause(self) -> None:
        """Look no more, or again."""
        if self.is_paused:
            self._going.set()
        else:
            self._going.clear()
        self._show_top()

    def action_order(self) -> None:
        """Sort the partitions by the next thing."""
        self._order = self._order.next
        self._show()

    def action_view(self, name: str) -> None:
        """Show a view; the system again if it is the one that is shown."""
        views = self._views
        views.current = "system" if views.current == name else name
        self._lookout.wants_letters = views.current == "failed"
        if self._lookout.wants_letters:
            self.run_worker(self._look_at_letters())
        self._focus_table()
        self._show_top()

    async def _keep_looking(self) -> None:
        while True:
            await self._going.wait()
            await self._keeper.look()
            self._show()
            await asyncio.sleep(self._refresh_seconds)

    async def _look_at_letters(self) -> None:
        """Look at the dead letters at once; the overview has its own times, for its rates."""
        with contextlib.suppress(StreamsError):  # the next look tells it
            await self._lookout.take_letters()
        self._show()

    def _focus_table(self) -> None:
        """Let the keys that scroll go to the first table of what is shown."""
        first = {"system": "partitions", "failed": "letters"}.get(self._views.current or "")
        if first is None:
            self.set_focus(None)
        else:
            self._tables[first].take_focus()

    def _show(self) -> None:
        self._show_top()
        overview = self._keeper.kept.overview
        if overview is None:
            return
        tables = {
            "partitions": (partition_rows(overview, self._order), "there are no partitions"),
            "workers": (worker_rows(overview.workers), "no worker is running"),
            "parked": (parked_rows(overview.parked), "no channel is parked"),
            "letters": (letter_rows(self._lookout.letters), self._without_letters()),
        }
        for name, (rows, empty_words) in tables.items():
            self._tables[name].show(rows, empty_words)

    def _share_room(self) -> None:
        """Give the partitions what they need, if the workers have enough, beneath or beside."""
        partitions, workers = self._tables["partitions"], self._tables["workers"]
        if self.size.width >= _WIDE_COLUMNS:
            partitions.styles.height = "1fr"
            return
        room = self._system.size.height
        if not room:
            return  # another view is shown
        for_workers = min(workers.wanted_height + 1, max(room // 3, min(_LEAST_HEIGHT, room // 2)))
        partitions.styles.height = max(min(partitions.wanted_height, room - for_workers), 0)

    def _show_top(self) -> None:
        keeper, kept = self._keeper, self._keeper.kept
        age = age_words(keeper.age_seconds, is_current=kept.is_current, is_paused=self.is_paused)
        self._put("age", age)
        self._put("keys", keys_line(self._order, is_paused=self.is_paused))
        failure = ""
        if kept.failure:
            failure = failure_words(kept.failure, keeper.failing_seconds, keeper.age_seconds)
        self._texts["failure"].display = bool(failure)
        self._texts["attention"].display = self._views.current != "help"
        self._put("failure", one_line(failure))
        if kept.overview is None:
            self._put("where", self._where)
            return
        self._put("where", f"{self._where}  {layout_words(kept.overview)}")
        self._put("figures", figure_lines(figures(kept.overview)))
        has_room = self.size.height >= _ROOMY_LINES
        lines = attention_lines(kept.overview, self._review(kept.overview), has_room=has_room)
        self._put("attention", "\n".join(map(one_line, lines)))
        # What stands above may have grown.
        self.call_after_refresh(self._share_room)

    def _without_letters(self) -> str:
        return one_line(self._lookout.refusal) or "no dead letters"

    def _put(self, name: str, text: str) -> None:
        self._texts[name].update(Content(text))
