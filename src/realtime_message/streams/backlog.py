"""Back-pressure: which partitions take no more for now, because too much waits for the workers.

Counted is what the workers' group has not handled: unread and pending entries. Handled ones that
are not trimmed yet wait for nobody. Redis' memory counts for all partitions alike, by what the
server itself compares with maxmemory. Both are looked at about once a second, so a limit may be
passed by what comes in within that time.
"""

from __future__ import annotations

import asyncio

from realtime_message.errors import StreamsError
from realtime_message.settings import RedisSettings
from realtime_message.streams.inspect import Inspector
from realtime_message.telemetry.logs import get_logger

SAMPLE_SECONDS = 1.0

#: Once something is over its limit it has to fall below this share of it. Without a distance
#: publishers would be let in and out at each sample.
LOWER_MARK = 0.9

_log = get_logger("streams.backlog")


class Gauge:
    """Whether a value is over its limit, or was and has not fallen below the lower mark yet.

    Args:
        limit: 0 for none.
    """

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self.is_over = False

    def update(self, value: float) -> bool:
        """Take a new value and return whether the answer has changed."""
        was_over = self.is_over
        bound = self._limit * LOWER_MARK if was_over else self._limit
        self.is_over = self._limit > 0 and value > bound
        return self.is_over != was_over


class Backlog:
    """The limits of one prefix.

    Args:
        inspector: shows what is in the streams.
        settings: the limits.

    Attributes:
        refusals: for each partition why it takes no more; None while it does. Always the same list,
            which grows with the partition count.
        entries: for each partition the last count of unread and pending entries; None before the
            first, or if the server cannot tell.
        memory_share: the last share of maxmemory that was in use; None without a maxmemory.
    """

    def __init__(self, inspector: Inspector, settings: RedisSettings) -> None:
        self._inspector = inspector
        self._settings = settings
        self._entries: list[Gauge] = []
        self._memory = Gauge(settings.max_memory_share)
        self.refusals: list[str | None] = []
        self.entries: list[int | None] = []
        self.memory_share: float | None = None
        self.cover(settings.partition_count)

    def cover(self, partition_count: int) -> None:
        """Take in partitions that have come; those that have gone stay, and count for nothing."""
        for _ in range(len(self.refusals), partition_count):
            self._entries.append(Gauge(self._settings.max_backlog_entries))
            self.refusals.append(None)
            self.entries.append(None)

    async def keep_sampling(self) -> None:
        """Sample until cancelled."""
        while True:
            try:
                await self.sample()
            except StreamsError as error:
                # What was last seen stays in force; appends fail by themselves if Redis is gone.
                _log.debug("backlog.unknown", reason=str(error))
            await asyncio.sleep(SAMPLE_SECONDS)

    async def sample(self) -> None:
        """Look once, in one round trip. Raises StreamsError."""
        load = await self._inspector.load()
        self.cover(len(load.entries))
        self.entries, self.memory_share = load.entries, load.memory_share
        if self._memory.update(self.memory_share or 0.0):
            tell = _log.warning if self._memory.is_over else _log.info
            tell(
                "memory.filled" if self._memory.is_over else "memory.freed",
                share=self.memory_share,
                limit=self._settings.max_memory_share,
            )
        for partition, (gauge, entries) in enumerate(
            zip(self._entries, self.entries, strict=False)
        ):
            # Where the server cannot tell (after entries were deleted, until the group has read to
            # the end) the last answer stands.
            if entries is not None and gauge.update(entries):
                tell = _log.warning if gauge.is_over else _log.info
                tell(
                    "backlog.filled" if gauge.is_over else "backlog.drained",
                    partition=partition,
                    entries=entries,
                    limit=self._settings.max_backlog_entries,
                )
            self.refusals[partition] = self._refusal(partition)

    def _refusal(self, partition: int) -> str | None:
        if self._entries[partition].is_over:
            return (
                f"partition {partition} has too many messages that no worker has handled "
                f"(redis.max_backlog_entries is {self._settings.max_backlog_entries})"
            )
        if self._memory.is_over:
            return (
                "Redis' memory is nearly full (redis.max_memory_share is "
                f"{self._settings.max_memory_share:g})"
            )
        return None
