"""What people do with the chat page shows the same on its own client and on the official one."""

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
OWN, OFFICIAL = "own client", "official client"
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


@pytest.fixture
def desk(
    request: pytest.FixtureRequest,
    stack: BrowserStack,
    open_window: Callable[..., BrowserContext],
) -> Desk:
    """A window whose page runs on the client that the test's parameter names."""
    desk = Desk(stack, open_window())
    if request.param == OFFICIAL:
        script = request.getfixturevalue("official_client")
        _serve(desk.context, "**/client/client.js", ADAPTER.read_text(encoding="utf-8"))
        _serve(desk.context, "**/client/centrifuge.js", script)
    return desk


def _serve(context: BrowserContext, pattern: str, script: str) -> None:
    """Give the page a script in place of its own."""
    context.route(pattern, lambda route: route.fulfill(body=script, content_type="text/javascript"))


@pytest.mark.parametrize("stack", ["embedded", "centrifugo"], indirect=True)
@pytest.mark.parametrize("desk", [OWN, OFFICIAL], indirect=True)
@pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: flow.name)
def test_people_see_what_they_must(flow: Flow, desk: Desk, request: pytest.FixtureRequest) -> None:
    """Every flow shows what it must, on both gateways and with both clients."""
    assert flow.run(desk) == flow.expected
    assert [tab.errors for tab in desk.tabs if tab.errors] == []
    is_official = request.node.callspec.params["desk"] == OFFICIAL
    loaded = desk.tabs[0].page.evaluate("typeof globalThis.Centrifuge")
    assert loaded == ("function" if is_official else "undefined")
