"""Opening a connection to one server: TLS, login and database as the URL says."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import redis
from redis.asyncio.connection import AbstractConnection, ConnectionPool

from realtime_message.errors import ConfigurationError, StreamsUnavailableError
from realtime_message.redis_url import Address, RedisTarget
from realtime_message.streams.server_errors import from_client
from realtime_message.streams.wire import Wire


class Dialer:
    """Opens connections that differ in the address only.

    Args:
        target: what the URL says.
        url: one of its servers, as redis-py reads it: which login and options are used.
        timeout_seconds: how long opening one may take.

    Raises:
        ConfigurationError: an option of the URL is unknown, or has a value that does not fit.
    """

    def __init__(self, target: RedisTarget, url: str, timeout_seconds: float) -> None:
        self._target = target
        self._timeout_seconds = timeout_seconds
        try:
            self._pool = ConnectionPool.from_url(url)
            self._pool.make_connection()  # type: ignore[no-untyped-call] # unknown URL options
        except (ValueError, TypeError):
            # Not the parser's own words: they may quote a piece of the password.
            raise ConfigurationError(
                "redis.url (REDIS_URL) has an option that is unknown, or whose value does not fit: "
                "options are sentinel_username, sentinel_password, db, and those of redis-py such "
                "as ssl_ca_certs, ssl_certfile, ssl_keyfile"
            ) from None
        # After the URL's own query parameters: these are not a user's to change. A read that may
        # block must have no time-out of the socket; each call has a deadline of its own.
        self._pool.connection_kwargs.update(
            protocol=2,
            socket_timeout=None,
            socket_connect_timeout=timeout_seconds,
            health_check_interval=0,
            redis_connect_func=_log_in,
        )

    async def dial(self, address: Address) -> Wire:
        """Open a connection.

        Raises:
            StreamsUnavailableError: unreachable, or no answer in time.
            StreamsRefusedError: the login was refused, or TLS cannot work.
        """
        where = self._target.shown_server(address)
        connection = self._connection(address)
        try:
            async with asyncio.timeout(self._timeout_seconds):
                await connection.connect()  # type: ignore[no-untyped-call]
        except TimeoutError:
            await connection.disconnect(nowait=True)
            hint = " (does it speak TLS on this port?)" if self._target.uses_tls else ""
            raise StreamsUnavailableError(
                f"Redis at {where}: no answer within {self._timeout_seconds:g} s{hint}"
            ) from None
        except asyncio.CancelledError:
            await connection.disconnect(nowait=True)
            raise
        except (redis.RedisError, OSError) as error:
            await connection.disconnect(nowait=True)
            raise from_client(error, where) from None
        return Wire(connection, where, address)

    async def ask(self, address: Address, command: Sequence[str]) -> Any:
        """Send one command on a connection of its own and return its reply. Raises as `dial`."""
        wire = await self.dial(address)
        try:
            (reply,) = await wire.call([command], self._timeout_seconds)
        finally:
            wire.close()
        return reply

    def _connection(self, address: Address) -> AbstractConnection:
        if self._target.kind == "unix":
            connection: AbstractConnection = self._pool.make_connection()  # type: ignore[no-untyped-call]
            return connection
        place = {"host": address.host, "port": address.port}
        return self._pool.connection_class(**{**self._pool.connection_kwargs, **place})


async def _log_in(connection: AbstractConnection) -> None:
    """Do what redis-py does first, and cut the connection if that fails.

    redis-py would take leave of a server with TLS, and with one that does not answer the socket
    would stay open until asyncio gives that up.
    """
    assert connection._writer is not None, "the connection is not open"  # noqa: S101, SLF001 - as in Wire
    transport = connection._writer.transport  # noqa: SLF001 - as in Wire
    try:
        await connection.on_connect()
    except BaseException:
        transport.abort()
        raise
