"""A process that runs beside a test, with its output at hand."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path


class Background:
    """A command in the background; its output, both streams, goes to a file of its own.

    Args:
        command: the words of the command.
        cwd: its working directory.
        environment: its whole environment.
    """

    def __init__(
        self, command: Sequence[str], cwd: Path | str, environment: Mapping[str, str]
    ) -> None:
        self.command = list(command)
        handle, name = tempfile.mkstemp(prefix="rtm-background-")
        self.log = Path(name)
        with os.fdopen(handle, "wb") as output:
            self.process = subprocess.Popen(
                self.command,
                cwd=cwd,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def output(self) -> str:
        """What it has printed so far."""
        return self.log.read_text("utf-8", "replace")

    def wait_for(self, text: str, timeout_seconds: float, *, times: int = 1) -> None:
        """Wait until a text stands in the output, fail with the output if it does not come."""
        deadline = time.monotonic() + timeout_seconds
        while self.output.count(text) < times:
            ended = self.process.poll()
            if ended is not None and self.output.count(text) < times:
                raise AssertionError(f"{self.command} ended with {ended}:\n{self.output}")
            if time.monotonic() > deadline:
                raise AssertionError(f"{self.command} did not print {text!r}:\n{self.output}")
            time.sleep(0.02)

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def wait(self, timeout_seconds: float) -> int:
        """Wait for its end and return the exit code."""
        try:
            return self.process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.command} did not end:\n{self.output}") from None

    def kill(self) -> None:
        """End it in any case, and remove its log."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.log.unlink(missing_ok=True)
