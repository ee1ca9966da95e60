"""An instance as the container image runs it, as processes of this machine."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import urllib.request
from pathlib import Path

from support.background import Background
from support.ports import free_port
from support.worker_process import wait_until

SECRET = "3f1c9a7e5b2d4860ac1e9f7b3d5c2a80"
API_KEY = "9b2e4c6a8d0f1e3a5c7b9d2f4e6a8c0b"


class InstanceProcess:
    """supervisord with a gateway and a callback service of two processes, on free ports.

    Args:
        redis_url: where Redis is.
        folder: for its files; a folder of its own is made below it.
        environment: more variables.
    """

    def __init__(self, redis_url: str, folder: Path, environment: dict[str, str]) -> None:
        self.gateway_port, self.callback_port = free_port(), free_port()
        self.folder = folder / f"instance-{self.gateway_port}"
        self.folder.mkdir()
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self._environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("RTM_", "REDIS_"))},
            "PATH": path,
            "RTM_DATA_DIR": str(self.folder),
            "REDIS_URL": redis_url,
            "PORT": str(self.callback_port),
            "RTM_GATEWAY__PORT": str(self.gateway_port),
            "CENTRIFUGO_TOKEN_HMAC_SECRET_KEY": SECRET,
            "CENTRIFUGO_HTTP_API_KEY": API_KEY,
            **environment,
        }
        self._background: Background | None = None

    @property
    def running(self) -> Background:
        """The process that was started last."""
        assert self._background is not None, "the instance was not started"
        return self._background

    def start(self) -> None:
        """Start it; it is not waited for."""
        words = [sys.executable, "-P", "-m", "realtime_message.stack.container"]
        self._background = Background(words, self.folder, self._environment)

    def restart_with(self, environment: dict[str, str]) -> None:
        """Stop it in order and start it with other variables; an empty text takes one away."""
        assert self.stop() == 0, self.running.output
        self.close()
        self._environment |= environment
        self.start()
        self.wait_until_ready()

    def wait_until_ready(self, timeout_seconds: float = 180.0) -> None:
        """Wait until the gateway answers, which it does once the callback service is ready."""
        wait_until(
            lambda: self.running.process.poll() is not None or self._answers(),
            timeout_seconds,
            lambda: self.running.output,
        )
        assert self.running.process.poll() is None, self.running.output

    def stop(self) -> int:
        """SIGTERM and wait; return the exit code."""
        self.running.send(signal.SIGTERM)
        return self.running.wait(60)

    def kill(self) -> None:
        """SIGKILL to all of its processes at once, as a machine that loses its power."""
        for pid in [self.running.process.pid, *descendants(self.running.process.pid)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.running.wait(10)

    def close(self) -> None:
        """End it whatever its state."""
        if self._background is not None:
            if self._background.process.poll() is None:
                self.kill()
            self._background.kill()
            self._background = None

    def _answers(self) -> bool:
        try:
            address = f"http://127.0.0.1:{self.gateway_port}/health"
            with urllib.request.urlopen(address, timeout=1) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


def descendants(pid: int) -> list[int]:
    """Return the processes that a process started, and theirs."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                fields = (entry / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
                parents.setdefault(int(fields[1]), []).append(int(entry.name))
    found, waiting = [], [pid]
    while waiting:
        children = parents.get(waiting.pop(), [])
        found += children
        waiting += children
    return found
