"""A long run of the publish callback at a share of its ceiling: no error, memory flat, sums right.

python benchmarks/soak.py --minutes 10 --share 0.7
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import redis
from contenders import SECRET, ours
from machine import family, free_port, memory_mb, redis_server, running

HERE = Path(__file__).parent
CEILING_SECONDS = 5


def main() -> None:
    """Find the ceiling, run, and print what was seen; exit code 1 if something is wrong."""
    parser = argparse.ArgumentParser(description="Soak the publish callback.")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--share", type=float, default=0.7, help="of the ceiling")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--processes", type=int, default=1)
    options = parser.parse_args()
    with redis_server() as redis_instance:
        port, redis_port = free_port(), redis_instance.port
        command, environment = ours().start(port, redis_port, options.processes)
        with running(command, port=port, environment=environment) as pid:
            time.sleep(2)
            ceiling = _load(port, options.connections, 1e9, CEILING_SECONDS)["per_second"]
            before = _counts(port)
            stored = _stored(redis_port)
            rate = ceiling * options.share
            print(
                f"the ceiling is {ceiling:,.0f}/s; {options.minutes:g} minutes at {rate:,.0f}/s",
                flush=True,
            )
            load = _start_load(port, options.connections, rate, options.minutes * 60)
            memory = _watch(load, pid, redis_port)
            result = json.loads(load.communicate()[0])
            time.sleep(1)
            after = _counts(port)
            stored = _stored(redis_port) - stored
    counts = {name: after[name] - before[name] for name in after}
    problems = _problems(result, counts, memory, stored)
    _print(result, counts, memory, stored)
    print("; ".join(problems) or "no error, memory flat, the numbers add up")
    sys.exit(bool(problems))


def _print(result: dict, counts: dict[str, int], memory: list[float], stored: int) -> None:
    answered = {name: count for name, count in counts.items() if name != "received" and count}
    rows = [
        ("publishes answered a second", f"{result['per_second']:,.0f}"),
        ("latency p50, p99", f"{result['p50_ms']:.2f} ms, {result['p99_ms']:.2f} ms"),
        ("what clients saw", _told(result["outcomes"])),
        ("received by the service", f"{counts['received']:,}"),
        ("answered by it", _told(answered)),
        ("entries added in Redis", f"{stored:,}"),
        (
            "memory at start, middle, end",
            ", ".join(f"{memory[at]:.1f} MB" for at in (0, len(memory) // 2, -1)),
        ),
    ]
    print("\n| soak | |\n|---|---|")
    for name, value in rows:
        print(f"| {name} | {value} |")
    print(flush=True)


def _told(numbers: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in sorted(numbers.items()))


def _start_load(port: int, connections: int, rate: float, seconds: float) -> subprocess.Popen[str]:
    arguments = [str(value) for value in (port, connections, rate, seconds)]
    return subprocess.Popen(
        [sys.executable, str(HERE / "load" / "steady.py"), *arguments],
        env={**os.environ, "SECRET": SECRET},
        stdout=subprocess.PIPE,
        text=True,
    )


def _load(port: int, connections: int, rate: float, seconds: float) -> dict:
    return dict(json.loads(_start_load(port, connections, rate, seconds).communicate()[0]))


def _watch(load: subprocess.Popen[str], pid: int, redis_port: int) -> list[float]:
    """Note the memory now and then, and keep Redis from filling, as workers would."""
    store = redis.Redis(port=redis_port)
    memory = []
    while True:
        memory.append(round(memory_mb(family(pid)), 1))
        try:
            load.wait(5)
        except subprocess.TimeoutExpired:
            pass
        else:
            return memory
        for name in store.scan_iter(match="*:partition:*", _type="stream"):
            store.xtrim(name, maxlen=10_000, approximate=True)


def _stored(redis_port: int) -> int:
    """Return how many entries were ever added."""
    store = redis.Redis(port=redis_port)
    names = store.scan_iter(match="*:partition:*", _type="stream")
    return sum(store.xinfo_stream(name)["entries-added"] for name in names)


def _counts(port: int) -> dict[str, int]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    answered = re.compile(
        r'^rtm_callback_answered_total{event="publish",outcome="(\w+)"} (\S+)', re.MULTILINE
    )
    received = re.compile(r'^rtm_callback_received_total{event="publish"} (\S+)', re.MULTILINE)
    counts = {name: int(float(count)) for name, count in answered.findall(text)}
    return {"received": int(float(received.findall(text)[0])), **counts}


def _problems(result: dict, counts: dict[str, int], memory: list[float], stored: int) -> list[str]:
    problems = []
    if set(result["outcomes"]) != {"taken"}:
        problems.append(f"not every publish was taken: {result['outcomes']}")
    if counts["received"] != sum(n for name, n in counts.items() if name != "received"):
        problems.append(f"the numbers do not add up: {counts}")
    if counts.get("appended", 0) != stored:
        problems.append(f"{counts.get('appended', 0)} were appended, but {stored} were added")
    # What grows is still growing in the second half.
    half = len(memory) // 2
    if half and max(memory[half:]) > max(memory[:half]) * 1.05:
        problems.append(f"the memory grew: {memory}")
    return problems


if __name__ == "__main__":
    main()
