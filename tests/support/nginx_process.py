"""Nginx with the configuration of deploy/nginx, as a process of this machine."""

from __future__ import annotations

import re
import shutil
import signal
import socket
from collections.abc import Sequence
from pathlib import Path

from support.background import Background
from support.deploy_files import NGINX
from support.valkey_server import free_port
from support.worker_process import wait_until

MAIN = """
daemon off;
worker_processes 2;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {folder}/client_body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/upstream.conf;
    include {folder}/realtime.conf;
}}
"""


def find_nginx() -> str | None:
    """Return the program, if there is one."""
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")


class NginxProcess:
    """The door in front of instances: the files as they are, but for the addresses in them.

    Args:
        folder: for its files.
        ports: the instances' gateways, on the loopback.
    """

    def __init__(self, folder: Path, ports: Sequence[int]) -> None:
        self.port = free_port()
        program = find_nginx()
        assert program is not None
        folder.mkdir()
        door = (NGINX / "realtime.conf").read_text("utf-8")
        upstream = (NGINX / "upstream.conf").read_text("utf-8")
        line = re.search(r"^ *server instances:8000( [^;]*);$", upstream, re.MULTILINE)
        assert line is not None
        servers = [f"    server 127.0.0.1:{port}{line[1]};" for port in ports]
        (folder / "upstream.conf").write_text(upstream.replace(line[0], "\n".join(servers)))
        listen = f"listen 127.0.0.1:{self.port};"
        assert "listen 8080;" in door
        (folder / "realtime.conf").write_text(door.replace("listen 8080;", listen))
        (folder / "nginx.conf").write_text(MAIN.format(folder=folder))
        words = [program, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", "stderr"]
        self._background = Background(words, folder, {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
        wait_until(self._is_listening, 20, lambda: self._background.output)

    @property
    def output(self) -> str:
        """What it wrote to its error log."""
        return self._background.output

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"ws://127.0.0.1:{self.port}/connection/websocket"

    def close(self) -> None:
        """End it."""
        if self._background.process.poll() is None:
            self._background.send(signal.SIGTERM)
            self._background.wait(20)
        self._background.kill()

    def _is_listening(self) -> bool:
        assert self._background.process.poll() is None, self._background.output
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0
