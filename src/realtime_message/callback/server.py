"""Listens, and stops listening without losing a request.

Centrifugo keeps its connections open and does not repeat a request that meets a closing one. So a
connection is closed by an answer that says so (`Connection: close`), never while it waits for a
request; only at the very end of a drain, when nothing has come in for a while, are the idle ones
closed.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from typing import Any

import uvicorn
from starlette.applications import Starlette
from uvicorn.server import ServerState

from realtime_message.callback.exchange import InFlight
from realtime_message.callback.hot_queue import HotRoute
from realtime_message.callback.protocol import CallbackProtocol
from realtime_message.errors import PortInUseError
from realtime_message.settings import CallbackSettings

BACKLOG = 2048
#: How long nothing may have come in before a drain closes the connections that are idle.
QUIET_SECONDS = 1.0
_LOOK_EVERY_SECONDS = 0.05


def bind(host: str, port: int) -> socket.socket:
    """Return a socket that is bound and does not listen yet.

    Args:
        host: an address of this machine, or a name for one.
        port: the port; 0 takes a free one.

    Raises:
        PortInUseError: another program listens there, this user may not, or the address is none of
            this machine's. The text says what to do.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise _cannot_listen(host, port, error) from None
    # Of a name with several addresses, such as localhost, the IPv4 one is what callers try first.
    family, *_, address = min(found, key=lambda one: one[0] != socket.AF_INET)
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise _cannot_listen(host, port, error) from None
    listener.setblocking(False)
    return listener


def _cannot_listen(host: str, port: int, error: OSError) -> PortInUseError:
    return PortInUseError(
        f"the callback service cannot listen on {host} port {port} ({error.strerror}): end the "
        "program that does, or choose another with callback.host and callback.port (PORT)"
    )


class CallbackServer:
    """The connections of one process.

    Args:
        settings: how long idle connections stay, and how long a drain may take.
        routes: the ASGI application.
        hot_route: what is answered below ASGI.
        in_flight: what a drain waits for.
        tls: the certificate to serve; None for plain HTTP.
    """

    def __init__(
        self,
        settings: CallbackSettings,
        routes: Starlette,
        hot_route: HotRoute,
        in_flight: InFlight,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._tls = tls
        self._settings = settings
        self._hot_route = hot_route
        self._protocol = _protocol(hot_route)
        self._in_flight = in_flight
        self._state = ServerState()
        self._config = uvicorn.Config(
            routes,
            lifespan="off",
            ws="none",
            interface="asgi3",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=int(settings.keep_alive_seconds) + 1,
        )
        self._config.load()
        self._servers: list[asyncio.Server] = []

    @property
    def protocols(self) -> list[CallbackProtocol]:
        """The connections that are open."""
        # All of them are ours: `_connect` makes no others.
        return [c for c in self._state.connections if isinstance(c, CallbackProtocol)]

    @property
    def is_draining(self) -> bool:
        """Whether each answer is its connection's last."""
        return self._hot_route.is_draining

    async def start(self, listener: socket.socket) -> None:
        """Listen on a bound socket.

        Raises:
            PortInUseError: another program came first.
        """
        loop = asyncio.get_running_loop()
        try:
            server = await loop.create_server(
                self._connect, sock=listener, backlog=BACKLOG, ssl=self._tls
            )
        except OSError as error:
            host, port = listener.getsockname()[:2]
            raise _cannot_listen(host, port, error) from None
        self._servers.append(server)

    async def close_idle(self) -> None:
        """Close, until cancelled, connections that were idle for keep_alive_seconds."""
        period = self._settings.keep_alive_seconds
        seen: dict[Any, int] = {}
        while True:
            await asyncio.sleep(period)
            before, seen = seen, {c: c.begun for c in self.protocols}
            for connection, begun in seen.items():
                if before.get(connection) == begun and not connection.is_busy:
                    connection.transport.close()

    async def drain(self) -> None:
        """Take no more connections, finish what is in flight, close the connections.

        Takes up to drain_timeout_seconds; what is in flight then is cut off.
        """
        self._hot_route.is_draining = True
        for server in self._servers:
            server.close()
        for connection in self.protocols:
            connection.begin_drain()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._settings.drain_timeout_seconds):
                await self._wait_until_quiet()
        for connection in self.protocols:
            connection.transport.close()
        # Each hears that its connection is lost in the next turn.
        await asyncio.sleep(0)

    async def _wait_until_quiet(self) -> None:
        """Wait until no connection is left, or nothing has come in for a while."""
        loop = asyncio.get_running_loop()
        begun, quiet_since = self._hot_route.begun, loop.time()
        while self._state.connections or self._in_flight:
            if self._in_flight or self._hot_route.begun != begun:
                begun, quiet_since = self._hot_route.begun, loop.time()
            elif loop.time() - quiet_since >= QUIET_SECONDS:
                return
            await asyncio.sleep(_LOOK_EVERY_SECONDS)

    def _connect(self) -> asyncio.Protocol:
        return self._protocol(
            config=self._config,
            server_state=self._state,
            app_state={},
            hot_route=self._hot_route,
        )


def _protocol(hot_route: HotRoute) -> type[CallbackProtocol]:
    """Return what a connection is."""
    if not hot_route.dispatcher.takes_traces:
        return CallbackProtocol
    from realtime_message.callback.traced_protocol import TracedProtocol  # noqa: PLC0415 - as rare

    return TracedProtocol
