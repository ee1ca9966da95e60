"""The console as a process: it listens, looks, says when it is ready, and ends at once."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable, Iterator
from typing import Any

import uvicorn
from starlette.applications import Starlette

from realtime_message.console.application import create_console_app
from realtime_message.console.letter_reader import LetterReader
from realtime_message.console.overview import OverviewTaker
from realtime_message.console.overview_keeper import OverviewKeeper
from realtime_message.console.remark import Review
from realtime_message.errors import EXIT_INTERRUPTED, PortInUseError
from realtime_message.settings import Settings
from realtime_message.settings.load import reachable
from realtime_message.streams import Streams

#: The first page should show something, but not wait for a Redis that is away.
_FIRST_LOOK_SECONDS = 2.0
_END_SECONDS = 1


def run_console(settings: Settings, review: Review, on_ready: Callable[[str], None]) -> int:
    """Serve the console until SIGTERM or SIGINT.

    Args:
        settings: where to listen, and where Redis is.
        review: says what needs attention in an overview.
        on_ready: called with the address of the first page once it is served.

    Returns:
        the exit code: 0 after SIGTERM, 130 after SIGINT.

    Raises:
        PortInUseError: it cannot listen there; the text says why and what to do.
    """
    with _listen(settings.console.host, settings.console.port) as listener:
        received = asyncio.run(_serve(settings, review, listener, on_ready))
    return EXIT_INTERRUPTED if received == signal.SIGINT else 0


async def _serve(
    settings: Settings,
    review: Review,
    listener: socket.socket,
    on_ready: Callable[[str], None],
) -> int:
    """Serve until a signal comes; return its number."""
    signalled = _first_signal()
    streams, letter_streams = Streams(settings.redis), Streams(settings.redis)
    keeper = OverviewKeeper(OverviewTaker(streams).take, streams.where)
    app = create_console_app(keeper, LetterReader(letter_streams), review, settings, streams.where)
    server = _Server(app)
    has_looked = asyncio.Event()
    looking = asyncio.create_task(
        keeper.keep_looking(settings.console.refresh_seconds, lambda _: has_looked.set())
    )
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    announcing = asyncio.create_task(
        _announce(server, has_looked, lambda: on_ready(_url(settings.console.host, listener)))
    )
    try:
        work: set[asyncio.Future[Any]] = {signalled, looking, serving}
        await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
        for task in (looking, serving):
            if task.done():
                task.result()  # a fault of ours must not go unseen
        return await signalled
    finally:
        server.should_exit = True
        announcing.cancel()
        looking.cancel()
        await asyncio.gather(announcing, looking, serving, return_exceptions=True)
        await streams.close()
        await letter_streams.close()


def _first_signal() -> asyncio.Future[int]:
    """Return what gets the number of the first signal that ends the console."""
    loop = asyncio.get_running_loop()
    signalled: asyncio.Future[int] = loop.create_future()

    def on_signal(number: int) -> None:
        if not signalled.done():
            signalled.set_result(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)
    return signalled


async def _announce(server: _Server, has_looked: asyncio.Event, say: Callable[[], None]) -> None:
    """Say that the console is there, with a first page that shows something if Redis answers."""
    await server.is_listening.wait()
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(has_looked.wait(), _FIRST_LOOK_SECONDS)
    say()


class _Server(uvicorn.Server):
    """uvicorn's server, without its signal handlers: it would end by the signal itself."""

    def __init__(self, app: Starlette) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=_END_SECONDS,
            )
        )
        self.is_listening = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.is_listening.set()


def _url(host: str, listener: socket.socket) -> str:
    return f"http://{reachable(host)}:{listener.getsockname()[1]}/"


def _listen(host: str, port: int) -> socket.socket:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        # Of a name with several addresses, such as localhost, browsers try IPv4 too.
        family, *_, address = min(found, key=lambda one: one[0] != socket.AF_INET)
        listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        raise PortInUseError(
            f"the console cannot listen on {host} port {port} ({error.strerror}): end the program "
            "that does, or choose another with --host and --port"
        ) from None
    return listener
