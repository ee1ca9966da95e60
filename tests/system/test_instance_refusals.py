"""An instance that cannot start, or loses what it needs: a clear line and the right exit code.

These are the processes of the container image, run without a container.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from centrifuge import Client, ReplyError

from realtime_message.centrifugo.tokens import make_connection_token
from support.certificates import make_certificate
from support.instance_process import SECRET, InstanceProcess
from support.official_client import leave
from support.ports import free_port
from support.valkey_server import ValkeyServer
from support.worker_process import wait_until

pytestmark = [
    pytest.mark.timeout(120),
    # The official client leaves the socket of a connection that broke to the garbage collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

GATEWAY_PORT, CALLBACK_PORT = "RTM_GATEWAY__PORT", "PORT"


@pytest.fixture(scope="module")
def redis() -> Iterator[ValkeyServer]:
    """A server with a user whose rights do not suffice."""
    users = ("rtm", "on", ">pw", "~*", "&*", "+@all", "-xadd", "-zadd")
    with ValkeyServer({"user": users}) as server:
        yield server


@contextlib.contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A file system of its own, so small that it can be filled."""
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "rtm-test", str(folder)], check=False
    )
    if mounted.returncode:
        pytest.skip("a small file system cannot be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Write until nothing fits any more; return the file that takes the room."""
    file = folder / "filling"
    with file.open("wb", buffering=0) as output, contextlib.suppress(OSError):
        while True:
            output.write(b"x" * 4096)
    return file


def refused(redis_url: str, folder: Path, **environment: str) -> str:
    """Start an instance that must end with 3 and one sentence; return what it wrote."""
    environment = {"RTM_GATEWAY": "embedded", "RTM_REDIS__STARTUP_TIMEOUT_SECONDS": "1"} | (
        environment
    )
    instance = InstanceProcess(redis_url, folder, environment)
    instance.start()
    try:
        code, output = instance.running.wait(60), instance.running.output
    finally:
        instance.close()
    assert code == 3, output
    assert "Traceback" not in output
    return output


@pytest.mark.parametrize(
    ("secret", "said"),
    [
        ("", "is missing: set CENTRIFUGO_TOKEN_HMAC_SECRET_KEY"),
        ("short", "expected at least 16"),
        ("change-me-to-a-long-random-string", "is the placeholder of an example"),
    ],
)
def test_secret_that_is_none(redis: ValkeyServer, tmp_path: Path, secret: str, said: str) -> None:
    """Missing, too short, or known to everybody: the variable is named, the secret is not."""
    output = refused(redis.url, tmp_path, CENTRIFUGO_TOKEN_HMAC_SECRET_KEY=secret)
    assert said in output
    assert len(output.splitlines()) == 1
    assert not secret or secret not in output


@pytest.mark.parametrize(
    ("login", "said"),
    [
        ("rtm:wrong", "refused the login"),
        ("rtm:pw", "no permissions to run the 'xadd' command"),
        ("rtm:pw", "no permissions to run the 'zadd' command"),
    ],
)
def test_login_that_does_not_do(redis: ValkeyServer, tmp_path: Path, login: str, said: str) -> None:
    """A wrong password, and each right that is missing, are told at once, and nothing is waited."""
    output = refused(f"redis://{login}@127.0.0.1:{redis.port}", tmp_path)
    assert said in output
    assert "waiting for Redis" not in output
    assert login.partition(":")[2] not in output.replace("password", "")


@pytest.mark.parametrize(
    ("scheme", "name", "said"),
    [("redis+cluster", "", "is no cluster"), ("redis+sentinel", "/primary", "is no Sentinel")],
)
def test_url_of_what_the_server_is_not(
    redis: ValkeyServer, tmp_path: Path, scheme: str, name: str, said: str
) -> None:
    """A cluster's or Sentinel's URL that names one server is told at once."""
    output = refused(f"{scheme}://127.0.0.1:{redis.port}{name}", tmp_path)
    assert said in output
    assert "waiting for Redis" not in output


def test_redis_that_is_not_there(tmp_path: Path) -> None:
    """A line a second says so; at the deadline the last one says what to do."""
    url = f"redis://:hunter2@127.0.0.1:{free_port()}"
    output = refused(url, tmp_path, RTM_REDIS__STARTUP_TIMEOUT_SECONDS="2")
    assert re.findall(r"waiting for Redis, (\d) of 2 s", output) == ["0", "1"]
    assert "waited 2 s for it" in output
    assert "hunter2" not in output


@pytest.mark.skipif(
    not (shutil.which("redis-server") and shutil.which("openssl")),
    reason="needs redis-server with TLS and openssl on PATH",
)
def test_certificate_that_does_not_verify(tmp_path: Path) -> None:
    """The reason is the certificate, not an address."""
    certificate = make_certificate(tmp_path)
    options = {"tls-port": str(free_port()), "tls-auth-clients": "no"}
    options |= {"tls-cert-file": str(certificate.certificate), "tls-key-file": str(certificate.key)}
    options |= {"tls-ca-cert-file": str(certificate.certificate)}
    with ValkeyServer(options, binary=shutil.which("redis-server")):
        url = f"rediss://localhost:{options['tls-port']}"
        assert "certificate does not verify" in refused(url, tmp_path)


@pytest.mark.parametrize("variable", [GATEWAY_PORT, CALLBACK_PORT])
@pytest.mark.parametrize("gateway", ["embedded", "centrifugo"])
def test_port_that_is_taken(
    redis: ValkeyServer, tmp_path: Path, variable: str, gateway: str
) -> None:
    """Told before anything starts, with the setting for another, whichever gateway would run."""
    program = tmp_path / "centrifugo"
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        environment = {variable: port, "RTM_CENTRIFUGO_BIN": str(program), "RTM_GATEWAY": gateway}
        output = refused(redis.url, tmp_path, **environment)
    assert f"port {port} for the " in output
    assert "is in use by another program" in output
    assert variable.lower().removeprefix("rtm_").replace("__", ".") in output.lower()


def test_folder_that_cannot_be_written(redis: ValkeyServer, tmp_path: Path) -> None:
    """As on a read-only file system: what to add to the command is said."""
    (tmp_path / "file").touch()
    output = refused(redis.url, tmp_path, RTM_DATA_DIR=str(tmp_path / "file" / "below"))
    assert "cannot be written (Not a directory)" in output
    assert "--tmpfs /tmp" in output


def test_disk_that_is_full(redis: ValkeyServer, tmp_path: Path) -> None:
    """The folder is named, and that it needs room."""
    with small_disk(tmp_path / "disk", "64k") as disk:
        fill(disk)
        output = refused(redis.url, tmp_path, RTM_DATA_DIR=str(disk))
    assert "cannot be written (No space left on device): make room there" in output


class Running:
    """An instance that serves, and a client of it."""

    def __init__(self, server: ValkeyServer, folder: Path) -> None:
        self.instance = InstanceProcess(server.url, folder, {"RTM_GATEWAY": "embedded"})
        self.instance.start()
        self.instance.wait_until_ready()
        url = f"ws://127.0.0.1:{self.instance.gateway_port}/connection/websocket"
        self.client = Client(url, token=make_connection_token(SECRET, "ada"))

    def ready(self) -> tuple[int, str]:
        """What the callback service answers to /health/ready."""
        address = f"http://127.0.0.1:{self.instance.callback_port}/health/ready"
        try:
            with urllib.request.urlopen(address, timeout=5) as answer:
                return int(answer.status), answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    async def publish(self) -> ReplyError | None:
        """Publish; return the error that came instead of an acknowledgement."""
        try:
            await self.client.publish("room:1", {"text": "hello"})
        except ReplyError as error:
            return error
        return None

    async def publishes_within(self, seconds: float) -> bool:
        """Publish until one is acknowledged; return whether that was so in the seconds given."""
        deadline = time.monotonic() + seconds
        while await self.publish() is not None:
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(0.02)
        return True


@contextlib.asynccontextmanager
async def running(server: ValkeyServer, folder: Path):
    """An instance with a client that has published once."""
    started = Running(server, folder)
    try:
        await started.client.connect()
        await started.client.ready(10)
        assert await started.publish() is None
        yield started
        assert "starts again" not in started.instance.running.output
    finally:
        await leave(started.client)
        started.instance.close()


async def test_redis_that_goes_and_comes_back(tmp_path: Path) -> None:
    """Not ready, temporary errors, and all by itself ready again; clients stay connected.

    Each of the callback's two processes finds Redis again in its own time: one being ready does
    not mean that the other, which the next publish may reach, is so too.
    """
    with ValkeyServer() as server:
        async with running(server, tmp_path) as started:
            server.kill()
            error = await started.publish()
            assert error is not None
            assert error.temporary
            wait_until(lambda: started.ready()[0] == 503, 20)
            server.start()
            wait_until(lambda: started.ready()[0] == 200, 20)
            assert await started.publishes_within(20)


async def test_redis_whose_disk_is_full(tmp_path: Path) -> None:
    """A publish that Redis cannot write down is a temporary error until there is room again."""
    with small_disk(tmp_path / "disk", "4m") as disk, ValkeyServer({"dir": str(disk)}) as server:
        async with running(server, tmp_path) as started:
            filling = fill(disk)
            errors = [await started.publish() for _ in range(200)]
            told = [error for error in errors if error is not None]
            assert told
            assert all(error.temporary for error in told)
            filling.unlink()
            os.sync()
            assert await started.publishes_within(20)
            stored = sum(server.client().xlen(f"messages:partition:{n}") for n in range(8))
            assert stored >= errors.count(None) + 2
