"""Which acknowledged messages a crash of Redis loses, at each level of durability.

    .venv/bin/python benchmarks/loss_window.py [--runs 5] [--rate 2000] [--only TEXT]

Starts servers of its own, appends at a steady rate, ends the server in the middle of it, and looks
what the survivor has. Prints a Markdown table: medians and worst of all runs. The window reaches
from the first lost acknowledgement to the last one before the end.

- SIGKILL: the process ends; what it gave to the kernel survives.
- power cut: SIGKILL, then every file is cut to what had been synced. A small library that is
  preloaded into the server notes that; it needs a C compiler and Linux. The worst case: a kernel
  writes earlier by itself.
- machine lost: the primary and everything between it and its replica ends at once; the replica is
  5 ms away, in each direction, and is promoted.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))  # whose servers are used

from realtime_message.settings import Durability
from realtime_message.telemetry.logs import configure_logging
from support.loss_load import load_until_crash
from support.replicated_servers import ReplicatedServers
from support.tcp_proxy import TcpProxy
from support.valkey_server import ValkeyServer, find_binary

PAYLOAD_BYTES = 460
REPLICA_DELAY_SECONDS = 0.005
SETTLE_SECONDS = 1.2


@dataclass(frozen=True)
class Case:
    """A level, how the server writes to its disk, and how it ends."""

    durability: Durability
    persistence: str
    end: str

    @property
    def options(self) -> dict[str, str]:
        """The server's settings."""
        if self.persistence == "none":
            return {"appendonly": "no"}
        return {"appendonly": "yes", "appendfsync": self.persistence.removeprefix("AOF ")}


CASES = [
    Case("memory", "none", "SIGKILL"),
    Case("memory", "AOF everysec", "SIGKILL"),
    Case("memory", "AOF everysec", "power cut"),
    Case("memory", "AOF always", "power cut"),
    Case("memory", "AOF everysec", "machine lost"),
    Case("replicated", "AOF everysec", "machine lost"),
    Case("replicated", "AOF everysec", "power cut"),
    Case("fsynced", "AOF always", "SIGKILL"),
    Case("fsynced", "AOF always", "power cut"),
    Case("fsynced", "AOF always", "machine lost"),
]


@dataclass(frozen=True)
class Run:
    """What one run showed."""

    acknowledged: int
    lost: int
    window_seconds: float
    latencies: list[float]


class SyncedSizes:
    """Makes servers that note what they synced, and cuts their files to it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._library = folder / "synced_sizes.so"
        source = Path(__file__).with_name("synced_sizes.c")
        command = ["cc", "-shared", "-fPIC", "-O1", "-o", str(self._library), str(source), "-ldl"]
        subprocess.run(command, check=True)

    def binary(self) -> str:
        """Return a program that is the server with the library preloaded."""
        program = self._folder / "server"
        program.write_text(
            f"#!/bin/sh\nLD_PRELOAD={self._library} SYNCED_SIZES={self._folder}/sizes "
            f'exec {find_binary()} "$@"\n'
        )
        program.chmod(0o755)
        return str(program)

    def cut(self, server: ValkeyServer) -> None:
        """Cut a server's append-only files to what was synced."""
        log = self._folder / "sizes"
        lines = log.read_text().splitlines() if log.exists() else []
        sizes: dict[int, int] = {}
        for line in lines:
            inode, size = map(int, line.split())
            sizes[inode] = max(size, sizes.get(inode, 0))
        for file in (server.directory / "appendonlydir").glob("*.incr.aof"):
            os.truncate(file, sizes.get(file.stat().st_ino, 0))
        log.unlink(missing_ok=True)


