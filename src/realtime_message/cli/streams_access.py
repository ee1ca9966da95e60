"""How commands look at the streams: without making anything, and with one clear failure."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import TypeVar

from realtime_message.errors import StreamsError
from realtime_message.settings import LoadedSettings
from realtime_message.streams import Streams
from realtime_message.telemetry.logs import configure_logging

T = TypeVar("T")


def look(loaded: LoadedSettings, view: Callable[[Streams], Awaitable[T]]) -> T:
    """Return what a view of the streams shows.

    Args:
        loaded: where Redis is.
        view: reads something.

    Raises:
        LayoutMismatchError: the streams have another partition count than the settings.
        StreamsError: Redis did not answer, or refused.
    """
    configure_logging("warning", loaded.settings.log.format)

    async def run() -> T:
        streams = Streams(loaded.settings.redis)
        try:
            await streams.layout.compare()
            return await view(streams)
        finally:
            await streams.close()

    return asyncio.run(run())


def stored_partition_count(loaded: LoadedSettings) -> int:
    """Return the partition count in force; that of the settings, with a note, without Redis."""
    settings = loaded.settings.redis

    async def run() -> int:
        streams = Streams(settings)
        try:
            return (await streams.layout.read()).partition_count
        finally:
            await streams.close()

    try:
        return asyncio.run(run())
    except StreamsError as error:
        print(f"by redis.partition_count, for Redis does not say: {error}", file=sys.stderr)
        return settings.partition_count
