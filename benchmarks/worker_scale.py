"""What a message costs as channels, partitions and workers grow.

For each row workers are started on empty streams and stopped (SIGSTOP) while a backlog is written;
then they drain it. The CPU time is that of all workers together, so it shows what more of them
cost, not how much faster they are. The memory is that of the largest worker at the end: channels
that have come and gone must leave nothing behind.

    python benchmarks/worker_scale.py
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import time

import backlog
import redis
from contenders import HERE
from machine import cpu_seconds, load_average, memory_mb, process, redis_server

#: channels, partitions, workers
ROWS = (
    *((channels, 8, 1) for channels in (10, 1000, 100_000, 1_000_000)),
    *((1000, partitions, 1) for partitions in (64, 256)),
    *((1000, 64, workers) for workers in (2, 8, 32)),
)
TIMEOUT_SECONDS = 120


def main() -> None:
    """Measure each row and print it."""
    parser = argparse.ArgumentParser(description="Measure what growth costs.")
    parser.add_argument("--messages", type=int, default=50_000, help="in each row, at least")
    options = parser.parse_args()
    print(f"load average {load_average()} at the start, {os.cpu_count()} cores\n")
    print("| channels | partitions | workers | CPU µs/message | Redis CPU µs/message | MB |")
    print("|---|---|---|---|---|---|")
    for channels, partitions, workers in ROWS:
        messages = max(options.messages, channels)
        cpu_us, redis_us, memory = _measure(messages, channels, partitions, workers)
        print(
            f"| {channels:,} | {partitions} | {workers} | {cpu_us:.1f} | {redis_us:.1f} "
            f"| {memory:.0f} |",
            flush=True,
        )


def _measure(
    messages: int, channels: int, partitions: int, workers: int
) -> tuple[float, float, float]:
    with redis_server() as server, contextlib.ExitStack() as stack:
        client = redis.Redis(port=server.port)
        environment = {
            "REDIS_URL": f"redis://127.0.0.1:{server.port}",
            "RTM_REDIS__PARTITION_COUNT": str(partitions),
            # Longer than the backlog takes to be written.
            "RTM_WORKER__LEASE_SECONDS": "300",
            "RTM_LOG__LEVEL": "error",
            "PYTHONPATH": str(HERE / "peers"),
        }
        part = "realtime_message.stack.part"
        command = (sys.executable, "-m", part, "worker", "--app", "drain_app:nothing")
        started = [stack.enter_context(process(command, environment)) for _ in range(workers)]
        pids = [worker.pid for worker in started]
        _wait_until(lambda: _held_count(client, partitions) == partitions)
        time.sleep(1)  # for what is done once after the start
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        backlog.append(client, messages, channels, partitions)
        before, redis_before = cpu_seconds(pids), cpu_seconds([server.pid])
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
        _wait_until(lambda: _open_count(client, partitions) == 0)
        used, redis_used = cpu_seconds(pids) - before, cpu_seconds([server.pid]) - redis_before
        memory = memory_mb(pids)
    return used / messages * 1e6, redis_used / messages * 1e6, memory


def _held_count(client: redis.Redis, partitions: int) -> int:
    keys = [f"{{{backlog.stream(partition)}}}:lease" for partition in range(partitions)]
    return sum(client.hget(key, "holder") is not None for key in keys)


def _open_count(client: redis.Redis, partitions: int) -> int:
    pipe = client.pipeline(transaction=False)
    for partition in range(partitions):
        pipe.xinfo_groups(backlog.stream(partition))
    groups = [group for found in pipe.execute() for group in found]
    return sum(group["pending"] + (group["lag"] or 0) for group in groups)


def _wait_until(condition) -> None:
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            sys.exit("the workers did not come so far in time")
        time.sleep(0.2)


if __name__ == "__main__":
    main()
