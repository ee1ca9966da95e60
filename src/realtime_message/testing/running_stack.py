"""The whole system for a test: gateway, callback service, Valkey and worker, as real processes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from realtime_message.testing.valkey import find_valkey, free_port

_READY_SECONDS = 90.0
_STOP_SECONDS = 30.0
_COMMAND_SECONDS = 60.0
# What sets settings must come from the test, not from the shell that runs it.
_OURS = ("RTM_", "CENTRIFUGO_", "REDIS_URL", "PORT", "WORKER_ID", "TOTAL_WORKERS", "PARTITIONS")


class RunningStack:
    """`rtm up` on free ports, in a folder of its own. A context manager.

    Args:
        app: your app as `module:attribute`; modules are found from the current folder too.
        workers: how many worker processes.
        environment: more variables, such as settings (RTM_WORKER__MAX_ATTEMPTS).

    Attributes:
        process: `rtm up` itself.
        websocket_url: the gateway's WebSocket, for clients of any kind.

    Raises:
        NoValkeyError: there is no Valkey to start.
        RuntimeError: it did not become ready; the text holds its log.
    """

    def __init__(self, app: str, *, workers: int = 1, **environment: str) -> None:
        find_valkey()
        self._folder = Path(tempfile.mkdtemp(prefix="realtime-stack-"))
        port = free_port()
        self.websocket_url = f"ws://127.0.0.1:{port}/connection/websocket"
        self._environment = _environment(environment)
        words = [
            *("up", app, "--no-browser", "--workers", str(workers)),
            *("--gateway-port", str(port), "--callback-port", str(free_port())),
            *("--page-port", str(free_port())),
        ]
        with (self._folder / "up.log").open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 - our own words
                [sys.executable, "-m", "realtime_message", *words],
                cwd=self._folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            self.wait_until(lambda: "Ready" in self.log, _READY_SECONDS)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def log(self) -> str:
        """What all parts have written so far, what your handlers print among it."""
        return (self._folder / "up.log").read_text("utf-8", "replace")

    def publish(self, channel: str, data: Any, *, user: str = "user") -> None:
        """Publish as a client does, through the gateway; returns when it is acknowledged.

        Raises:
            RuntimeError: it was refused; the text says why.
        """
        self.rtm("publish", channel, json.dumps(data), "--user", user)

    def rtm(self, *arguments: str) -> str:
        """Run another command beside it, such as `"partitions", "list", "--json"`.

        Returns:
            what it prints.

        Raises:
            RuntimeError: it failed; the text holds what it wrote.
        """
        done = subprocess.run(  # noqa: S603 - our own words
            [sys.executable, "-m", "realtime_message", *arguments],
            cwd=self._folder,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=_COMMAND_SECONDS,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"rtm {' '.join(arguments)}: {done.stdout}{done.stderr}")
        return done.stdout

    def settings(self) -> dict[str, Any]:
        """Return what the stack tells other terminals: Redis' URL, keys, addresses."""
        return tomllib.loads((self._folder / ".rtm/running.toml").read_text("utf-8"))

    def wait_until(self, condition: Callable[[], bool], timeout_seconds: float = 30.0) -> None:
        """Wait for a condition.

        Raises:
            RuntimeError: it did not come true in time, or the stack has ended.
        """
        deadline = time.monotonic() + timeout_seconds
        while not condition():
            if self.process.poll() is not None:
                raise RuntimeError(f"rtm up ended with {self.process.returncode}:\n{self.log}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"not so within {timeout_seconds:g} s:\n{self.log[-4000:]}")
            time.sleep(0.05)

    def close(self) -> None:
        """End all of it in order, and remove its data."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)


def _environment(more: dict[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    path = os.pathsep.join([os.getcwd(), *filter(None, [kept.get("PYTHONPATH")])])  # noqa: PTH109
    return {**kept, "PYTHONPATH": path, "CI": "true", **more}
