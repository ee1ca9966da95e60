"""Redis Cluster and Sentinel broken under load: nothing confirmed is lost, order is kept.

Real workers handle what our own appender appends. Each run prints its table.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from realtime_message.errors import StreamsError
from realtime_message.settings import Durability, RedisSettings
from realtime_message.streams import open_streams
from realtime_message.streams.keys import Keys
from support.appending import Appending, describe
from support.cluster_servers import ClusterServers
from support.eventually import eventually
from support.fleet import Fleet
from support.sentinel_servers import SentinelServers
from support.valkey_server import ValkeyServer, unique_prefix

PARTITIONS = 8

pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def cluster() -> Iterator[ClusterServers]:
    """Three masters with a replica each; a test leaves all six of them running."""
    with ClusterServers(options={"cluster-node-timeout": "2000"}) as servers:
        yield servers


@contextlib.contextmanager
def _fleet(
    url: str, folder: Path, durability: Durability, *, with_ids: bool = True
) -> Iterator[tuple[Fleet, Appending]]:
    """Two workers that share all partitions, and a load that has begun."""
    settings = RedisSettings(
        url=url, prefix=unique_prefix(), partition_count=PARTITIONS, durability=durability
    )
    traffic = Appending(settings, rate=400, with_ids=with_ids)
    fleet = Fleet(settings, folder, traffic)
    try:
        fleet.start()
        fleet.start()
        fleet.wait_until_shared(2)
        traffic.start()
        _wait_for_more(traffic)
        yield fleet, traffic
    finally:
        fleet.close()


def _wait_for_more(traffic: Appending, count: int = 200) -> None:
    """Wait until so many more messages are confirmed."""
    wanted = len(traffic.sent) + count
    until = time.monotonic() + 60
    while len(traffic.sent) < wanted:
        assert time.monotonic() < until, (len(traffic.sent), traffic.failures, traffic.error)
        time.sleep(0.02)


def test_killed_master_loses_nothing_that_was_replicated(
    cluster: ClusterServers, tmp_path: Path
) -> None:
    """SIGKILL of the master with most partitions: its replica takes over with all of it."""
    with _fleet(cluster.url, tmp_path, "replicated") as (fleet, traffic):
        victim = _busiest(cluster, fleet)
        fleet.faults.append(time.monotonic())
        victim.kill()
        cluster.wait_until_replaced(victim)
        victim.start()  # the promoted one needs a replica, or nothing is replicated any more
        _wait_for_more(traffic)
        fleet.finish("cluster, master killed")
        print(describe(traffic, PARTITIONS))


def test_orderly_failover_loses_nothing(cluster: ClusterServers, tmp_path: Path) -> None:
    """CLUSTER FAILOVER: what the old master has not done goes to the new one, in order."""
    with _fleet(cluster.url, tmp_path, "memory", with_ids=False) as (fleet, traffic):
        master = _busiest(cluster, fleet)
        fleet.faults.append(time.monotonic())
        cluster.fail_over(cluster.replicas_of(master)[0])
        _wait_for_more(traffic)
        fleet.finish("cluster, CLUSTER FAILOVER")
        print(describe(traffic, PARTITIONS))


def test_master_that_comes_back_has_all_that_was_synced(tmp_path: Path) -> None:
    """SIGKILL and a start again before anyone takes over: its append-only file has everything."""
    with (
        ClusterServers(replicas=0, options={"appendfsync": "always"}) as cluster,
        _fleet(cluster.url, tmp_path, "fsynced") as (fleet, traffic),
    ):
        fleet.faults.append(time.monotonic())
        _busiest(cluster, fleet).restart()
        _wait_for_more(traffic)
        fleet.finish("cluster, master restarted")
        print(describe(traffic, PARTITIONS))


@pytest.mark.parametrize("with_ids", [False, True])
def test_slot_on_its_way_to_another_master_loses_nothing(
    cluster: ClusterServers, tmp_path: Path, *, with_ids: bool
) -> None:
    """A partition's slot is moved key by key, there and back, while everything goes on."""
    with _fleet(cluster.url, tmp_path, "memory", with_ids=with_ids) as (fleet, traffic):
        stream = Keys(fleet.settings.prefix).stream(0)
        source = cluster.owner(stream)
        target = next(node for node in cluster.masters() if node is not source)
        for taker in (target, source):
            fleet.faults.append(time.monotonic())
            cluster.migrate(stream, taker, pause_seconds=0.01 if with_ids else 0.2)
            assert cluster.owner(stream) is taker
            _wait_for_more(traffic)
        fleet.finish(f"cluster, slot moved{', ids' if with_ids else ''}")
        print(describe(traffic, PARTITIONS))


def test_primary_that_sentinel_replaces_loses_nothing_that_was_replicated(tmp_path: Path) -> None:
    """SIGKILL of the primary: Sentinel promotes a replica, and everybody follows."""
    with (
        SentinelServers(replicas=2, down_after_seconds=1) as servers,
        _fleet(servers.url, tmp_path, "replicated") as (fleet, traffic),
    ):
        fleet.faults.append(time.monotonic())
        servers.primary().kill()
        _wait_for_more(traffic)
        fleet.finish("Sentinel, primary killed")
        print(describe(traffic, PARTITIONS))


async def test_primary_that_does_not_know_of_its_successor_is_left() -> None:
    """SENTINEL FAILOVER: the old primary takes writes until it is told; appends leave it before."""
    with SentinelServers(replicas=1) as servers:
        settings = RedisSettings(url=servers.url, prefix=unique_prefix(), partition_count=1)
        streams = await open_streams(settings)
        appender = await streams.appender()
        await appender.append(0, b"before")
        old = servers.primary()
        servers.fail_over()
        new = servers.primary()

        async def is_there() -> bool:
            with contextlib.suppress(StreamsError):
                await appender.append(0, b"after")
            rows = new.client().xrange(streams.keys.stream(0))
            return any(fields["payload"] == "after" for _, fields in rows)

        await eventually(is_there)
        print(f"\nleft the old primary, which calls itself {old.client().info()['role']}")
        await streams.close()


def _busiest(cluster: ClusterServers, fleet: Fleet) -> ValkeyServer:
    """Return the master that has most partitions."""
    keys = Keys(fleet.settings.prefix)
    owners = [cluster.owner(keys.stream(number)) for number in range(PARTITIONS)]
    return max(owners, key=owners.count)
