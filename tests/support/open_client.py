"""A client of redis-py for any URL of ours, for tests to look and to meddle."""

from __future__ import annotations

from typing import Any

import redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry

from realtime_message.redis_url import parse_redis_url


def open_client(url: str) -> Any:
    """Return a client of the server, of the cluster, or of the primary that Sentinel knows."""
    target = parse_redis_url(url)
    if target.kind == "cluster":
        nodes = [redis.cluster.ClusterNode(host, port) for host, port in target.hosts]
        patient = Retry(ConstantBackoff(0.1), 100)
        return redis.RedisCluster(startup_nodes=nodes, retry=patient)
    if target.kind == "sentinel":
        sentinels = redis.Sentinel(list(target.hosts), socket_timeout=1)
        return sentinels.master_for(target.primary_name, retry=Retry(ConstantBackoff(0.1), 100))
    return redis.Redis.from_url(url)
