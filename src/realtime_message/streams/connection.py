"""One URL, and how to connect to the server behind it.

Standalone servers today. A caller names the key it will use, so that a cluster's node or the
primary that Sentinel knows can be chosen here without a change anywhere else.
"""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

import redis
from redis.asyncio.connection import AbstractConnection, ConnectionPool
from redis.backoff import NoBackoff
from redis.retry import Retry

from realtime_message.errors import ConfigurationError, StreamsUnavailableError
from realtime_message.settings import RedisSettings
from realtime_message.streams.server_errors import from_client
from realtime_message.streams.wire import Wire

_SCHEMES = ("redis", "rediss", "unix")


def hide_password(url: str) -> str:
    """Return a URL without its password, query and fragment: what may stand in a text.

    Raises:
        ValueError: it is not a Redis URL.
    """
    parts = urlsplit(url)
    if parts.scheme not in _SCHEMES:
        raise ValueError("unknown scheme")
    if parts.scheme == "unix":
        return f"unix://{parts.path}"
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or "localhost"
    user = f"{parts.username}@" if parts.username else ""
    database = parts.path if parts.path.strip("/0") else ""
    return f"{parts.scheme}://{user}{host}:{parts.port or 6379}{database}"


class Connector:
    """Opens connections to the server that the settings name.

    Args:
        settings: URL and time-outs.

    Raises:
        ConfigurationError: the URL cannot be understood.
    """

    def __init__(self, settings: RedisSettings) -> None:
        self._settings = settings
        try:
            self.where = hide_password(settings.url)
            self._pool = ConnectionPool.from_url(settings.url)
            self._pool.make_connection()  # type: ignore[no-untyped-call] # unknown URL options
        except (ValueError, TypeError):
            # Not the parser's own words: they may quote a piece of the password.
            raise ConfigurationError(
                "redis.url (REDIS_URL) is not a Redis URL: use "
                "redis://[user:password@]host[:port][/database], rediss://… for TLS, or "
                "unix:///path; special characters of the password are written as %XX"
            ) from None
        # After the URL's own query parameters: these are not a user's to change. A read that may
        # block must have no time-out of the socket; each call has a deadline of its own.
        self._pool.connection_kwargs.update(
            protocol=2,
            socket_timeout=None,
            socket_connect_timeout=settings.connect_timeout_seconds,
            health_check_interval=0,
        )

    async def connect(self, key: str = "") -> Wire:
        """Open a connection to the server that holds a key.

        Args:
            key: the key that will be used; a standalone server holds them all.

        Raises:
            StreamsUnavailableError: unreachable, or no answer within connect_timeout_seconds.
            StreamsRefusedError: the login was refused.
        """
        del key
        connection: AbstractConnection = self._pool.make_connection()  # type: ignore[no-untyped-call]
        limit = self._settings.connect_timeout_seconds
        try:
            async with asyncio.timeout(limit):
                await connection.connect()  # type: ignore[no-untyped-call]
        except TimeoutError:
            await connection.disconnect(nowait=True)
            raise StreamsUnavailableError(
                f"Redis at {self.where}: no answer within {limit:g} s"
            ) from None
        except asyncio.CancelledError:
            await connection.disconnect(nowait=True)
            raise
        except (redis.RedisError, OSError) as error:
            await connection.disconnect(nowait=True)
            raise from_client(error, self.where) from None
        return Wire(connection, self.where)

    def connect_in_thread(self) -> redis.Redis:
        """Return a synchronous client, for a thread beside the event loop.

        It connects at its first command; its commands raise redis-py's errors.
        """
        client = redis.Redis.from_url(
            self._settings.url,
            protocol=2,
            retry=Retry(NoBackoff(), 0),
            single_connection_client=False,
        )
        client.connection_pool.connection_kwargs.update(
            socket_timeout=self._settings.command_timeout_seconds,
            socket_connect_timeout=self._settings.connect_timeout_seconds,
        )
        return client
