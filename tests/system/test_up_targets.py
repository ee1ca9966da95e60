"""`rtm up` and the commands beside it on a cluster and behind Sentinel, by REDIS_URL alone."""

from __future__ import annotations

from pathlib import Path

from support.cluster_servers import ClusterServers
from support.sentinel_servers import SentinelServers
from support.up_stack import UpStack


def _use(folder: Path, url: str) -> None:
    """Publish a message, see it handled, and look at it by each command that asks Redis."""
    with UpStack(folder, REDIS_URL=url) as stack:
        stack.wait_until_ready()
        assert stack.rtm("publish", "room:lobby", "hello").returncode == 0
        stack.wait_for("message.handled")
        partitions = stack.json("partitions", "list")
        assert sum(row["length"] for row in partitions) == 1
        assert all(row["owner"] for row in partitions)
        assert len(stack.json("leases", "list")) == len(partitions)
        assert len(stack.json("workers")) == 1


def test_on_a_cluster(tmp_path: Path) -> None:
    """By the plain URL of a node: everybody finds out that it is a cluster."""
    with ClusterServers(replicas=0) as cluster:
        _use(tmp_path, cluster.plain_url)


def test_behind_sentinel(tmp_path: Path) -> None:
    """By the Sentinels' URL."""
    with SentinelServers(1) as servers:
        _use(tmp_path, servers.url)
