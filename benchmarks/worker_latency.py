"""From the publish request to the start of the handler: our callback and worker, and Node's pair.

At a steady mean rate with random pauses, over a few keep-alive connections. Each message carries
the time at which its request was sent; the handler looks at the clock first. In each round both
pairs run once; medians of the rounds are shown.

    python benchmarks/worker_latency.py --rounds 3 --rate 100 --seconds 10
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator

import redis
import uvloop
from contenders import HERE, SECRET, Contender, express, ioredis, ours
from machine import free_port, load_average, redis_server, running

CONNECTIONS = 8
WARM_UP = 50


def main() -> None:
    """Run the rounds and print the table."""
    parser = argparse.ArgumentParser(description="Measure from request to handler.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rate", type=float, default=100, help="messages per second")
    parser.add_argument("--seconds", type=float, default=10)
    options = parser.parse_args()
    count = WARM_UP + int(options.rate * options.seconds)
    python = ours().command[0]
    pairs: list[tuple[str, Contender, tuple[str, ...]]] = [
        ("Express 4 + ioredis worker", express(), ioredis("latency_peer.js")),
        (
            "this project",
            ours(),
            (python, "-m", "realtime_message.stack.part", "worker", "--app", "latency_app:app"),
        ),
    ]
    rounds: dict[str, list[tuple[float, float]]] = {name: [] for name, _, _ in pairs}
    before = load_average()
    for _ in range(options.rounds):
        for name, callback, worker in pairs:
            rounds[name].append(_measure(callback, worker, options.rate, count))
    _print(rounds, options, before)


def _measure(
    callback: Contender, worker: tuple[str, ...], rate: float, count: int
) -> tuple[float, float]:
    with redis_server() as server:
        redis.Redis(port=server.port).flushall()
        port = free_port()
        command, environment = callback.start(port, server.port, 1)
        with (
            running(command, port=port, environment=environment),
            _worker(worker, server.port, count) as output,
        ):
            time.sleep(2)  # for what is done once after the start
            uvloop.run(_publish(port, rate, count))
            return _read(output, worker)


@contextlib.contextmanager
def _worker(
    command: tuple[str, ...], redis_port: int, count: int
) -> Iterator[subprocess.Popen[str]]:
    environment = {
        **os.environ,
        "REDIS_PORT": str(redis_port),
        "REDIS_URL": f"redis://127.0.0.1:{redis_port}",
        "TOTAL": str(count),
        "WARM_UP": str(WARM_UP),
        "PYTHONPATH": str(HERE / "peers"),
        "RTM_LOG__LEVEL": "warning",
    }
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=30)


def _read(process: subprocess.Popen[str], command: tuple[str, ...]) -> tuple[float, float]:
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line)
        if "RESULT " in line:
            latencies = sorted(json.loads(line.partition("RESULT ")[2]))
            return latencies[len(latencies) // 2], latencies[len(latencies) * 99 // 100]
    sys.exit(f"{command} ended without a result:\n{''.join(said[-20:])}")


async def _publish(port: int, rate: float, count: int) -> None:
    """Send requests at random times, each on a connection that is idle."""
    idle: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    for _ in range(CONNECTIONS):
        idle.put_nowait(await asyncio.open_connection("127.0.0.1", port))
    loop = asyncio.get_running_loop()
    at, tasks = loop.time(), []
    for number in range(count):
        at += random.expovariate(rate)
        await asyncio.sleep(max(0.0, at - loop.time()))
        tasks.append(asyncio.create_task(_send(idle, number)))
    await asyncio.gather(*tasks)


async def _send(
    idle: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]], number: int
) -> None:
    reader, writer = await idle.get()
    stamp = str(time.time_ns())  # of the right length: the true one is put in last
    text = f"{stamp} {'a line of chat ' * 6}"
    body = json.dumps(
        {
            "client": "c1",
            "user": str(number % 500),
            "channel": f"chat:room-{number % 1000}",
            "data": {"text": text},
        }
    )
    request = (
        "POST /centrifugo/publish HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Content-Length: {len(body)}\r\nContent-Type: application/json\r\n"
        f"X-Callback-Secret: {SECRET}\r\n\r\n{body}"
    )
    before, after = (part.encode() for part in request.split(stamp))
    answer = b""
    while b'"result"' not in answer:  # a machine that is too busy costs a resend
        writer.write(b"%b%d%b" % (before, time.time_ns(), after))
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        answer = await reader.readexactly(length)
    idle.put_nowait((reader, writer))


def _print(
    rounds: dict[str, list[tuple[float, float]]], options: argparse.Namespace, before: str
) -> None:
    print(
        f"\n{options.rate:g} messages/s for {options.seconds:g} s, medians of {options.rounds} "
        f"rounds, Python {platform.python_version()}, {os.cpu_count()} cores, load average "
        f"{before} before and {load_average()} after\n"
    )
    print("| request sent → handler started | p50 ms | p99 ms | p99 ratio |")
    print("|---|---|---|---|")
    base = 0.0
    for name, runs in rounds.items():
        p50, p99 = (statistics.median(run[place] for run in runs) for place in (0, 1))
        base = base or p99
        print(f"| {name} | {p50:.2f} | {p99:.2f} | 1/{base / p99:.1f} |")


if __name__ == "__main__":
    main()
