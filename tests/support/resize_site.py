"""A whole installation that is resized under load, and the verdict on it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import msgspec

from realtime_message.settings import RedisSettings
from support.callback_process import TOKEN_SECRET, CallbackProcesses
from support.checker import Report, Sent, check, read_notes
from support.fleet import Fleet
from support.persistent_publishers import PersistentPublishers
from support.valkey_server import ValkeyServer
from support.worker_process import wait_until

TIMEOUT_SECONDS = 120.0
#: Enough load to meet every moment of a resize, and little enough for a busy machine.
PAUSE_SECONDS = 0.04
#: This is about order and loss, not about how soon a starved process is given up.
PATIENT = {"RTM_REDIS__COMMAND_TIMEOUT_SECONDS": "2.5", "RTM_CALLBACK__DEADLINE_SECONDS": "2.8"}
LEASE_SECONDS = 6.0


class ResizeSite:
    """A context manager: publishers publish through the callback while its block runs.

    Args:
        server: where the streams are.
        redis: the settings of all processes; they stay those from before the resizes.
        folder: for histories and logs.
        clients: how many publish at once, each to a channel of its own.
        workers: how many there are.
    """

    def __init__(
        self,
        server: ValkeyServer,
        redis: RedisSettings,
        folder: Path,
        *,
        clients: int = 16,
        workers: int = 2,
    ) -> None:
        self.redis = redis
        self.client = server.client()
        self.fleet = Fleet(redis, folder)
        self.callback = CallbackProcesses(
            redis.url,
            redis.prefix,
            processes=2,
            environment={"RTM_REDIS__PARTITION_COUNT": str(redis.partition_count), **PATIENT},
        )
        self._clients = clients
        self._workers = workers
        self._commands: list[subprocess.Popen[str]] = []
        self.publishers: PersistentPublishers

    def __enter__(self) -> Self:
        for _ in range(self._workers):
            self.start_worker()
        self.callback.__enter__()
        self.publishers = PersistentPublishers(
            self.callback.port, clients=self._clients, pause_seconds=PAUSE_SECONDS
        )
        self.publishers.__enter__()
        self.publishers.wait_for_more(100)
        return self

    def __exit__(self, *_: object) -> None:
        for command in self._commands:
            if command.poll() is None:
                command.kill()
            command.communicate(timeout=TIMEOUT_SECONDS)
        self.publishers.stop()
        self.callback.kill_all()
        self.fleet.close()

    @property
    def layout(self) -> dict[str, str]:
        """The stored layout."""
        stored: dict[str, str] = self.client.hgetall(f"{{{self.redis.prefix}}}:layout")
        return stored

    def begin(self, *arguments: str) -> subprocess.Popen[str]:
        """Start `rtm partitions resize`."""
        command = subprocess.Popen(
            [sys.executable, "-m", "realtime_message", "partitions", "resize", *arguments],
            env={
                **{k: v for k, v in os.environ.items() if not k.startswith(("RTM_", "REDIS_"))},
                "REDIS_URL": self.redis.url,
                "RTM_REDIS__PREFIX": self.redis.prefix,
                "RTM_REDIS__PARTITION_COUNT": str(self.redis.partition_count),
                "CENTRIFUGO_TOKEN_HMAC_SECRET_KEY": TOKEN_SECRET,
                **PATIENT,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._commands.append(command)
        return command

    def resize(self, *arguments: str) -> str:
        """Run it to its end and return what it printed."""
        command = self.begin(*arguments)
        output, _ = command.communicate(timeout=TIMEOUT_SECONDS)
        self._commands.remove(command)
        return output

    def interrupt(self, count: int, phases: Sequence[str]) -> str:
        """Begin a resize and kill the command as soon as a phase is seen; return the phase then."""
        command = self.begin(str(count))
        while command.poll() is None and self.layout.get("phase", "stable") not in phases:
            pass  # the phases last for milliseconds
        command.kill()
        command.wait(TIMEOUT_SECONDS)
        return self.layout.get("phase", "stable")

    def wait_until_stable(self) -> None:
        """Wait until no resize is under way."""
        wait_until(
            lambda: self.layout.get("phase", "stable") == "stable",
            TIMEOUT_SECONDS,
            lambda: f"{self.layout}: {self.fleet._logs()}",
        )

    def start_worker(self) -> None:
        """Start one more worker and wait until it works."""
        self.fleet.start(lease_seconds=LEASE_SECONDS)

    def kill_worker(self) -> None:
        """SIGKILL the oldest worker, and start another one."""
        self.fleet.kill(self.fleet.workers[0])
        self.start_worker()

    def kill_callback(self) -> None:
        """SIGKILL one of the callback's processes; another one takes its place."""
        os.kill(self.callback.children[0], signal.SIGKILL)

    def finish(self, name: str) -> Report:
        """End the load, wait until everything is handled, judge and print."""
        self.publishers.stop()
        sent = self._sent()
        wanted = {(message.channel, message.number) for message in sent}

        def is_handled() -> bool:
            notes = read_notes(self.fleet.history)
            return wanted <= {(n.channel, n.number) for n in notes if n.event == "end"}

        wait_until(is_handled, TIMEOUT_SECONDS, lambda: f"{self.layout}: {self.fleet._logs()}")
        for worker in self.fleet.workers:
            assert worker.stop() == 0
        fleet = self.fleet
        report = check(
            name,
            sent,
            read_notes(fleet.history),
            deaths=fleet.deaths,
            faults=fleet.faults,
            frozen=fleet.frozen,
        )
        answers = f"temporary errors {self.publishers.errors.total()}, {self.publishers.broken=}"
        print(f"\n{Report.header()}\n{report.row()}  {answers}")
        assert report.is_sound, report
        assert not self.publishers.wrong, self.publishers.wrong
        return report

    def _sent(self) -> list[Sent]:
        """What was acknowledged: each client numbers its messages from 0."""
        first_at = read_notes(self.fleet.history)[0].at
        return [
            Sent(channel, number, 0, first_at)
            for channel, replies in self.publishers.acknowledged.items()
            for number in range(len(replies))
        ]


def site_settings(server: ValkeyServer, prefix: str, count: int) -> RedisSettings:
    """Return settings with so many partitions."""
    return msgspec.structs.replace(
        RedisSettings(url=server.url, prefix=prefix), partition_count=count
    )
