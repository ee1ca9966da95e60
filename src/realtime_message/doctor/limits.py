"""The limits of backlog and memory, above which publishers are refused."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from realtime_message.doctor.findings import Finding, counted, error
from realtime_message.settings import RedisSettings
from realtime_message.streams.inspect import PartitionView


def review_limits(
    partitions: Sequence[PartitionView], memory_share: float | None, settings: RedisSettings
) -> Iterator[Finding]:
    """Yield what is above its limit.

    Args:
        partitions: each partition.
        memory_share: the share of maxmemory that is in use; None if it is not known.
        settings: the limits.
    """
    limit = settings.max_backlog_entries
    for view in partitions:
        waiting = view.pending + (view.lag or 0)
        if limit and waiting > limit:
            yield error(
                f"partition {view.partition}: {counted(waiting, 'message waits', 'messages wait')},"
                f" more than redis.max_backlog_entries = {limit}",
                "its publishes get temporary errors until a tenth of that is handled",
                "start more workers, raise worker.concurrency, or make handlers quicker",
            )
    if memory_share is not None and 0 < settings.max_memory_share < memory_share:
        yield error(
            f"Redis uses {memory_share:.0%} of its maxmemory, more than redis.max_memory_share = "
            f"{settings.max_memory_share:g}",
            "all publishes get temporary errors until a tenth of that is free again",
            "raise maxmemory, start more workers, purge dead letters, or keep handled messages for "
            "a shorter time (worker.retention_seconds)",
        )
