"""Handled entries do not stay for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from realtime_message.errors import StreamsError
from realtime_message.settings import WorkerSettings
from realtime_message.streams.contracts import StreamTrimmer
from realtime_message.telemetry.logs import get_logger

log = get_logger("worker.trimming")

_MIN_INTERVAL_SECONDS = 1.0
_MAX_INTERVAL_SECONDS = 60.0
# How fast a stream grows nobody knows before.
_LENGTH_INTERVAL_SECONDS = 5.0


async def keep_trimmed(
    trimmer: StreamTrimmer,
    partitions: Callable[[], Iterable[int]],
    settings: WorkerSettings,
) -> None:
    """Trim the partitions that are held now, again and again, until cancelled.

    Several times within the retention, so that a stream is never much longer than it should be.

    Args:
        trimmer: removes what is handled and old enough, and nothing else.
        partitions: returns the numbers of the partitions held.
        settings: how long handled entries stay, and how many.
    """
    retention_seconds, max_length = settings.retention_seconds, settings.retention_max_length
    interval = min(_MAX_INTERVAL_SECONDS, max(_MIN_INTERVAL_SECONDS, retention_seconds / 10))
    if max_length:
        interval = min(interval, _LENGTH_INTERVAL_SECONDS)
    is_failing = False
    while True:
        await asyncio.sleep(interval)
        for partition in list(partitions()):
            try:
                removed = await trimmer.trim(partition, retention_seconds, max_length)
            except StreamsError as error:
                if not is_failing:
                    log.warning("trim.failed", partition=partition, error=str(error))
                is_failing = True
                break
            is_failing = False
            if removed:
                log.debug("stream.trimmed", partition=partition, removed=removed)
