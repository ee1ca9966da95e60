"""Compares the publish callback with what users would write instead.

Every contender does the same job, an XADD for each publish confirmed before the answer, on one
Redis without persistence. In each round every contender runs once, so that a busy machine is busy
for all; the table shows medians of the rounds, and ratios within this one run. The steadiest figure
is the CPU time for each request.

    python benchmarks/publish_callback.py --rounds 5 --seconds 5 --processes 1 2

With one process, the service has one core for itself and the load generator and Redis another.
Needs wrk and Node; installs the peers below .work/benchmarks at the first run.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import socket
import statistics
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import redis
from contenders import SECRET, Contender, express, fastapi, ours
from machine import cpu_seconds, family, free_port, memory_mb, need, redis_server, running

LOAD = Path(__file__).parent / "load" / "publish.lua"
WARM_UP_SECONDS = 1


@dataclass(frozen=True)
class Figures:
    """One run, or the medians of several."""

    per_second: float
    cpu_us: float
    p50_ms: float
    p99_ms: float
    memory_mb: float


def main() -> None:
    """Run the rounds and print the tables."""
    options = _options()
    contenders = [express(), ours(), ours(with_ids=True)]
    if options.fastapi:
        contenders.append(fastapi())
    for processes in options.processes:
        is_pinned = processes == 1 and (os.cpu_count() or 1) > 1
        with redis_server(core=1 if is_pinned else None) as store:
            rounds: dict[str, list[Figures]] = {one.name: [] for one in contenders}
            for _ in range(options.rounds):
                for one in contenders:
                    figures = _measure(one, store.port, processes, options, is_pinned=is_pinned)
                    rounds[one.name].append(figures)
        _print(processes, options, {name: _median(runs) for name, runs in rounds.items()})


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Compare publish callbacks.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=5, help="of load in each run")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--fastapi", action="store_true", help="with FastAPI as second peer")
    return parser.parse_args()


def _measure(
    one: Contender,
    redis_port: int,
    processes: int,
    options: argparse.Namespace,
    *,
    is_pinned: bool,
) -> Figures:
    store = redis.Redis(port=redis_port)
    store.flushall()
    port = free_port()
    command, environment = one.start(port, redis_port, processes)
    core = 0 if is_pinned else None
    with running(command, port=port, environment=environment, core=core) as pid:
        _check_answer(port)
        time.sleep(0.5)  # for what is done once after the start
        _load(one, port, WARM_UP_SECONDS, options.connections, is_pinned=is_pinned)
        pids = family(pid)
        stored, used = _stored(store), cpu_seconds(pids)
        result = _load(one, port, options.seconds, options.connections, is_pinned=is_pinned)
        used = cpu_seconds(pids) - used
        memory = memory_mb(pids)
        added = _stored(store) - stored
    requests = result["requests"]
    # The load generator ends with a request under way on each connection.
    if result["errors"] or added < requests:
        raise SystemExit(f"{one.name}: {result['errors']} errors, {added} of {requests} stored")
    return Figures(
        per_second=requests / result["duration_us"] * 1e6,
        cpu_us=used / requests * 1e6,
        p50_ms=result["p50_us"] / 1000,
        p99_ms=result["p99_us"] / 1000,
        memory_mb=memory,
    )


def _check_answer(port: int) -> None:
    """Refuse to measure a service that does not do the job."""
    body = b'{"client":"C","user":"56","channel":"chat:index","data":{"text":"hi"}}'
    request = (
        b"POST /centrifugo/publish HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"X-Callback-Secret: %b\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b"
        % (SECRET.encode(), len(body), body)
    )
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.sendall(request)
        answer = b""
        while data := connection.recv(65536):
            answer += data
    reply = json.loads(answer.partition(b"\r\n\r\n")[2])
    if reply["result"]["data"]["user"] != {"id": "56", "name": "56"}:
        raise SystemExit(f"the service answers {reply}")


def _load(
    one: Contender, port: int, seconds: int, connections: int, *, is_pinned: bool
) -> dict[str, int]:
    command = [need("wrk", "wrk"), "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s"]
    process = subprocess.Popen(
        [*command, "-s", str(LOAD), f"http://127.0.0.1:{port}"],
        env={**os.environ, "SECRET": SECRET, "WITH_IDS": str(int(one.with_ids))},
        stdout=subprocess.PIPE,
        text=True,
    )
    if is_pinned:
        os.sched_setaffinity(process.pid, {1})
    output, _ = process.communicate()
    found = re.search(r"JSON (\{.*\})", output)
    if found is None:
        raise SystemExit(f"wrk said:\n{output}")
    return dict(json.loads(found[1]))


def _stored(store: redis.Redis) -> int:
    return sum(store.xlen(name) for name in store.scan_iter(match="*:partition:*", _type="stream"))


def _median(runs: list[Figures]) -> Figures:
    names = Figures.__dataclass_fields__
    return Figures(
        **{name: statistics.median(getattr(run, name) for run in runs) for name in names}
    )


def _print(processes: int, options: argparse.Namespace, medians: dict[str, Figures]) -> None:
    peer = next(iter(medians.values()))
    print(
        f"\n{processes} process{'es' if processes > 1 else ''}, {options.connections} connections, "
        f"medians of {options.rounds} rounds of {options.seconds} s, "
        f"Python {platform.python_version()}, {os.cpu_count()} cores\n"
    )
    print(
        "| | requests/s | ratio | CPU µs/request | ratio | p50 ms | p99 ms | ratio | MB | ratio |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    for name, f in medians.items():
        print(
            f"| {name} | {f.per_second:,.0f} | {f.per_second / peer.per_second:.1f} "
            f"| {f.cpu_us:.1f} | 1/{peer.cpu_us / f.cpu_us:.1f} "
            f"| {f.p50_ms:.2f} | {f.p99_ms:.2f} | 1/{peer.p99_ms / f.p99_ms:.1f} "
            f"| {f.memory_mb:.0f} | {f.memory_mb / peer.memory_mb:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