class Site:
    """The servers of one case, and what becomes of them.

    Args:
        case: what to try.
        folder: for the preloaded library.
    """

    def __init__(self, case: Case, folder: Path) -> None:
        self._case = case
        self._sizes = SyncedSizes(folder) if case.end == "power cut" else None
        has_replica = case.durability == "replicated" or case.end == "machine lost"
        self._servers = ReplicatedServers(
            int(has_replica), case.options, self._sizes.binary() if self._sizes else None
        )
        self._link = TcpProxy(self._servers.primary.port)
        self._link.delay_seconds = REPLICA_DELAY_SECONDS

    @property
    def url(self) -> str:
        """The server that takes the appends."""
        return self._servers.primary.url

    async def __aenter__(self) -> Self:
        await self._link.__aenter__()
        self._servers.follow_port = self._link.port
        # In a thread: the link to the replica needs this event loop.
        await asyncio.to_thread(self._servers.__enter__)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._servers.__exit__()
        await self._link.__aexit__()

    async def crash(self) -> None:
        """Let it happen."""
        if self._case.end == "machine lost":
            self._link.cut()
        await asyncio.to_thread(self._servers.primary.kill)

    def survivor(self) -> ValkeyServer:
        """Return the server that goes on: the replica, or the same one restarted."""
        if self._case.end == "machine lost":
            return self._servers.promote()
        if self._sizes is not None:
            self._sizes.cut(self._servers.primary)
        return self._servers.primary.start()


async def _run(case: Case, rate: float) -> Run:
    with tempfile.TemporaryDirectory(prefix="rtm-loss-") as folder:
        async with Site(case, Path(folder)) as site:
            crash_at = time.monotonic() + SETTLE_SECONDS + random.uniform(0.0, 2.0)
            load = await load_until_crash(
                site.url,
                case.durability,
                messages_per_second=rate,
                payload_bytes=PAYLOAD_BYTES,
                until=lambda _: time.monotonic() >= crash_at,
                crash=site.crash,
            )
            lost = load.lost(site.survivor())
            return Run(len(load.acknowledged), len(lost), load.window_seconds(lost), load.latencies)


def _row(case: Case, runs: list[Run]) -> str:
    latencies = sorted(latency for run in runs for latency in run.latencies)
    median_ms, late_ms = (latencies[int(len(latencies) * q)] * 1000 for q in (0.5, 0.99))
    lost = [run.lost for run in runs]
    windows = [run.window_seconds for run in runs]
    cells = [
        case.durability,
        case.persistence,
        case.end,
        f"{statistics.median(run.acknowledged for run in runs):.0f}",
        f"{statistics.median(lost):.0f}",
        f"{max(lost)}",
        _seconds(statistics.median(windows)),
        _seconds(max(windows)),
        f"{median_ms:.1f} / {late_ms:.1f} ms",
    ]
    return "| " + " | ".join(cells) + " |"


def _seconds(value: float) -> str:
    return f"{value:.2f} s" if value >= 0.1 else f"{value * 1000:.0f} ms" if value else "0"


def _head(runs: int, rate: float) -> str:
    version = subprocess.run(
        [find_binary(), "--version"], capture_output=True, text=True, check=True
    )
    return (
        f"{runs} runs of each, {rate:g} messages/s of {PAYLOAD_BYTES} bytes; "
        f"{version.stdout.split('sha=')[0].strip()}; {platform.system()} {platform.machine()}, "
        f"{os.cpu_count()} cores\n\n"
        "| level | disk | what ends | acknowledged | lost | worst | window | worst "
        "| acknowledged after, median / p99 |\n|---|---|---|---|---|---|---|---|---|"
    )


def main() -> None:
    """Run the cases and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--rate", type=float, default=2000, help="messages per second")
    parser.add_argument("--only", default="", help="only cases whose words contain this text")
    arguments = parser.parse_args()
    configure_logging("error", "text")
    print(_head(arguments.runs, arguments.rate), flush=True)
    for case in CASES:
        if arguments.only not in f"{case.durability} {case.persistence} {case.end}":
            continue
        if case.end == "power cut" and shutil.which("cc") is None:
            print(f"left out, there is no C compiler (cc): {case}", file=sys.stderr)
            continue
        runs = [asyncio.run(_run(case, arguments.rate)) for _ in range(arguments.runs)]
        print(_row(case, runs), flush=True)


if __name__ == "__main__":
    main()
