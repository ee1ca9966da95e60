"""`rtm up` and the commands beside it on a cluster and behind Sentinel, by REDIS_URL alone.

Where a Centrifugo is found it is the gateway, with its engine on the same target.
"""

from __future__ import annotations

from pathlib import Path

from support.centrifugo import find_centrifugo
from support.cluster_servers import ClusterServers
from support.sentinel_servers import SentinelServers
from support.up_stack import UpStack


def _use(folder: Path, url: str) -> None:
    """Publish a message, see it handled, and look at it by each command that asks Redis."""
    arguments, environment = [], {"REDIS_URL": url}
    centrifugo = find_centrifugo()
    if centrifugo:
        arguments = ["--gateway", "centrifugo"]
        environment |= {"RTM_CENTRIFUGO_BIN": centrifugo, "RTM_GATEWAY__ENGINE": "redis"}
    with UpStack(folder, *arguments, **environment) as stack:
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
