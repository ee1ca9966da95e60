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
    with redis_server() as redis_port:
        port = free_port()
        command, environment = ours().start(port, redis_port, options.processes)
        with running(command, port=port, environment=environment) as pid:
            time.sleep(2)
            ceiling = _load(port, options.connections, 1e9, CEILING_SECONDS)["per_second"]
            before = _counts(port)
            stored = _stored(redis_port)
            print(f"ceiling {ceiling:,.0f}/s, soaking at {options.share:g} of it", flush=True)
            load = _start_load(
                port, options.connections, ceiling * options.share, options.minutes * 60
            )
            memory = _watch(load, pid, redis_port)
            result = json.loads(load.communicate()[0])
            time.sleep(1)
            after = _counts(port)
            stored = _stored(redis_port, trimmed=True) - stored
    counts = {name: after[name] - before[name] for name in after}
    problems = _problems(result, counts, memory)
    print(json.dumps({"load": result, "counts": counts, "memory_mb": memory, "stored": stored}))
    print("; ".join(problems) or "no error, memory flat, the numbers add up")
    sys.exit(bool(problems))


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
    while load.poll() is None:
        time.sleep(5)
        memory.append(round(memory_mb(family(pid)), 1))
        for name in store.scan_iter(match="*:partition:*", _type="stream"):
            store.xtrim(name, maxlen=10_000, approximate=True)
    return memory


def _stored(redis_port: int, *, trimmed: bool = False) -> int:
    store = redis.Redis(port=redis_port)
    names = list(store.scan_iter(match="*:partition:*", _type="stream"))
    if trimmed:
        return sum(store.xinfo_stream(name)["entries-added"] for name in names)
    return sum(store.xlen(name) for name in names)


def _counts(port: int) -> dict[str, int]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    answered = re.compile(
        r'^rtm_callback_answered_total{event="publish",outcome="(\w+)"} (\S+)', re.MULTILINE
    )
    received = re.compile(r'^rtm_callback_received_total{event="publish"} (\S+)', re.MULTILINE)
    counts = {name: int(float(count)) for name, count in answered.findall(text)}
    return {"received": int(float(received.findall(text)[0])), **counts}


def _problems(result: dict, counts: dict[str, int], memory: list[float]) -> list[str]:
    problems = []
    if set(result["outcomes"]) != {"taken"}:
        problems.append(f"not every publish was taken: {result['outcomes']}")
    if counts["received"] != sum(n for name, n in counts.items() if name != "received"):
        problems.append(f"the numbers do not add up: {counts}")
    # What grows is still growing in the second half.
    half = len(memory) // 2
    if half and max(memory[half:]) > max(memory[:half]) * 1.05:
        problems.append(f"the memory grew: {memory}")
    return problems


if __name__ == "__main__":
    main()
