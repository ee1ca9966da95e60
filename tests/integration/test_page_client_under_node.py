"""The page's client where there is no page."""

from __future__ import annotations

import os
from pathlib import Path

from support.background import Background
from support.node_packages import install_node_packages, needs_node
from support.scripted_gateway import ScriptedGateway

SCRIPT = Path(__file__).with_name("page_client.mjs")


@needs_node
def test_client_connects_and_leaves(tmp_path: Path) -> None:
    """Nothing in it wants a window."""
    with ScriptedGateway() as gateway:
        url = f"ws://127.0.0.1:{gateway.port}/connection/websocket"
        modules = str(install_node_packages())
        process = Background(["node", str(SCRIPT), modules, url], tmp_path, os.environ)
        try:
            assert gateway.accept().greet()["connect"]["token"] == "a token"
            assert process.wait(timeout_seconds=20) == 0, process.output
            assert process.output.split() == ["connected", "disconnected"]
        finally:
            process.kill()
