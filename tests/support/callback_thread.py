"""The callback service in a thread with an event loop of its own, over a memory appender."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Callable
from typing import Any, Self, TypeVar

import uvloop

from realtime_message import App
from realtime_message.callback.hot_queue import HOT_TARGET
from realtime_message.callback.serving import Appender, Serving, serve_callback
from realtime_message.centrifugo.events import EventKind
from realtime_message.settings import CallbackSettings, Settings, TelemetrySettings
from realtime_message.testing.memory.appender import MemoryAppender

T = TypeVar("T")

TOKEN_SECRET = "a-secret-of-enough-characters-for-hmac"
TIMEOUT_SECONDS = 20.0


class CallbackThread:
    """A service that serves while the `with` block runs.

    Args:
        app: the hooks.
        is_hot: whether publish is answered below ASGI; else by the ASGI application.
        has_uvloop: whether the event loop is uvloop's; else asyncio's own.
        appender: where messages go; a MemoryAppender by default.
        has_tracing: whether publishes are spans.
        settings: of the callback service; host and port are set here.
    """

    def __init__(
        self,
        app: App | None = None,
        *,
        is_hot: bool = True,
        has_uvloop: bool = True,
        appender: Appender | None = None,
        has_tracing: bool = False,
        **settings: Any,
    ) -> None:
        self.appender: Any = appender or MemoryAppender()
        chosen: dict[str, Any] = {"token_secret": TOKEN_SECRET, "port": 0, **settings}
        self._settings = Settings(
            callback=CallbackSettings(**chosen), telemetry=TelemetrySettings(tracing=has_tracing)
        )
        self._app = app or App()
        self._hot_target = HOT_TARGET if is_hot else b"no target is empty"
        self._factory = uvloop.new_event_loop if has_uvloop else asyncio.new_event_loop
        self._is_up = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="callback", daemon=True)
        self.loop: asyncio.AbstractEventLoop
        self._stop: asyncio.Event
        self.serving: Serving

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._is_up.wait(TIMEOUT_SECONDS)
        if self._failure is not None:
            raise self._failure
        return self

    def __exit__(self, *_: object) -> None:
        self.begin_stop()
        self.wait_stopped()

    @property
    def port(self) -> int:
        """Where it listens on 127.0.0.1."""
        return int(self.serving.url.rpartition(":")[2])

    def connect(self) -> Wire:
        """Return a new connection."""
        return Wire(self.port)

    def run(self, function: Callable[[], T]) -> T:
        """Run a function in the service's event loop and return its result."""

        async def call() -> T:
            return function()

        future = asyncio.run_coroutine_threadsafe(call(), self.loop)
        return future.result(TIMEOUT_SECONDS)

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Wait until a condition holds, asked in the service's event loop."""

        async def wait() -> None:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                while not condition():  # noqa: ASYNC110 - a condition of any kind
                    await asyncio.sleep(0.002)

        asyncio.run_coroutine_threadsafe(wait(), self.loop).result(TIMEOUT_SECONDS + 5)

    def outcomes(self, event: EventKind = EventKind.publish) -> dict[str, int]:
        """What became of the events, without what never happened."""
        return {name: n for name, n in self.serving.metrics.outcomes(event).items() if n}

    def begin_stop(self) -> None:
        """Begin to drain."""
        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self._stop.set)

    def wait_stopped(self) -> None:
        """Wait until the service is gone."""
        self._thread.join(TIMEOUT_SECONDS)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=self._factory) as runner:
            self.loop = runner.get_loop()
            try:
                runner.run(self._serve())
            except BaseException as error:
                if self._is_up.is_set():
                    raise
                self._failure = error
                self._is_up.set()

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        async with serve_callback(
            self._settings, self._app, appender=self.appender, hot_target=self._hot_target
        ) as self.serving:
            self._is_up.set()
            await self._stop.wait()


class Wire:
    """One HTTP/1.1 connection, byte by byte."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_SECONDS)
        self._arrived = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        """Send bytes."""
        self.socket.sendall(data)

    def post(
        self, body: bytes, path: str = "/centrifugo/publish", headers: dict[str, str] | None = None
    ) -> None:
        """Send a request in the form in which Centrifugo sends it."""
        self.send(request(body, path, headers))

    def answer(self) -> Answer:
        """Read one answer.

        Raises:
            EOFError: the connection was closed before it was whole.
        """
        while b"\r\n\r\n" not in self._arrived:
            self._read()
        head, _, self._arrived = self._arrived.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        headers = {n.lower(): v.strip() for n, _, v in (line.partition(":") for line in lines[1:])}
        status = int(lines[0].split(" ")[1])
        length = int(headers.get("content-length", 0))
        while len(self._arrived) < length:
            self._read()
        body, self._arrived = self._arrived[:length], self._arrived[length:]
        return Answer(status, headers, body)

    def call(self, body: bytes, path: str = "/centrifugo/publish", **headers: str) -> Answer:
        """Send one request and read its answer."""
        self.post(body, path, headers)
        return self.answer()

    def is_closed(self) -> bool:
        """Wait for the other side to close; False if it sends something instead."""
        try:
            return not self._arrived and self.socket.recv(1) == b""
        except ConnectionResetError:
            return True

    def _read(self) -> None:
        data = self.socket.recv(65536)
        if not data:
            raise EOFError(f"closed after {self._arrived!r}")
        self._arrived += data


class Answer:
    """An HTTP answer."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    def __repr__(self) -> str:
        return f"Answer({self.status}, {self.headers}, {self.body!r})"

    @property
    def json(self) -> Any:
        """The decoded body."""
        return json.loads(self.body)

    @property
    def closes(self) -> bool:
        """Whether it says that the connection closes."""
        return self.headers.get("connection", "").lower() == "close"

    @property
    def error_code(self) -> int:
        """The code of the error in a reply."""
        return int(self.json["error"]["code"])


def request(
    body: bytes, path: str = "/centrifugo/publish", headers: dict[str, str] | None = None
) -> bytes:
    """Return a POST request as Centrifugo writes it."""
    lines = {
        "Host": "127.0.0.1:3000",
        "User-Agent": "Go-http-client/1.1",
        "Content-Length": str(len(body)),
        "Content-Type": "application/json",
        **(headers or {}),
        "Accept-Encoding": "gzip",
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + body
