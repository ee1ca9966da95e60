"""What a cluster costs against one server: appends, reads, and what a killed master loses.

    .venv/bin/python benchmarks/cluster.py --rounds 5

Both run on this machine: three masters and one server, rounds in turn. CPU time of this process
for a message is the steadiest figure; in wall time three masters share this machine's cores.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import uvloop

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from realtime_message.settings import RedisSettings
from realtime_message.streams import Streams, open_streams
from realtime_message.streams.keys import Keys
from support.cluster_servers import ClusterServers
from support.loss_load import PARTITIONS, LossLoad, load_until_crash
from support.open_client import open_client
from support.valkey_server import ValkeyServer, unique_prefix

MESSAGES = 40_000
CALLERS = 256
PAYLOAD = b"x" * 460


@dataclass
class Figure:
    """What a number of messages took."""

    cpu_us: float
    per_second: float


async def _append(streams: Streams) -> Figure:
    """Append from many callers, each of which waits for its confirmation."""
    appender = await streams.appender()

    async def call(caller: int) -> None:
        for number in range(MESSAGES // CALLERS):
            await appender.append((caller + number) % PARTITIONS, PAYLOAD)

    cpu, wall = time.process_time(), time.perf_counter()
    await asyncio.gather(*(call(caller) for caller in range(CALLERS)))
    return _figure(cpu, wall)


async def _drain(streams: Streams) -> Figure:
    """Read and acknowledge everything, all partitions at once."""

    async def drain(partition: int) -> None:
        lease = await streams.leases.acquire(partition, "benchmark", 600)
        assert lease is not None
        reader = streams.reader(lease, "worker-benchmark-1")
        done: list[str] = []
        while entries := await reader.cycle(done, 100):
            done = [entry.id for entry in entries]
        await reader.close()

    cpu, wall = time.process_time(), time.perf_counter()
    await asyncio.gather(*(drain(partition) for partition in range(PARTITIONS)))
    return _figure(cpu, wall)


def _figure(cpu: float, wall: float) -> Figure:
    count = MESSAGES // CALLERS * CALLERS
    return Figure((time.process_time() - cpu) / count * 1e6, count / (time.perf_counter() - wall))


async def _round(url: str) -> tuple[Figure, Figure]:
    settings = RedisSettings(
        url=url,
        prefix=unique_prefix(),
        partition_count=PARTITIONS,
        max_backlog_entries=0,
        command_timeout_seconds=30.0,
    )
    streams = await open_streams(settings)
    figures = await _append(streams), await _drain(streams)
    await streams.close()
    client = open_client(url)
    for partition in range(PARTITIONS):
        client.delete(Keys(settings.prefix).stream(partition))
    return figures


async def _loss() -> tuple[int, int, float]:
    """Kill one of three masters under load; return acknowledged, lost, and for how long."""
    with ClusterServers() as cluster:
        victim = cluster.nodes[0]

        async def crash() -> None:
            victim.kill()
            await asyncio.to_thread(cluster.wait_until_replaced, victim)
            await asyncio.sleep(1.0)

        load = await load_until_crash(
            cluster.url,
            "memory",
            messages_per_second=2000,
            payload_bytes=460,
            until=lambda load: len(load.acknowledged) > 2000,
            crash=crash,
        )
        lost = _missing(load, cluster.url)
        pauses = sorted(load.acknowledged.values())
        longest = max(after - before for before, after in itertools.pairwise(pauses))
        return len(load.acknowledged), len(lost), longest


def _missing(load: LossLoad, url: str) -> list[int]:
    client, keys = open_client(url), Keys(load.prefix)
    stored: set[int] = set()
    for partition in range(PARTITIONS):
        rows = client.xrange(keys.stream(partition))
        stored |= {int(fields[b"payload"].partition(b":")[0]) for _, fields in rows}
    return sorted(set(load.acknowledged) - stored)


def main() -> None:
    """Run the rounds and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--losses", type=int, default=3)
    options = parser.parse_args()
    figures: dict[str, list[tuple[Figure, Figure]]] = {"one server": [], "cluster": []}
    with ValkeyServer() as server, ClusterServers(replicas=0) as cluster:
        for _ in range(options.rounds):
            figures["one server"].append(uvloop.run(_round(server.url)))
            figures["cluster"].append(uvloop.run(_round(cluster.url)))
    print(f"load average {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores")
    print(f"{'':<12}{'append µs':>11}{'per second':>12}{'drain µs':>11}{'per second':>12}")
    for name, rounds in figures.items():
        cells = [
            statistics.median(getattr(row[part], field) for row in rounds)
            for part in (0, 1)
            for field in ("cpu_us", "per_second")
        ]
        print(f"{name:<12}{cells[0]:>11.1f}{cells[1]:>12.0f}{cells[2]:>11.1f}{cells[3]:>12.0f}")
    for _ in range(options.losses):
        acknowledged, lost, longest = asyncio.run(_loss())
        print(
            f"master killed at memory: {acknowledged} acknowledged, {lost} lost, "
            f"longest time without an acknowledgement {longest:.2f} s"
        )


if __name__ == "__main__":
    main()
