"""Waits for Redis before anything is started.

Centrifugo exits at once when Redis does not answer at its start, and a container that dies and
starts again tells nobody what it waits for.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from realtime_message.errors import StartupError, StreamsError, StreamsUnavailableError
from realtime_message.settings import RedisSettings
from realtime_message.streams import Streams, open_streams

_EVERY_SECONDS = 1.0


async def wait_for_redis(settings: RedisSettings, say: Callable[[str], None]) -> None:
    """Wait until Redis answers, saying once a second why it does not; then check that it fits.

    Args:
        settings: where Redis is, and how long to wait for it: startup_timeout_seconds.
        say: told why it waits.

    Raises:
        StartupError: Redis did not answer in time, or cannot be used however long one waits.
    """
    limit_seconds = settings.startup_timeout_seconds
    began_at = time.monotonic()
    give_up_at = began_at + limit_seconds
    while True:
        tried_at = time.monotonic()
        reason = await _reason_to_wait(settings)
        if reason is None:
            break
        if tried_at >= give_up_at:
            raise StartupError(
                f"{reason}; waited {limit_seconds:g} s for it (redis.startup_timeout_seconds): "
                "start Redis, or correct redis.url (REDIS_URL)"
            )
        waited_seconds = tried_at - began_at
        say(f"waiting for Redis, {waited_seconds:.0f} of {limit_seconds:g} s: {reason}")
        again_at = min(tried_at + _EVERY_SECONDS, give_up_at)
        await asyncio.sleep(max(0.0, again_at - time.monotonic()))
    # Whatever else is wrong gets its sentence there.
    streams = await open_streams(settings)
    await streams.close()


async def _reason_to_wait(settings: RedisSettings) -> str | None:
    streams = Streams(settings)
    try:
        await streams.check()
    except StreamsUnavailableError as error:
        return str(error).removesuffix(".")
    except (StreamsError, StartupError):
        return None
    finally:
        await streams.close()
    return None
