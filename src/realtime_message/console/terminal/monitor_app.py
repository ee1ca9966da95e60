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
        super().__init__()
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

    @property
    def is_paused(self) -> bool:
        """Whether nothing is looked at for now."""
        return not self._going.is_set()

    def compose(self) -> ComposeResult:
        """Put the parts below each other."""
        with Horizontal(id="top"):
            yield Static(id="where", markup=False)
            yield Static(id="age", markup=False)
        yield Static(id="figures", markup=False)
        yield Static(id="failure", markup=False)
        yield Static(id="attention", markup=False)
        with ContentSwitcher(initial="system"):
            with Container(id="system"):
                yield TablePane(PARTITION_COLUMNS, "partitions")
                yield TablePane(WORKER_COLUMNS, "workers")
            with Container(id="failed"):
                yield TablePane(("parked channel", *PARKED_COLUMNS[1:]), "parked")
                yield TablePane(("dead letter", *LETTER_COLUMNS[1:]), "letters")
            yield Static(Content(HELP), id="help", markup=False)
        yield Static(id="keys", markup=False)

    def on_mount(self) -> None:
        """Show what is known, and begin to look."""
        self._focus_table()
        self._show()
        self.run_worker(self._keep_looking())
        self.set_interval(1.0, self._show_top)

    def on_resize(self) -> None:
        """Use the room that there is now."""
        self._show_top()
        self.call_after_refresh(self._share_room)

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
        switcher = self.query_one(ContentSwitcher)
        switcher.current = "system" if switcher.current == name else name
        self._lookout.wants_letters = switcher.current == "failed"
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
        first = {"system": "#partitions _Rows", "failed": "#letters _Rows"}
        shown = first.get(self.query_one(ContentSwitcher).current or "")
        self.set_focus(self.query_one(shown) if shown else None)

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
            self.query_one(f"#{name}", TablePane).show(rows, empty_words)
        self._share_room()

    def _share_room(self) -> None:
        """Give the partitions what they need, if the workers have enough, beneath or beside."""
        partitions, workers = (
            self.query_one(f"#{n}", TablePane) for n in ("partitions", "workers")
        )
        if self.size.width >= _WIDE_COLUMNS:
            partitions.styles.height = "1fr"
            return
        room = self.query_one("#system").size.height
        for_workers = min(workers.wanted_height + 1, max(room // 3, _LEAST_HEIGHT))
        partitions.styles.height = max(min(partitions.wanted_height, room - for_workers), 0)

    def _show_top(self) -> None:
        keeper, kept = self._keeper, self._keeper.kept
        age = age_words(keeper.age_seconds, is_current=kept.is_current, is_paused=self.is_paused)
        self._put("age", age)
        self._put("keys", keys_line(self._order, is_paused=self.is_paused))
        failure = ""
        if kept.failure:
            failure = failure_words(kept.failure, keeper.failing_seconds, keeper.age_seconds)
        self.query_one("#failure").display = bool(failure)
        self.query_one("#attention").display = self.query_one(ContentSwitcher).current != "help"
        self._put("failure", one_line(failure))
        if kept.overview is None:
            self._put("where", self._where)
            return
        self._put("where", f"{self._where}  {layout_words(kept.overview)}")
        self._put("figures", figure_lines(figures(kept.overview)))
        has_room = self.size.height >= _ROOMY_LINES
        lines = attention_lines(kept.overview, self._review(kept.overview), has_room=has_room)
        self._put("attention", "\n".join(map(one_line, lines)))

    def _without_letters(self) -> str:
        return one_line(self._lookout.refusal) or "no dead letters"

    def _put(self, name: str, text: str) -> None:
        self.query_one(f"#{name}", Static).update(Content(text))
