"""The embedded gateway as a server: it listens, says when it is ready, and stops in order."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, contextmanager
from functools import partial
from typing import Any, NamedTuple, cast

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from realtime_message.centrifugo.gateway_configuration import GatewayConfiguration
from realtime_message.errors import EXIT_INTERRUPTED, PortInUseError
from realtime_message.gateway.admission import ConfiguredAdmission
from realtime_message.gateway.engine import Engine
from realtime_message.gateway.server_api import ServerApi
from realtime_message.gateway.websocket import WebSocket
from realtime_message.telemetry.logs import get_logger

log = get_logger("gateway")


class Listening(NamedTuple):
    """Where a gateway listens.

    Attributes:
        port: of WebSocket, and of server API and health unless they have their own.
        internal_port: of server API and health.
    """

    port: int
    internal_port: int


def run_gateway(configuration: GatewayConfiguration) -> int:
    """Run the embedded gateway until SIGTERM or SIGINT.

    Returns:
        the exit code: 0 after SIGTERM, 130 after SIGINT.

    Raises:
        ConfigurationError: a public key is not one.
        PortInUseError: another program listens on a port.
    """
    received: list[int] = []

    async def run() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()

        def on_signal(number: int) -> None:
            received.append(number)
            stop.set()

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, on_signal, number)
        await serve(configuration, stop=stop)

    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(run())
    return EXIT_INTERRUPTED if received[:1] == [signal.SIGINT] else 0


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415 - not there on Windows
    except ImportError:
        return None
    return cast("Callable[[], asyncio.AbstractEventLoop]", uvloop.new_event_loop)


async def serve(
    configuration: GatewayConfiguration,
    *,
    stop: asyncio.Event,
    on_ready: Callable[[Listening], None] | None = None,
) -> None:
    """Run the embedded gateway until `stop` is set.

    Then no connection is accepted any more, clients are closed with 3001 `shutdown`, commands in
    progress are finished, for at most `shutdown.timeout`.

    Args:
        configuration: read and checked.
        stop: ends the gateway.
        on_ready: called once the gateway accepts connections.

    Raises:
        ConfigurationError: a public key is not one.
        PortInUseError: another program listens on a port.
    """
    engine = Engine(configuration)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(engine.close)
        sockets = _listen_all(configuration, stack)
        servers = _servers(engine, sockets)
        running = [
            asyncio.create_task(server.serve(sockets=[sock]))
            for server, sock in zip(servers, sockets, strict=True)
        ]
        try:
            for server, task in zip(servers, running, strict=True):
                await _first(server.is_listening.wait(), task)
            _say_ready(sockets, on_ready)
            engine.spawn(engine.sweep_for_ever())
            await stop.wait()
        finally:
            for server in servers:
                server.should_exit = True
            await asyncio.gather(*running)
        log.info("gateway.stopped")


def _say_ready(sockets: list[socket.socket], on_ready: Callable[[Listening], None] | None) -> None:
    ports = [sock.getsockname()[1] for sock in sockets]
    listening = Listening(ports[0], ports[-1])
    log.info("gateway.ready", port=listening.port, internal_port=listening.internal_port)
    log.warning("gateway.embedded", note="for development and tests; run Centrifugo in production")
    if on_ready is not None:
        on_ready(listening)


async def _first(ready: Coroutine[Any, Any, Any], task: asyncio.Task[None]) -> None:
    """Wait until a server is ready; if it ends before, raise what ended it."""
    waiting = asyncio.ensure_future(ready)
    await asyncio.wait({waiting, task}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if task.done():
        task.result()


class _Server(uvicorn.Server):
    """uvicorn's server, without its signal handlers: whoever runs the gateway decides."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_listening = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.is_listening.set()


def _listen_all(configuration: GatewayConfiguration, stack: AsyncExitStack) -> list[socket.socket]:
    """Bind the clients' port and, where it has one of its own, the operators'."""
    http = configuration.http_server
    internal_port = int(http.internal_port or http.port)
    addresses = [(http.address, http.port)]
    if internal_port != http.port or http.internal_address not in ("", http.address):
        addresses.append((http.internal_address, internal_port))
    sockets = []
    for address, port in addresses:
        sock = _listen(address, port)
        stack.callback(sock.close)
        sockets.append(sock)
    return sockets


def _listen(address: str, port: int) -> socket.socket:
    """Bind a port; an empty address means all."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((address, port))
    except OSError as error:
        sock.close()
        raise PortInUseError(
            f"the gateway cannot listen on {address or '*'}:{port} ({error.strerror}); stop what "
            "listens there, or set another http_server.port"
        ) from None
    return sock


def _servers(engine: Engine, sockets: list[socket.socket]) -> list[_Server]:
    """Make a server for each socket: the first is the clients', the last the operators'."""
    factory = partial(WebSocket, admission=ConfiguredAdmission(engine))
    servers = []
    for index in range(len(sockets)):
        application = _application(
            engine, is_external=index == 0, is_internal=index == len(sockets) - 1
        )
        config = uvicorn.Config(
            application,
            http="httptools",
            ws=cast("Any", factory),
            lifespan="off",
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=int(engine.configuration.shutdown.timeout_seconds),
        )
        servers.append(_Server(config))
    return servers


def _application(engine: Engine, *, is_internal: bool, is_external: bool) -> Starlette:
    configuration = engine.configuration
    routes = []
    if is_external:
        prefix = configuration.websocket.handler_prefix
        routes.append(Route(prefix, _not_an_upgrade, methods=["GET"]))
    if is_internal and configuration.health.enabled:
        path = configuration.health.handler_prefix
        routes.append(Route(path, _health, methods=["GET", "HEAD", "POST"]))
    api = configuration.http_api
    if not api.disabled and (is_internal or api.external):
        path = f"{api.handler_prefix.rstrip('/')}/{{method}}"
        routes.append(Route(path, ServerApi(engine).handle, methods=["POST"]))
    return Starlette(routes=routes)


async def _health(request: Request) -> Response:  # noqa: ARG001 - Starlette's signature
    return Response(b"{}", media_type="application/json")


async def _not_an_upgrade(request: Request) -> Response:  # noqa: ARG001 - Starlette's signature
    return Response("Bad Request\n", status_code=400, media_type="text/plain")
