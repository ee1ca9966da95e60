"""A load of appends that runs into a crash, and what of its acknowledged messages is left."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from realtime_message.settings import Durability, RedisSettings
from realtime_message.streams import open_streams
from realtime_message.streams.contracts import Appended, OnAppended
from realtime_message.streams.keys import Keys
from support.valkey_server import ValkeyServer, unique_prefix

TICK_SECONDS = 0.005
PARTITIONS = 8


@dataclass
class LossLoad:
    """What happened during one load.

    Attributes:
        prefix: of the streams.
        acknowledged: when each message was acknowledged (monotonic), by its number.
        latencies: how long each acknowledgement took, in seconds.
    """

    prefix: str = field(default_factory=unique_prefix)
    acknowledged: dict[int, float] = field(default_factory=dict)
    latencies: list[float] = field(default_factory=list)

    def lost(self, survivor: ValkeyServer) -> list[int]:
        """Return the acknowledged messages that a server does not have."""
        client, keys = survivor.client(), Keys(self.prefix)
        stored: set[int] = set()
        for partition in range(PARTITIONS):
            rows = client.xrange(keys.stream(partition))
            stored |= {int(fields["payload"].partition(":")[0]) for _, fields in rows}
        return sorted(set(self.acknowledged) - stored)

    def window_seconds(self, lost: list[int]) -> float:
        """Return the time from the first lost acknowledgement to the last one of all."""
        if not lost:
            return 0.0
        first = min(self.acknowledged[number] for number in lost)
        return max(self.acknowledged.values()) - first

    def told_of(self, number: int) -> OnAppended:
        """Return what is told the outcome of a message that is submitted now."""
        submitted_at = time.monotonic()

        def on_appended(outcome: Appended | Exception) -> None:
            if isinstance(outcome, Appended):
                now = time.monotonic()
                self.acknowledged[number] = now
                self.latencies.append(now - submitted_at)

        return on_appended


async def load_until_crash(
    url: str,
    durability: Durability,
    *,
    messages_per_second: float,
    payload_bytes: int,
    until: Callable[[LossLoad], bool],
    crash: Callable[[], Coroutine[Any, Any, None]],
) -> LossLoad:
    """Append at a steady rate until a condition holds, crash, and return what was acknowledged.

    Args:
        url: the server.
        durability: the level.
        messages_per_second: the rate.
        payload_bytes: the size of each message.
        until: says when to crash; asked at each tick.
        crash: does the harm while appends go on.
    """
    load = LossLoad()
    streams = await open_streams(
        RedisSettings(
            url=url,
            prefix=load.prefix,
            partition_count=PARTITIONS,
            durability=durability,
            max_backlog_entries=0,
        )
    )
    appender = await streams.appender()
    padding = b"x" * payload_bytes
    crashing: asyncio.Task[None] | None = None
    begun, submitted = time.monotonic(), 0
    while crashing is None or not crashing.done():
        due = int((time.monotonic() - begun) * messages_per_second)
        for number in range(submitted, due):
            appender.submit(number % PARTITIONS, b"%d:" % number + padding, load.told_of(number))
        submitted = max(submitted, due)
        if crashing is None and until(load):
            crashing = asyncio.create_task(crash())
        await asyncio.sleep(TICK_SECONDS)
    await crashing
    await streams.close()
    return load
