"""The console in a browser: live, with or without JavaScript, light and dark, wide and narrow."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from realtime_message.settings import RedisSettings
from realtime_message.streams import Streams
from support.console_process import ConsoleProcess, append_chat, fill
from support.page_audit import audit
from support.valkey_server import ValkeyServer

OpenWindow = Callable[..., BrowserContext]
WIDE = {"width": 1200, "height": 900}
PHONE = {"width": 360, "height": 740}
PATHS = ("", "partitions/7", "workers", "dead-letters", "parked")
TIMEOUT_MS = 20_000


@pytest.fixture(scope="module")
def server() -> Iterator[ValkeyServer]:
    """A server with all that there is to see, for the tests to break."""
    with ValkeyServer() as running:
        _run(lambda: fill(RedisSettings(url=running.url)))
        yield running


@pytest.fixture(scope="module")
def console(
    server: ValkeyServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ConsoleProcess]:
    """A console that looks at it five times a second."""
    folder = tmp_path_factory.mktemp("console")
    with ConsoleProcess(RedisSettings(url=server.url), folder) as running:
        yield running


@pytest.fixture
def open_page(open_window: OpenWindow) -> Iterator[Callable[..., Page]]:
    """Opens pages; afterwards none may have complained."""
    complaints: list[str] = []

    def open_page(url: str, **options: object) -> Page:
        page = open_window(**{"viewport": WIDE, **options}).new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console",
            lambda said: complaints.append(said.text) if "Security Policy" in said.text else None,
        )
        page.goto(url)
        return page

    yield open_page
    assert complaints == []


def _append(server: ValkeyServer, count: int) -> None:
    async def append() -> None:
        streams = Streams(RedisSettings(url=server.url))
        await append_chat(streams, "room:lobby", count)
        await streams.close()

    _run(append)


def _run(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run something in a thread: Playwright occupies the event loop of this one."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(lambda: asyncio.run(work())).result()


def _unread(page: Page) -> Locator:
    """The cell of the partition of room:lobby."""
    return page.locator("tr:has(a[href='/partitions/4']) td").nth(1)


def test_change_is_seen_without_a_reload(
    server: ValkeyServer, console: ConsoleProcess, open_page: Callable[..., Page]
) -> None:
    """What is focused stays focused, and the document is the same one."""
    page = open_page(console.url)
    page.evaluate("window.isFirst = true")
    link = page.get_by_role("link", name="7", exact=True)
    link.focus()
    before = int(_unread(page).inner_text())
    _append(server, 5)
    expect(_unread(page)).to_have_text(str(before + 5), timeout=TIMEOUT_MS)
    assert page.evaluate("window.isFirst")
    expect(link).to_be_focused()


def test_page_without_javascript_is_loaded_again(
    console: ConsoleProcess, open_page: Callable[..., Page]
) -> None:
    """By the browser, after some seconds; the links and the form work."""
    page = open_page(console.url, java_script_enabled=False)
    with page.expect_navigation(timeout=TIMEOUT_MS):
        pass
    page.get_by_role("link", name="Dead letters").first.click()
    page.get_by_label("Channel").fill("orders:*")
    page.get_by_role("button", name="Find").click()
    expect(page.locator("tbody tr")).to_have_count(1)


def test_texts_of_others_stay_texts(
    console: ConsoleProcess, open_page: Callable[..., Page]
) -> None:
    """Scripts in channels, errors and reasons are shown and do not run."""
    page = open_page(f"{console.url}dead-letters")
    paths = [f"dead-letters/{text}" for text in page.locator("tbody th").all_inner_texts()]
    assert len(paths) == 3
    for path in (*PATHS, *paths):
        page.goto(f"{console.url}{path}")
        assert "rtm console" in page.title()
        assert page.locator("main script, main img").count() == 0
    expect(page.locator("pre").first).to_contain_text("<script>document.title='broken'</script>")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_pages_are_readable(
    console: ConsoleProcess,
    open_page: Callable[..., Page],
    screenshots: Path,
    theme: str,
    size: dict[str, int],
) -> None:
    """Enough contrast, no scrolling to the side, as the browser asks."""
    page = open_page(console.url, viewport=size, color_scheme=theme)
    brightness = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert brightness == ("rgb(244, 246, 248)" if theme == "light" else "rgb(15, 20, 25)")
    for path in PATHS:
        page.goto(f"{console.url}{path}")
        name = path.replace("/", "-") or "overview"
        page.screenshot(path=screenshots / f"console-{name}-{theme}-{size['width']}.png")
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
        assert audit(page, "lowContrast") == []


def test_keyboard_and_screen_readers_find_their_way(
    console: ConsoleProcess, open_page: Callable[..., Page]
) -> None:
    """A way past the bar, headings, tables with headers and names, the page that one is on."""
    page = open_page(console.url)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    expect(page.get_by_role("heading", level=1)).to_have_text("Overview")
    expect(page.locator("nav [aria-current=page]")).to_have_text("Overview")
    partitions = page.get_by_role("table", name="Partitions")
    expect(partitions.get_by_role("columnheader")).to_have_count(9)
    expect(partitions.get_by_role("rowheader")).to_have_count(8)
    expect(page.get_by_role("region", name="Partitions")).to_have_attribute("tabindex", "0")


def test_dead_redis_is_told_and_the_page_recovers(
    server: ValkeyServer, console: ConsoleProcess, open_page: Callable[..., Page]
) -> None:
    """What was seen stays, greyed and readable, with the reason; then it is live again."""
    page = open_page(console.url)
    server.kill()
    expect(page.get_by_role("status")).to_contain_text("No answer since", timeout=TIMEOUT_MS)
    expect(page.locator("main[data-stale]")).to_contain_text("worker-a")
    assert audit(page, "lowContrast") == []
    server.start()
    expect(page.get_by_role("status")).to_be_empty(timeout=TIMEOUT_MS)
    expect(page.locator("main[data-stale]")).to_have_count(0)


def test_dead_console_is_told(
    server: ValkeyServer, open_page: Callable[..., Page], tmp_path: Path
) -> None:
    """The open page says that it is no longer live."""
    with ConsoleProcess(RedisSettings(url=server.url), tmp_path) as console:
        page = open_page(console.url)
        assert console.interrupt() == 130
        expect(page.get_by_role("status")).to_contain_text(
            "The console does not answer since", timeout=TIMEOUT_MS
        )
