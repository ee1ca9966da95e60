"""The system that browser tests talk to: `rtm up`, whole, as a person starts it.

Tests know it only through BrowserStack.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from realtime_message.stack.page_server import create_page_app
from support.gateway_link import GatewayLink
from support.ports import free_port

_SECRET = "browser-test-secret-of-32-bytes-or-more"
_START_SECONDS = 30.0
_END_SECONDS = 20.0


@dataclass(frozen=True, kw_only=True)
class LinkedPage:
    """A page whose way to the gateway a test controls."""

    url: str
    link: GatewayLink


@dataclass(frozen=True, kw_only=True)
class BrowserStack:
    """A running system.

    Attributes:
        url: of the chat page that `rtm up` serves.
        gateway_port: where its gateway listens on 127.0.0.1.
    """

    url: str
    gateway_port: int

    @contextlib.contextmanager
    def linked_page(self) -> Iterator[LinkedPage]:
        """Serve one more page, which reaches the same gateway over a link of its own."""
        with GatewayLink(self.gateway_port) as link, serving_page(link.port) as url:
            yield LinkedPage(url=url, link=link)


def find_centrifugo() -> str | None:
    """Return the path of a Centrifugo binary, or None."""
    return os.environ.get("RTM_CENTRIFUGO_BIN") or shutil.which("centrifugo")


@contextlib.contextmanager
def running_stack(folder: Path, gateway: str) -> Iterator[BrowserStack]:
    """Run the whole system.

    Args:
        folder: takes its data and its log.
        gateway: `embedded` or `centrifugo`.
    """
    ports = {part: free_port() for part in ("gateway", "callback", "page")}
    log = folder / "rtm-up.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                Path(sys.executable).with_name("rtm"),
                *("up", "--no-browser", "--gateway", gateway, "--data-dir", folder / "data"),
                *(f"--{part}-port={port}" for part, port in ports.items()),
                # Linked pages have ports of their own.
                *("--set", 'gateway.allowed_origins=["http://127.0.0.1:*"]'),
            ],
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env={**os.environ, "CENTRIFUGO_TOKEN_HMAC_SECRET_KEY": _SECRET},
        )
    try:
        for part, path in (("page", "/"), ("callback", "/health/ready"), ("gateway", "/health")):
            _wait_for(process, f"http://127.0.0.1:{ports[part]}{path}", log)
        yield BrowserStack(url=f"http://127.0.0.1:{ports['page']}/", gateway_port=ports["gateway"])
    finally:
        process.terminate()
        try:
            process.wait(timeout=_END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=1):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    raise AssertionError(f"no answer from {url}; rtm up said:\n{log.read_text()[-4000:]}")


@contextlib.contextmanager
def serving_page(gateway_port: int) -> Iterator[str]:
    """Serve the chat page in a thread, for any gateway; gives its URL."""
    app = create_page_app(
        gateway_port=gateway_port,
        token_secret=_SECRET,
        rooms=["room:lobby"],
        receipts_channel="receipts",
    )
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, ws="none", lifespan="off", log_level="warning")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
    finally:
        server.should_exit = True
        thread.join(timeout=_END_SECONDS)
        listener.close()
