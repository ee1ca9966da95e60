"""Several worker processes on one set of streams, with traffic, and the verdict at the end."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import msgspec

from realtime_message.partitions import partition_of
from realtime_message.settings import RedisSettings
from support.checker import Report, check, read_notes, write_row
from support.traffic import Traffic
from support.worker_process import WorkerProcess, wait_until

#: Short, so that take-overs are soon.
LEASE_SECONDS = 1.5


class Fleet:
    """See the module.

    Args:
        settings: where the streams are, for the traffic and for workers without a URL of their own.
        folder: for histories and logs.
        traffic: what appends; None for the simplest.
    """

    def __init__(
        self, settings: RedisSettings, folder: Path, traffic: Traffic | None = None
    ) -> None:
        self.settings = settings
        self.folder = folder
        self.history = folder / "history.jsonl"
        self.traffic = traffic or Traffic(settings)
        #: Those that should be alive, and all that ever were.
        self.workers: list[WorkerProcess] = []
        self._all: list[WorkerProcess] = []
        self.deaths: dict[int, float] = {}
        self.faults: list[float] = []
        self.frozen: dict[int, list[tuple[float, float]]] = {}
        self._numbers = itertools.count()

    def start(
        self, name: str | None = None, url: str | None = None, **settings: Any
    ) -> WorkerProcess:
        """Start a worker, perhaps on another way to the streams, and wait until it works."""
        number = next(self._numbers)
        worker = WorkerProcess(
            msgspec.structs.replace(self.settings, url=url or self.settings.url),
            self.folder / f"worker-{number}.log",
            self.history,
            settings={
                "id": name or f"w{number}",
                "lease_seconds": LEASE_SECONDS,
                "backoff_initial_seconds": 0.05,
                **settings,
            },
        )
        self.workers.append(worker)
        self._all.append(worker)
        worker.wait_until_said("worker.started", 60)
        return worker

    def kill(self, worker: WorkerProcess) -> None:
        """SIGKILL, and remember when."""
        self.deaths[worker.pid] = worker.kill()
        self.faults.append(self.deaths[worker.pid])
        self.workers.remove(worker)

    def owners(self) -> dict[int, str]:
        """The holder of each partition, by the worker's name."""
        client = self.traffic._client
        owners = {}
        for partition in range(self.settings.partition_count):
            key = f"{{{self.settings.prefix}:partition:{partition}}}:lease"
            holder = client.hget(key, "holder")
            if holder is not None:
                owners[partition] = holder.decode().partition("@")[0]
        return owners

    def shares(self) -> list[int]:
        """How many partitions each owner has, sorted."""
        owners = list(self.owners().values())
        return sorted(owners.count(name) for name in set(owners))

    def wait_until_shared(self, count: int) -> None:
        """Wait until all partitions are held by so many workers, balanced within one."""
        total = self.settings.partition_count

        def is_shared() -> bool:
            shares = self.shares()
            return sum(shares) == total and len(shares) == count and shares[-1] - shares[0] <= 1

        wait_until(is_shared, 20, lambda: f"shares are {self.shares()}, wanted {count} owners")

    def channel_in(self, partition: int) -> str:
        """Return a channel of a partition."""
        count = self.settings.partition_count
        return next(
            name
            for name in (f"room:{number}" for number in itertools.count())
            if partition_of(name, count) == partition
        )

    def count(self, event: str) -> int:
        """How often handlers wrote an event."""
        return sum(note.event == event for note in read_notes(self.history))

    def finish(self, name: str) -> Report:
        """End the traffic, wait until everything is handled, judge and print."""
        self.traffic.stop()
        wait_until(
            lambda: self.traffic.pending_and_unread() == 0,
            60,
            lambda: f"{self.traffic.pending_and_unread()} entries are left: {self._logs()}",
        )
        for worker in self.workers:
            worker.ask_to_stop()
        for worker in self.workers:
            assert worker.process.wait(timeout=30) == 0, worker.log_path.read_text("utf-8")
        notes = read_notes(self.history)
        report = check(
            name,
            self.traffic.sent,
            notes,
            deaths=self.deaths,
            faults=self.faults,
            frozen=self.frozen,
        )
        write_row(report)
        assert report.is_sound, report
        return report

    def close(self) -> None:
        """End everything."""
        for worker in self._all:
            worker.close()
        self.traffic.close()

    def _logs(self) -> str:
        return "\n".join(path.read_text("utf-8") for path in sorted(self.folder.glob("*.log")))
