"""The two scripts of the image that run outside the package: its entry point and health check."""

import os
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from support.certificates import make_certificate
from support.ports import free_port

CONTAINER = Path(__file__).parents[3] / "deploy/container"


def _enter(folder: Path, *arguments: str, **environment: str) -> str:
    """Run the entry point with programs in place of `rtm` and `python` that print their words."""
    for name in ("rtm", "python"):
        program = folder / name
        program.write_text(f'#!/bin/sh\necho {name} "$@"\n', "utf-8")
        program.chmod(0o755)
    done = subprocess.run(
        [CONTAINER / "entrypoint.sh", *arguments],
        env={"PATH": f"{folder}:/usr/bin:/bin", "RTM_DATA_DIR": f"{folder}/data", **environment},
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
    )
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("arguments", "runs"),
    [
        ([], "python -P -m realtime_message.stack.container"),
        (["instance"], "python -P -m realtime_message.stack.container"),
        (["instance", "shop:app"], "python -P -m realtime_message.stack.container shop:app"),
        (["worker", "shop:app"], "rtm worker shop:app"),
        (["rtm", "worker", "shop:app"], "rtm worker shop:app"),
        (["partitions", "list"], "rtm partitions list"),
        (["rtm", "token", "ada b"], "rtm token ada b"),
    ],
)
def test_entry_point_runs_instance_or_a_command(tmp_path: Path, arguments, runs):
    """Without words it is the instance; everything else is a command of rtm."""
    assert _enter(tmp_path, *arguments) == runs


def test_worker_leaves_the_address_of_its_health(tmp_path: Path):
    """The health check asks the worker's own port; a worker without one is not asked."""
    _enter(tmp_path, "worker", "a:b", RTM_WORKER__METRICS_PORT="9100")
    assert (tmp_path / "data/health").read_text("utf-8") == "http://127.0.0.1:9100/health"
    _enter(tmp_path, "worker", "a:b", RTM_WORKER__METRICS_PORT="0")
    assert (tmp_path / "data/health").read_text("utf-8") == ""


def test_instance_starts_without_the_address_of_an_earlier_start(tmp_path: Path):
    """A container that is started again is not well before its parts are."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data/health").write_text("", "utf-8")
    _enter(tmp_path)
    assert not (tmp_path / "data/health").exists()


def test_worker_needs_no_writable_folder(tmp_path: Path):
    """A read-only file system without /tmp keeps no worker from its work."""
    (tmp_path / "data").write_text("no folder", "utf-8")
    assert _enter(tmp_path, "worker", "a:b", RTM_WORKER__METRICS_PORT="9100") == "rtm worker a:b"


def _check_health(
    folder: Path, *addresses: str, option: str = ""
) -> subprocess.CompletedProcess[str]:
    if addresses:
        (folder / "health").write_text("\n".join(addresses) + "\n", "utf-8")
    return subprocess.run(
        [sys.executable, "-I", CONTAINER / "healthcheck.py", *([option] if option else [])],
        env={**os.environ, "RTM_DATA_DIR": str(folder)},
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )


def test_part_with_a_certificate_is_asked_over_https(tmp_path: Path):
    """Whose certificate it is does not matter: it is asked by its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Well)
    tls = make_certificate(tmp_path).server_context()
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        port = server.server_address[1]
        assert _check_health(tmp_path, f"https://127.0.0.1:{port}/health").returncode == 0
        assert _check_health(tmp_path, f"http://127.0.0.1:{port}/health").returncode == 1
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Well(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    """A server whose /health is well and whose /health/ready is not."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/health" else 503)
            self.end_headers()
            self.wfile.write(b"not ready: Redis is away")

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_health_is_good_when_all_parts_are_well(tmp_path: Path, server: str):
    """Exit code 0, and nothing to say."""
    done = _check_health(tmp_path, f"{server}/health", f"{server}/health")
    assert (done.returncode, done.stdout) == (0, "")


def test_health_is_bad_when_one_part_is_not_ready_or_away(tmp_path: Path, server: str):
    """Exit code 1, and each reason on a line."""
    away = f"http://127.0.0.1:{free_port()}/health"
    done = _check_health(tmp_path, f"{server}/health", f"{server}/health/ready", away)
    assert done.returncode == 1
    assert "503 not ready: Redis is away" in done.stdout
    assert away in done.stdout
    assert len(done.stdout.splitlines()) == 2


def test_part_that_is_not_ready_is_alive(tmp_path: Path, server: str):
    """Without Redis nothing takes messages, and a restart would not help."""
    assert _check_health(tmp_path, f"{server}/health/ready").returncode == 1
    assert _check_health(tmp_path, f"{server}/health/ready", option="--alive").returncode == 0


def test_health_of_a_container_without_parts_is_good(tmp_path: Path):
    """`rtm subscribe` in a container has nothing to ask."""
    _enter(tmp_path, "subscribe", "room:lobby")
    assert _check_health(tmp_path / "data").returncode == 0


def test_health_is_bad_before_anything_has_started(tmp_path: Path):
    """Nobody waits for a container that has not begun."""
    done = _check_health(tmp_path)
    assert done.returncode == 1
    assert "nothing has started yet" in done.stdout
