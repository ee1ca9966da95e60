"""What `[redis]` holds."""

from __future__ import annotations

from typing import Annotated, Literal

from realtime_message.settings.sections.option import Section, option

#: What must have happened to an entry before its append counts: Redis has it in memory; replicas
#: have it in theirs; it is on Redis' disk.
Durability = Literal["memory", "replicated", "fsynced"]


class RedisSettings(Section, frozen=True, kw_only=True):
    """The streams' server."""

    url: Annotated[
        str,
        option(
            "Where Redis or Valkey is: `redis://[user:password@]host:port[/database]` for one "
            "server (or a node of a cluster, which is recognised), "
            "`redis+sentinel://host:26379,host:26379/NAME` for the primary that Sentinel knows as "
            "NAME, `redis+cluster://host:port,host:port` for a cluster, `unix:///path`; `rediss` "
            "instead of `redis` is TLS, with options such as `?ssl_ca_certs=/path/ca.crt`. Special "
            "characters of the password are written as %XX.",
            environment="REDIS_URL",
            secret=True,
            fits="a URL such as redis://localhost:6379",
            pattern=r"^[a-z0-9+]+://",
        ),
    ] = "redis://localhost:6379"
    prefix: Annotated[
        str,
        option(
            "First part of every key; streams are PREFIX:partition:N. Another prefix is another "
            "installation on the same server.",
            fits="1 to 64 letters, digits, dots, dashes and underscores",
            pattern=r"^[A-Za-z0-9_.-]{1,64}\Z",
        ),
    ] = "messages"
    partition_count: Annotated[
        int,
        option(
            "Partitions, stored at the first start. A process with another number refuses to "
            "start, unless it was in force before a `rtm partitions resize`. At least as many as "
            "workers will ever run; more cost two connections each.",
            ge=1,
            le=1024,
        ),
    ] = 8
    connect_timeout_seconds: Annotated[
        float, option("How long one attempt to connect may take.", unit="seconds", gt=0)
    ] = 2.0
    command_timeout_seconds: Annotated[
        float,
        option(
            "How long a command may take before it counts as failed. For an append it must stay "
            "below the gateway's proxy time-out.",
            unit="seconds",
            gt=0,
        ),
    ] = 0.8
    startup_timeout_seconds: Annotated[
        float, option("How long a process waits for Redis at its start.", unit="seconds", ge=0)
    ] = 10.0
    durability: Annotated[
        Durability,
        option(
            "What must have happened before a message is acknowledged, unless its channel's rule "
            "says otherwise. `memory`: Redis has it. `replicated`: redis.replicas replicas have "
            "it, too; costs a round trip between the servers. `fsynced`: it is on Redis' disk; "
            "needs appendonly yes and appendfsync always, and costs a sync."
        ),
    ] = "memory"
    replicas: Annotated[
        int,
        option(
            "How many replicas must have a `replicated` message. Too few: temporary errors. To "
            "lose nothing whichever replica is promoted, all of them.",
            ge=1,
        ),
    ] = 1
    max_backlog_entries: Annotated[
        int,
        option(
            "Unread and pending entries of one partition above which its publishes get a "
            "temporary error, until a tenth of them is handled; looked at about every second. "
            "250,000 in each of 8 partitions are about 1 GB. 0: no limit.",
            ge=0,
        ),
    ] = 250_000
    max_memory_share: Annotated[
        float,
        option(
            "Share of Redis' maxmemory above which all publishes get a temporary error, until "
            "a tenth of that is free again. 0, or Redis without maxmemory: no limit.",
            ge=0,
            le=1,
        ),
    ] = 0.9
