"""The HAProxy file is accepted by HAProxy, opens the same two paths as Nginx, and balances."""

from __future__ import annotations

import shutil
import signal
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from support.background import Background
from support.deploy_files import PROJECT, nginx_values, seconds
from support.ports import free_port
from support.worker_process import wait_until

FILE = PROJECT / "deploy/haproxy/haproxy.cfg"
needs_haproxy = pytest.mark.skipif(
    shutil.which("haproxy") is None, reason="haproxy is not installed"
)


def test_time_outs_are_those_of_nginx() -> None:
    """One page says the same for both."""
    (nginx, *_) = nginx_values("proxy_read_timeout")
    lines = [line.split() for line in FILE.read_text("utf-8").splitlines()]
    times = {words[1]: words[2] for words in lines if words[:1] == ["timeout"]}
    for name in ("client", "server", "tunnel"):
        assert seconds(times[name]) == seconds(nginx)


@pytest.fixture
def server() -> Iterator[int]:
    """A server that answers everything; returns its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(str(self.headers.get("X-Real-Ip")).encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()
    thread.join()


@needs_haproxy
def test_door_opens_for_clients_alone(tmp_path: Path, server: int) -> None:
    """WebSocket and health reach an instance, with our headers; all else is 404."""
    port = free_port()
    text = FILE.read_text("utf-8").replace("bind :8080", f"bind 127.0.0.1:{port}")
    for address in ("10.0.0.11:8000", "10.0.0.12:8000", "10.0.0.13:8000"):
        assert address in text
        text = text.replace(address, f"127.0.0.1:{server}")
    file = tmp_path / "haproxy.cfg"
    file.write_text(text, "utf-8")
    process = Background(
        ["haproxy", "-db", "-f", str(file)], tmp_path, {"PATH": "/usr/sbin:/usr/bin"}
    )
    try:
        wait_until(lambda: _is_listening(port), 20, lambda: process.output)
        assert _get(port, "/health") == (200, "127.0.0.1")
        assert _get(port, "/connection/websocket") == (200, "127.0.0.1")
        for path in ("/", "/api/info", "/connection/websocket/", "/metrics", "/centrifugo/publish"):
            assert _get(port, path)[0] == 404, path
        process.send(signal.SIGTERM)
        process.wait(20)
    finally:
        process.kill()


def _get(port: int, path: str) -> tuple[int, str]:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}")
    request.add_header("X-Real-Ip", "6.6.6.6")
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, ""


def _is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
