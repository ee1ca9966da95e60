"""Real worker processes, to be killed, frozen and stopped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from realtime_message.settings import RedisSettings

TESTS = Path(__file__).parents[1]


class WorkerProcess:
    """A worker with an app, in a process of its own.

    Args:
        redis: where the streams are.
        log: the file that gets its log.
        history: the file that its handlers write to.
        app: as module:attribute.
        settings: of the worker's section, by name.
        environment: more variables.
        python: the interpreter, of an environment with another release.
    """

    def __init__(
        self,
        redis: RedisSettings,
        log: Path,
        history: Path,
        *,
        app: str = "support.fault_app:app",
        settings: dict[str, Any] | None = None,
        environment: dict[str, str] | None = None,
        python: str = sys.executable,
    ) -> None:
        self.log_path = log
        variables = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("RTM_", "REDIS_"))},
            "PYTHONPATH": str(TESTS),
            "REDIS_URL": redis.url,
            "RTM_REDIS__PREFIX": redis.prefix,
            "RTM_REDIS__PARTITION_COUNT": str(redis.partition_count),
            "RTM_LOG__FORMAT": "json",
            "TEST_HISTORY": str(history),
            **{f"RTM_WORKER__{k.upper()}": str(v) for k, v in (settings or {}).items()},
            **(environment or {}),
        }
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [python, "-m", "realtime_message", "worker", app],
                env=variables,
                stdout=output,
                stderr=output,
                cwd=TESTS,
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Its log so far."""
        parsed = []
        for line in self.log_path.read_text("utf-8", "replace").splitlines():
            try:
                parsed.append(json.loads(line))
            except ValueError:
                parsed.append({"event": "", "text": line})
        return parsed

    def said(self, event: str, **fields: Any) -> list[dict[str, Any]]:
        """Return the log lines of an event with these fields."""
        return [
            line
            for line in self.lines
            if line.get("event") == event and all(line.get(k) == v for k, v in fields.items())
        ]

    def wait_until_said(self, event: str, timeout_seconds: float = 60.0) -> None:
        """Wait for a log line; its whole log is in the failure's text."""
        wait_until(
            lambda: bool(self.said(event)),
            timeout_seconds,
            lambda: f"worker did not say {event}:\n{self.log_path.read_text('utf-8')}",
        )

    def kill(self) -> float:
        """SIGKILL; return the time at which it is known to be dead."""
        self.process.kill()
        self.process.wait(timeout=10)
        return time.monotonic()

    def freeze(self) -> None:
        """SIGSTOP."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        os.kill(self.pid, signal.SIGCONT)

    def ask_to_stop(self) -> None:
        """SIGTERM."""
        self.process.terminate()

    def stop(self, timeout_seconds: float = 30.0) -> int:
        """SIGTERM and wait; return the exit code."""
        self.ask_to_stop()
        return self.process.wait(timeout=timeout_seconds)

    def close(self) -> None:
        """End it whatever its state."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(timeout=10)


#: Starts a worker, with another app or settings of its own.
Start = Callable[..., WorkerProcess]


def wait_until(
    condition: Callable[[], bool],
    timeout_seconds: float,
    describe: Callable[[], str] = lambda: "the condition did not come true in time",
) -> None:
    """Wait for a condition in real time."""
    deadline = time.monotonic() + timeout_seconds
    while not condition():
        assert time.monotonic() < deadline, describe()
        time.sleep(0.01)
