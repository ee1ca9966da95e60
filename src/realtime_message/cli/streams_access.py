"""How commands look at the streams: without making anything, and with one clear failure."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import TypeVar

from realtime_message.errors import StreamsError
from realtime_message.settings import LoadedSettings
from realtime_message.streams import Streams
from realtime_message.streams.server_errors import explained
from realtime_message.telemetry.logs import configure_command_logging

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
    configure_command_logging("warning")

    async def compared(streams: Streams) -> T:
        await streams.layout.compare()
        return await view(streams)

    return asyncio.run(_viewed(loaded, compared))


def stored_partition_count(loaded: LoadedSettings) -> int:
    """Return the partition count in force; that of the settings, with a note, without Redis."""
    try:
        layout = asyncio.run(_viewed(loaded, lambda streams: streams.layout.read()))
    except StreamsError as error:
        print(f"rtm: by redis.partition_count, for Redis does not say: {error}", file=sys.stderr)
        return loaded.settings.redis.partition_count
    return layout.partition_count


async def _viewed(loaded: LoadedSettings, view: Callable[[Streams], Awaitable[T]]) -> T:
    streams = Streams(loaded.settings.redis)
    try:
        return await view(streams)
    except StreamsError as error:
        raise explained(error, streams.where) from None
    finally:
        await streams.close()
