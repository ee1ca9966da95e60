"""`rtm up` as a user runs it, in a folder of its own, for tests to use and to break."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Any, Self

from support.background import Background
from support.ports import free_port

RTM = [sys.executable, "-m", "realtime_message"]

_OURS = re.compile(r"RTM_|CENTRIFUGO_|(REDIS_URL|PORT|WORKER_ID|TOTAL_WORKERS|PARTITIONS)$")
_READY_TIMEOUT_SECONDS = 60.0


def clean_environment(**more: str) -> dict[str, str]:
    """Return the environment without variables that set settings, and with some more."""
    kept = {name: value for name, value in os.environ.items() if not _OURS.match(name)}
    return kept | {"CI": "true"} | more


def run_rtm(*arguments: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [*RTM, *arguments],
        cwd=folder,
        env=clean_environment(**environment),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def free_ports() -> list[str]:
    """Return flags that give every part of `rtm up` a port of its own."""
    flags = ("--gateway-port", "--callback-port", "--page-port")
    return [word for flag in flags for word in (flag, str(free_port()))]


class UpStack:
    """A running `rtm up` on free ports.

    Args:
        folder: its working directory; the data folder is made there.
        arguments: for `rtm up`.
        environment: more variables.
    """

    def __init__(self, folder: Path, *arguments: str, **environment: str) -> None:
        self.folder = folder
        self.process = Background(
            [*RTM, "up", "--no-browser", *free_ports(), *arguments],
            cwd=folder,
            environment=clean_environment(**environment),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """End it, in order if it can."""
        if self.process.process.poll() is None:
            self.process.send(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.process.wait(30)
        self.process.kill()

    @property
    def output(self) -> str:
        """Its log so far."""
        return self.process.output

    def wait_until_ready(self) -> UpStack:
        """Wait for the addresses, which are printed once everything answers."""
        self.process.wait_for("Ready", timeout_seconds=_READY_TIMEOUT_SECONDS)
        return self

    def wait_for(self, text: str, *, times: int = 1) -> None:
        """Wait until a text stands in the log."""
        self.process.wait_for(text, timeout_seconds=_READY_TIMEOUT_SECONDS, times=times)

    def rtm(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run another command in the same folder."""
        return run_rtm(*arguments, folder=self.folder)

    def json(self, *arguments: str) -> Any:
        """Run another command with `--json` and return what it prints."""
        done = self.rtm(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def running(self) -> dict[str, Any]:
        """Return what it published for other terminals."""
        return tomllib.loads((self.folder / ".rtm/running.toml").read_text("utf-8"))

    def pids(self) -> dict[str, int]:
        """Return the processes of the parts, by a word of their command line."""
        words = {
            "valkey-server": "valkey",
            "centrifugo -c": "centrifugo",
            "stack.part gateway": "gateway",
            "stack.part callback": "callback",
            "stack.part worker": "worker",
            "stack.part page": "page",
        }
        found = {}
        for child in _children(self.process.process.pid):
            command = Path(f"/proc/{child}/cmdline").read_bytes().replace(b"\0", b" ").decode()
            found.update({name: child for word, name in words.items() if word in command})
        return found

    def interrupt(self) -> int:
        """Press Ctrl-C and return the exit code."""
        self.process.send(signal.SIGINT)
        return self.process.wait(timeout_seconds=60)


def wait_until_gone(pids: list[int], timeout_seconds: float = 30.0) -> None:
    """Wait until none of the processes is alive."""
    deadline = time.monotonic() + timeout_seconds
    while alive := [pid for pid in pids if _is_alive(pid)]:
        assert time.monotonic() < deadline, f"still alive: {alive}"
        time.sleep(0.05)


def _children(parent: int) -> list[int]:
    return [
        int(pid)
        for thread in Path(f"/proc/{parent}/task").iterdir()
        for pid in (thread / "children").read_text().split()
    ]


def _is_alive(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] != "Z"
