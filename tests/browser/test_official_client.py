"""The page on the official JavaScript client shows what it shows on its own."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext

from support.browser_stack import BrowserStack
from support.chat_flows import FLOWS, Desk, Flow

# The newest release at the time of writing; a fixed one, so that a failure is ours.
OFFICIAL_CLIENT = "centrifuge@5.8.0"
INSTALL_TIMEOUT_SECONDS = 120
ADAPTER = Path(__file__).with_name("centrifuge_adapter.js")


@pytest.fixture(scope="session")
def official_client(request: pytest.FixtureRequest) -> str:
    """The official client's browser build, installed with npm into .work/node."""
    folder = request.config.rootpath / ".work" / "node"
    build = folder / "node_modules" / "centrifuge" / "dist" / "centrifuge.js"
    if not build.is_file():
        npm = shutil.which("npm")
        if npm is None:
            pytest.skip("no npm to install the official client with")
        folder.mkdir(parents=True, exist_ok=True)
        command = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", OFFICIAL_CLIENT]
        done = subprocess.run(
            [*command, "--prefix", str(folder)],
            capture_output=True,
            text=True,
            timeout=INSTALL_TIMEOUT_SECONDS,
            check=False,
        )
        if done.returncode != 0:
            pytest.skip(f"npm could not install {OFFICIAL_CLIENT}: {done.stderr.strip()[-300:]}")
    return build.read_text(encoding="utf-8")


def _serve_in_place(context: BrowserContext, official_client: str) -> None:
    """Give the page the adapter and the official client instead of its own module."""

    def serve(pattern: str, script: str) -> None:
        context.route(
            pattern,
            lambda route: route.fulfill(body=script, content_type="text/javascript"),
        )

    serve("**/client/client.js", ADAPTER.read_text(encoding="utf-8"))
    serve("**/client/centrifuge.js", official_client)


@pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: flow.__name__)
def test_both_clients_show_the_same(
    flow: Flow,
    stack: BrowserStack,
    open_window: Callable[..., BrowserContext],
    official_client: str,
) -> None:
    """Every flow shows the same with the page's own client and with the official one."""
    own, official = Desk(stack, open_window()), Desk(stack, open_window())
    _serve_in_place(official.context, official_client)
    seen_with_own, seen_with_official = flow(own), flow(official)
    assert official.tabs[0].page.evaluate("typeof globalThis.Centrifuge") == "function"
    assert seen_with_official == seen_with_own
    assert [tab.errors for tab in (*own.tabs, *official.tabs) if tab.errors] == []
