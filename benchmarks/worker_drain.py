"""Compares what it costs to drain a backlog: our worker and what users would write instead.

Every contender reads the same messages (1,000 channels, eight partitions, payloads of about 460
bytes) as a consumer of the workers' group, decodes each, keeps the last one of its channel, and
acknowledges. Ours does so with leases, fences, lanes, retries and metrics on. In each round every
contender runs once, so that a busy machine is busy for all; medians of the rounds are shown, and
ratios within this one run. The steadiest figure is the CPU time for each message.

    python benchmarks/worker_drain.py --rounds 3

The worker has one core, Redis another. Needs Node; installs the peers below .work/benchmarks at the
first run. `--frameworks` adds FastStream, taskiq and Protean. taskiq and Protean have entries of
their own form, and so a backlog of their own.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import backlog
import redis
from contenders import HERE, ioredis, python_with
from machine import load_average, redis_server

PEERS = HERE / "peers"
CHANNELS = 1000


@dataclass(frozen=True)
class Drain:
    """A worker that drains.

    Attributes:
        name: in the table.
        command: what starts it; it prints a line RESULT and ends.
        count: how many messages it drains: the slow ones fewer.
        queue: puts a backlog of its own form into Redis; None for the common one.
        environment: of the process, without what all get.
    """

    name: str
    command: tuple[str, ...]
    count: int
    queue: Callable[[int, int], None] | None = None
    environment: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Figures:
    """One run, or the medians of several."""

    per_second: float
    cpu_us: float
    redis_cpu_us: float


def main() -> None:
    """Run the rounds and print the table."""
    options = _options()
    drains = _peers(options) + _ours(options)
    cores = (0, 1) if (os.cpu_count() or 1) > 1 else (None, None)
    before = load_average()
    with redis_server(core=cores[1]) as server:
        client = redis.Redis(port=server.port)
        rounds: dict[str, list[Figures]] = {one.name: [] for one in drains}
        for one in sorted(drains, key=lambda one: one.queue is not None):
            if one.queue is None and client.dbsize() == 0:
                backlog.fill(client, options.messages, CHANNELS)
        for _ in range(options.rounds):
            for one in drains:
                rounds[one.name].append(_measure(one, client, server.port, cores[0]))
    _print(options, before, {name: _median(runs) for name, runs in rounds.items()})


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Compare workers that drain a backlog.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--messages", type=int, default=100_000, help="in the backlog")
    parser.add_argument(
        "--frameworks", action="store_true", help="with FastStream, taskiq and Protean"
    )
    return parser.parse_args()


def _ours(options: argparse.Namespace) -> list[Drain]:
    python = sys.executable
    command = (python, "-m", "realtime_message.stack.part", "worker", "--app")
    rows = (
        ("ours, a handler that records", "recording"),
        ("ours, one that does nothing", "nothing"),
        ("ours, batches that record", "batched"),
    )
    return [Drain(name, (*command, f"drain_app:{app}"), options.messages) for name, app in rows]


def _peers(options: argparse.Namespace) -> list[Drain]:
    node = ioredis("drain_peer.js")
    few = options.messages // 5
    peers = [
        Drain("ioredis, COUNT 10, one by one", (*node, "one", "10"), few),
        Drain("ioredis, COUNT 100, XACK for a read", (*node, "many", "100"), options.messages),
    ]
    return peers + (_frameworks(options) if options.frameworks else [])


def _frameworks(options: argparse.Namespace) -> list[Drain]:
    python = python_with("drain_peers", "faststream[redis]", "taskiq", "taskiq-redis", "uvloop")
    faststream = (python, str(PEERS / "drain_faststream.py"))
    taskiq = str(Path(python).parent / "taskiq")
    own = python_with("drain_protean", "protean[redis]", "hiredis", "uvloop")
    protean = (own, str(PEERS / "drain_protean.py"))
    return [
        Drain("FastStream, message by message", (*faststream, "one"), options.messages // 10),
        Drain("FastStream, batches of 200", (*faststream, "many"), options.messages),
        Drain(
            "taskiq",
            (taskiq, "worker", "--workers", "1", "drain_taskiq:broker"),
            options.messages // 10,
            partial(_queue, (python, str(PEERS / "drain_taskiq.py"), "kick")),
        ),
        Drain(
            "Protean, `sequential_by`: a leased stream a channel",
            protean,
            options.messages // 5,  # more than taskiq: each of the channels costs a lease, too
            partial(_queue, (*protean, "queue")),
        ),
    ]


def _queue(command: tuple[str, ...], port: int, count: int) -> None:
    environment = {**os.environ, "REDIS_PORT": str(port)}
    subprocess.run([*command, str(count)], env=environment, check=True)


def _measure(one: Drain, client: redis.Redis, port: int, core: int | None) -> Figures:
    if one.queue is None:
        backlog.rewind(client)
    else:
        one.queue(port, one.count)
    environment = {
        **os.environ,
        "REDIS_PORT": str(port),
        "REDIS_URL": f"redis://127.0.0.1:{port}",
        "WARM_UP": str(one.count // 20),
        "TOTAL": str(one.count),
        "PYTHONPATH": str(PEERS),
        "RTM_LOG__LEVEL": "warning",
        **one.environment,
    }
    used = _redis_seconds(client)
    process = subprocess.Popen(
        one.command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if core is not None:
        os.sched_setaffinity(process.pid, {core})
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line)
        if "RESULT " in line:
            break
    used = _redis_seconds(client) - used
    process.terminate()
    process.communicate(timeout=30)
    if not said or "RESULT " not in said[-1]:
        sys.exit(f"{one.name} ended without a result:\n{''.join(said[-20:])}")
    result = json.loads(said[-1].partition("RESULT ")[2])
    return Figures(result["per_second"], result["cpu_us"], used / one.count * 1e6)


def _redis_seconds(client: redis.Redis) -> float:
    info = client.info("cpu")
    return float(info["used_cpu_user"] + info["used_cpu_sys"])


def _median(runs: list[Figures]) -> Figures:
    names = Figures.__dataclass_fields__
    return Figures(
        **{name: statistics.median(getattr(run, name) for run in runs) for name in names}
    )


def _print(options: argparse.Namespace, load_before: str, medians: dict[str, Figures]) -> None:
    peer = next(iter(medians.values()))
    print(
        f"\n{options.messages:,} messages, {CHANNELS:,} channels, medians of {options.rounds} "
        f"rounds, Python {platform.python_version()}, {os.cpu_count()} cores, load average "
        f"{load_before} before and {load_average()} after\n"
    )
    print("| | messages/s | ratio | CPU µs/message | ratio | Redis CPU µs/message |")
    print("|---|---|---|---|---|---|")
    for name, f in medians.items():
        print(
            f"| {name} | {f.per_second:,.0f} | {f.per_second / peer.per_second:.3g} "
            f"| {f.cpu_us:.1f} | 1/{peer.cpu_us / f.cpu_us:.3g} | {f.redis_cpu_us:.1f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
