"""Nginx with the configuration of deploy/nginx, as a process of this machine."""

from __future__ import annotations

import re
import shutil
import signal
import socket
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from support.background import Background
from support.deploy_files import NGINX
from support.ports import free_port
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
    # What a cluster's own balancer is to workers: a way to the server API of any instance.
    server {{
        listen 127.0.0.1:{api_port};
        location /api/ {{
            add_header X-Answered-By $upstream_addr always;
            proxy_next_upstream error timeout non_idempotent;
            proxy_pass http://realtime_instances;
        }}
    }}
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
        self.port, self.api_port = free_port(), free_port()
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
        (folder / "nginx.conf").write_text(MAIN.format(folder=folder, api_port=self.api_port))
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

    @property
    def api_url(self) -> str:
        """Where workers reach the server API."""
        return f"http://127.0.0.1:{self.api_port}/api"

    def wait_until_used(self, port: int) -> None:
        """Wait until new connections go to an instance; it must have the fewest."""

        def is_used() -> bool:
            try:
                headers = urllib.request.urlopen(f"{self.api_url}/info", timeout=5).headers
            except urllib.error.HTTPError as error:
                headers = error.headers
            # Several addresses stand there when one did not answer; the last one did.
            return str(headers["X-Answered-By"]).endswith(f":{port}")

        wait_until(is_used, 20, lambda: f"Nginx leaves {port} out:\n{self.output}")

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
