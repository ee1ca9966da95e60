"""The callback service as the processes that it is in production, over a real server.

Run as a program it is what such a process runs: `python callback_process.py PROCESSES APP`.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Self

TIMEOUT_SECONDS = 30.0
TOKEN_SECRET = "a-secret-of-enough-characters-for-hmac"


class CallbackProcesses:
    """A running service; its log is kept, and told when something fails.

    Args:
        redis_url: the server.
        prefix: of the keys.
        processes: how many processes listen.
        app: `module:attribute` of an App in tests/support; empty for one without hooks.
        environment: more of it, such as {"RTM_CALLBACK__DEADLINE_SECONDS": "0.5"}.
    """

    def __init__(
        self,
        redis_url: str,
        prefix: str,
        *,
        processes: int = 1,
        app: str = "",
        environment: dict[str, str] | None = None,
    ) -> None:
        self.log: list[dict[str, Any]] = []
        self.url = ""
        self._changed = threading.Condition()
        self._process = subprocess.Popen(
            [sys.executable, __file__, str(processes), app],
            env={
                **{k: v for k, v in os.environ.items() if not k.startswith(("RTM_", "PORT"))},
                "PYTHONPATH": str(Path(__file__).parents[1]),
                "REDIS_URL": redis_url,
                "RTM_REDIS__PREFIX": prefix,
                "RTM_CALLBACK__PORT": "0",
                "RTM_LOG__FORMAT": "json",
                "CENTRIFUGO_TOKEN_HMAC_SECRET_KEY": TOKEN_SECRET,
                **(environment or {}),
            },
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        self.url = str(self.wait_for("callback.ready")["url"])
        return self

    def __exit__(self, *_: object) -> None:
        self.kill_all()

    @property
    def port(self) -> int:
        """Where it listens on 127.0.0.1."""
        return int(self.url.rpartition(":")[2])

    @property
    def pid(self) -> int:
        """The process that was started; the parent, if there are several."""
        return self._process.pid

    @property
    def children(self) -> list[int]:
        """The pids of the parent's children that are alive, oldest first."""
        listed = subprocess.run(
            ["ps", "--ppid", str(self.pid), "-o", "pid=,stat="],
            capture_output=True,
            text=True,
            check=False,
        ).stdout
        rows = [line.split() for line in listed.splitlines()]
        return [int(pid) for pid, state in rows if not state.startswith("Z")]

    def wait_for(self, event: str, count: int = 1) -> dict[str, Any]:
        """Wait until the log has an event so many times; return the last of them."""
        deadline = time.monotonic() + TIMEOUT_SECONDS
        with self._changed:
            while True:
                found = [line for line in self.log if line["event"] == event]
                if len(found) >= count:
                    return found[-1]
                left = deadline - time.monotonic()
                assert left > 0, f"no {event} in {self.log}"
                assert self._reader.is_alive() or self._process.poll() is None, self.log
                self._changed.wait(min(left, 0.2))

    def signal(self, number: int) -> None:
        """Send a signal to the process that was started."""
        self._process.send_signal(number)

    def signal_group(self, number: int) -> None:
        """Send a signal to all of its processes, as a terminal does at Ctrl-C."""
        os.killpg(self.pid, number)

    def stop(self) -> int:
        """SIGTERM; return the exit code."""
        self.signal(signal.SIGTERM)
        return self.wait()

    def wait(self) -> int:
        """Wait for the end; return the exit code."""
        return self._process.wait(TIMEOUT_SECONDS)

    def kill_all(self) -> None:
        """SIGKILL to every process that is left."""
        pids = [*self.children, self.pid] if self._process.poll() is None else []
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self._process.wait(TIMEOUT_SECONDS)
        self._reader.join(TIMEOUT_SECONDS)

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            try:
                entry = json.loads(line)
            except ValueError:
                entry = {"event": "text", "text": line.rstrip()}
            with self._changed:
                self.log.append(entry)
                self._changed.notify_all()
        self._process.stderr.close()


def _main() -> int:
    import importlib  # noqa: PLC0415 - only when it is the program

    from realtime_message import App  # noqa: PLC0415
    from realtime_message.callback.service import run_callback  # noqa: PLC0415
    from realtime_message.errors import RealtimeMessageError  # noqa: PLC0415
    from realtime_message.settings import load_settings  # noqa: PLC0415
    from realtime_message.telemetry.logs import configure_logging  # noqa: PLC0415

    count, app = int(sys.argv[1]), sys.argv[2]

    def load_app() -> App:
        if not app:
            return App()
        module, _, attribute = app.partition(":")
        found = getattr(importlib.import_module(module), attribute)
        assert isinstance(found, App)
        return found

    settings = load_settings(os.environ, search_file=False).settings
    configure_logging(settings.log.level, settings.log.format)
    try:
        return run_callback(settings, load_app, processes=count) or 0
    except RealtimeMessageError as error:
        print(json.dumps({"event": "error", "text": str(error)}), file=sys.stderr)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(_main())
