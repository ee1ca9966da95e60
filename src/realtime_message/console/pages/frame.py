"""What every page has: title, ways, what Redis says, and when."""

from __future__ import annotations

import time
from dataclasses import dataclass

from realtime_message.ages import shown_time
from realtime_message.console.html import Child, Html, element
from realtime_message.console.html import page as document
from realtime_message.console.overview_keeper import KeptOverview
from realtime_message.console.pages.cells import number

_WAYS = (
    ("/", "Overview"),
    ("/workers", "Workers"),
    ("/dead-letters", "Dead letters"),
    ("/parked", "Parked channels"),
)
_PLAIN_REFRESH_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Frame:
    """What pages have in common.

    Attributes:
        kept: what is known of the system.
        refresh_seconds: how often a page that shows it is made anew.
        where: the server, without its password.
    """

    kept: KeptOverview
    refresh_seconds: float
    where: str

    def page(self, title: str, way: str, *content: Child, is_live: bool = True) -> str:
        """Return a page.

        Args:
            title: its heading, and its name in the browser.
            way: which of the ways leads to it.
            content: what it shows.
            is_live: whether it follows what happens.
        """
        return document(
            _head(title, self.refresh_seconds if is_live else None),
            element(
                "body",
                element("a", "Skip to content", href="#content", class_="skip"),
                self._header(way),
                element("p", self._failure(), id="failure", role="status"),
                element(
                    "main",
                    element("h1", title),
                    content,
                    id="content",
                    data_stale=not self.kept.is_current and is_live,
                ),
                self._footer(),
                data_refresh_seconds=self.refresh_seconds if is_live else None,
            ),
        )

    def _header(self, way: str) -> Html:
        overview = self.kept.overview
        counts: dict[str, int] = {}
        if overview is not None:
            counts = {"/dead-letters": overview.dead_letters, "/parked": len(overview.parked)}
        links = [
            element(
                "a",
                text,
                _badge(counts.get(path, 0)),
                href=path,
                aria_current="page" if path == way else None,
            )
            for path, text in _WAYS
        ]
        return element(
            "header",
            element("span", "rtm console", class_="brand"),
            element("nav", links, aria_label="Pages"),
        )

    def _failure(self) -> str | None:
        kept = self.kept
        if not kept.failure:
            return None
        seen = (
            f" What is shown was seen at {_clock(kept.taken_at)}."
            if kept.overview
            else " Nothing was seen yet."
        )
        return f"No answer since {_clock(kept.failing_since)}: {kept.failure}.{seen}"

    def _footer(self) -> Html:
        kept = self.kept
        seen = f"Seen at {_clock(kept.taken_at)} " if kept.overview else "Not seen yet "
        return element(
            "footer",
            element("p", seen, f"on {self.where}"),
            element("p", f"Times are those of the console's machine ({time.strftime('%Z')})"),
        )


def _head(title: str, refresh_seconds: float | None) -> Html:
    plain = None
    if refresh_seconds is not None:
        seconds = max(refresh_seconds, _PLAIN_REFRESH_SECONDS)
        # Without JavaScript the browser loads the page again.
        plain = element("noscript", element("meta", http_equiv="refresh", content=f"{seconds:g}"))
    return element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", f"{title} · rtm console"),
        element("link", rel="icon", href="/files/icon.svg", type="image/svg+xml"),
        element("link", rel="stylesheet", href="/files/console.css"),
        element("link", rel="stylesheet", href="/files/parts.css"),
        element("script", src="/files/console.js", type="module"),
        plain,
    )


def _badge(count: int) -> Child:
    return [" ", element("span", number(count), class_="badge")] if count else None


def _clock(at: float) -> str:
    """Return a point in time without today's date."""
    text = shown_time(at)
    today = shown_time(time.time()).partition(" ")[0]
    return text.removeprefix(today).strip()
