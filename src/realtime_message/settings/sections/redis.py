"""What `[redis]` holds."""

from __future__ import annotations

from typing import Annotated

from realtime_message.settings.sections.option import Section, option


class RedisSettings(Section, frozen=True, kw_only=True):
    """The streams' server."""

    url: Annotated[
        str,
        option(
            "Where Redis or Valkey is.",
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
            "start. At least as many as workers will ever run; more cost two connections each.",
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
