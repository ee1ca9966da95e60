"""A browser, the system behind it, and a window for each test."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, sync_playwright

from support.browser_stack import BrowserStack, find_centrifugo, running_stack, serving_page
from support.chat_flows import Desk
from support.page_client import PageClient
from support.scripted_gateway import ScriptedGateway

CHROMIUM_OPTIONS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The system's Chromium.

    For one module at a time: while it runs, Playwright occupies the thread's event loop, which
    asynchronous tests of other modules need.
    """
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("no Chromium: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(CHROMIUM_OPTIONS))
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def embedded_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrowserStack]:
    """The running system with the embedded gateway."""
    with running_stack(tmp_path_factory.mktemp("embedded"), "embedded") as stack:
        yield stack


@pytest.fixture(scope="session")
def centrifugo_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrowserStack]:
    """The running system with Centrifugo."""
    if find_centrifugo() is None:
        pytest.skip("no Centrifugo: set RTM_CENTRIFUGO_BIN, or put centrifugo into PATH")
    with running_stack(tmp_path_factory.mktemp("centrifugo"), "centrifugo") as stack:
        yield stack


@pytest.fixture
def stack(request: pytest.FixtureRequest) -> BrowserStack:
    """The running system; a test may ask for `embedded` or `centrifugo` by its parameter."""
    gateway = getattr(request, "param", "embedded")
    stack: BrowserStack = request.getfixturevalue(f"{gateway}_stack")
    return stack


@pytest.fixture
def open_window(browser: Browser) -> Iterator[Callable[..., BrowserContext]]:
    """Opens windows that share nothing with each other; options as for new_context()."""
    contexts: list[BrowserContext] = []

    def open_window(**options: Any) -> BrowserContext:
        # Without a graphics card, animations take half of the time of a test.
        context = browser.new_context(**{"locale": "en-GB", "reduced_motion": "reduce", **options})
        contexts.append(context)
        return context

    yield open_window
    for context in contexts:
        context.close()


@pytest.fixture
def desk(stack: BrowserStack, open_window: Callable[..., BrowserContext]) -> Iterator[Desk]:
    """A window with the page's own client; afterwards no tab may have complained."""
    desk = Desk(stack, open_window())
    yield desk
    assert [tab.errors for tab in desk.tabs if tab.errors] == []


@pytest.fixture
def screenshots(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Where a test puts its screenshots: .work/screenshots of the project, if that is there."""
    folder = request.config.rootpath / ".work" / "screenshots"
    if not folder.parent.is_dir():
        return tmp_path
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture
def scripted_gateway() -> Iterator[ScriptedGateway]:
    """A gateway that the test plays."""
    with ScriptedGateway() as gateway:
        yield gateway


@pytest.fixture
def client(
    scripted_gateway: ScriptedGateway, open_window: Callable[..., BrowserContext]
) -> Iterator[PageClient]:
    """A page from which the client can be imported: any document of the page's server."""
    with serving_page(scripted_gateway.port) as url:
        page = open_window().new_page()
        page.goto(f"{url}client/client.js")
        yield PageClient(page, scripted_gateway)
        page.close()
