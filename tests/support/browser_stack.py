"""The system that browser tests talk to. Tests know it only through BrowserStack.

Today: a real gateway, a stand-in for callback service and worker, and the real page server.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from starlette.applications import Starlette

from realtime_message.stack.page_server import create_page_app
from support.browser_callback import BrowserCallback
from support.gateway_link import GatewayLink

ROOMS = ("room:lobby", "room:random", "room:support")
RECEIPTS = "receipts"
_API_KEY = "browser-test-api-key"
_DEADLINE_SECONDS = 20.0


@dataclass(frozen=True, kw_only=True)
class LinkedPage:
    """A page whose way to the gateway a test controls."""

    url: str
    link: GatewayLink


@dataclass(frozen=True, kw_only=True)
class BrowserStack:
    """A running system.

    Attributes:
        url: of the chat page.
        gateway: which gateway this is, for the report.
        gateway_port: where it listens on 127.0.0.1.
        token_secret: signs connection tokens.
    """

    url: str
    gateway: str
    gateway_port: int
    token_secret: str

    @contextlib.contextmanager
    def linked_page(self) -> Iterator[LinkedPage]:
        """Serve one more page, which reaches the same gateway over a link of its own."""
        with (
            GatewayLink(self.gateway_port) as link,
            serving_page(link.port, self.token_secret) as url,
        ):
            yield LinkedPage(url=url, link=link)


def find_centrifugo() -> str | None:
    """Return the path of a Centrifugo binary, or None."""
    return os.environ.get("RTM_CENTRIFUGO_BIN") or shutil.which("centrifugo")


@contextlib.contextmanager
def running_stack(folder: Path) -> Iterator[BrowserStack]:
    """Run the whole system; `folder` takes its files."""
    binary = find_centrifugo()
    assert binary is not None, "set RTM_CENTRIFUGO_BIN, or put centrifugo into PATH"
    secret = "browser-test-secret-of-32-bytes-or-more"
    callback = BrowserCallback(_API_KEY, RECEIPTS)
    with _serve(callback.app) as callback_port, contextlib.ExitStack() as stack:
        gateway_port = _free_port()
        config = folder / "centrifugo.json"
        config.write_text(json.dumps(_centrifugo_config(gateway_port, callback_port, secret)))
        stack.enter_context(_running_centrifugo(binary, config, gateway_port))
        callback.gateway_port = gateway_port
        yield BrowserStack(
            url=stack.enter_context(serving_page(gateway_port, secret)),
            gateway="centrifugo",
            gateway_port=gateway_port,
            token_secret=secret,
        )


@contextlib.contextmanager
def serving_page(gateway_port: int, secret: str) -> Iterator[str]:
    """Serve the chat page for a gateway; gives its URL."""
    app = create_page_app(
        gateway_port=gateway_port, token_secret=secret, rooms=ROOMS, receipts_channel=RECEIPTS
    )
    with _serve(app) as port:
        yield f"http://127.0.0.1:{port}/"


def _centrifugo_config(port: int, callback_port: int, secret: str) -> dict[str, object]:
    callback = f"http://127.0.0.1:{callback_port}/centrifugo"
    return {
        "http_server": {"address": "127.0.0.1", "port": port},
        "log": {"level": "warn"},
        "client": {
            "allowed_origins": ["http://127.0.0.1:*", "http://localhost:*"],
            "token": {"hmac_secret_key": secret},
        },
        "channel": {
            "namespace_boundary": "::::",
            "proxy": {
                "subscribe": {"endpoint": f"{callback}/subscribe", "timeout": "2s"},
                "publish": {
                    "endpoint": f"{callback}/publish",
                    "timeout": "2s",
                    "include_connection_meta": True,
                },
            },
            "without_namespace": {
                "subscribe_proxy_enabled": True,
                "publish_proxy_enabled": True,
                "presence": True,
                "join_leave": True,
                "force_push_join_leave": True,
                "allow_presence_for_subscriber": True,
                "allow_history_for_subscriber": True,
                "history_size": 100,
                "history_ttl": "300s",
                "force_recovery": True,
            },
        },
        "http_api": {"key": _API_KEY},
        "health": {"enabled": True},
        "usage_stats": {"disabled": True},
    }


@contextlib.contextmanager
def _running_centrifugo(binary: str, config: Path, port: int) -> Iterator[None]:
    log = config.with_suffix(".log")
    with log.open("wb") as output:
        process = subprocess.Popen(
            [binary, "--config", str(config)],
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=config.parent,
        )
    try:
        _wait_for_health(process, port, log)
        yield
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for_health(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + _DEADLINE_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    raise AssertionError(f"the gateway did not start:\n{log.read_text()[-2000:]}")


@contextlib.contextmanager
def _serve(app: Starlette) -> Iterator[int]:
    """Serve an ASGI app in a thread; gives the port."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, ws="none", lifespan="off", log_level="warning")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(timeout=10)
        listener.close()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
