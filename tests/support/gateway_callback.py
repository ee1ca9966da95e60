"""A callback service whose every answer a test decides, also the broken ones.

It runs in a thread of its own, so that a test may use it from any event loop.
"""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import uvloop

DEADLINE_SECONDS = 10.0


@dataclass
class Call:
    """One request: its method, path without the prefix, headers in order, and body."""

    method: str
    event: str
    headers: list[tuple[str, str]]
    body: bytes
    peer_port: int

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def header(self, name: str) -> str | None:
        return next((v for n, v in self.headers if n.lower() == name.lower()), None)


@dataclass
class Answer:
    """One answer.

    Attributes:
        body: JSON, or the bytes themselves.
        status: the HTTP status.
        headers: further headers.
        delay_seconds: how long it takes.
        ending: `answer`, or what happens instead: the connection is closed or reset without one, or
            in the middle of the body.
    """

    body: Any = field(default_factory=dict)
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    delay_seconds: float = 0.0
    ending: Literal["answer", "close", "reset", "cut"] = "answer"

    @property
    def content(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


Script = Answer | list[Answer] | Callable[[Call], Answer]


class BackgroundLoop:
    """An event loop in a thread; uvloop's, as the gateway's command runs on it."""

    def __init__(self) -> None:
        self.loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, work: Any) -> Any:
        """Run a coroutine there and return its result."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(DEADLINE_SECONDS)

    def close(self) -> None:
        self.run(self._cancel_all())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(DEADLINE_SECONDS)
        self.loop.close()

    async def _cancel_all(self) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class ScriptedCallback:
    """The callback service.

    Attributes:
        scripts: what is answered, by proxy event; an event that is not there is permitted.

    Args:
        background: where it runs.
        tls: its certificate; None for plain HTTP.
    """

    def __init__(self, background: BackgroundLoop, tls: ssl.SSLContext | None = None) -> None:
        self.scripts: dict[str, Script] = {}
        self._calls: list[Call] = []
        self._open: set[asyncio.StreamWriter] = set()
        self._background = background
        starting = asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=tls)
        self._server = background.run(starting)
        self.port = self._server.sockets[0].getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"

    def reset(self) -> None:
        """Forget scripts and calls."""
        self.scripts = {"connect": Answer({"result": {"user": "56"}})}
        self._calls = []

    def calls(self, event: str) -> list[Call]:
        """Return the requests of one proxy event so far."""
        return [call for call in list(self._calls) if call.event == event]

    async def wait_for(self, event: str, count: int = 1) -> list[Call]:
        """Wait until an event was called so often."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while len(self.calls(event)) < count:
            assert time.monotonic() < deadline, f"{event} was not called {count} times"
            await asyncio.sleep(0.005)
        return self.calls(event)

    @contextmanager
    def refusing_connections(self) -> Iterator[None]:
        """Listen no more, for a while; connections that are kept alive are closed."""
        self._background.run(self._stop())
        try:
            yield
        finally:
            starting = asyncio.start_server(self._serve, "127.0.0.1", self.port)
            self._server = self._background.run(starting)

    def close(self) -> None:
        self._background.run(self._stop())

    async def _stop(self) -> None:
        self._server.close()
        for writer in list(self._open):
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            while True:
                call = await _read_call(reader, writer)
                self._calls.append(call)
                await self._reply(writer, self._answer_to(call))
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._open.discard(writer)
            writer.close()

    def _answer_to(self, call: Call) -> Answer:
        script = self.scripts.get(call.event, Answer())
        if callable(script):
            return script(call)
        if isinstance(script, list):
            return script.pop(0) if len(script) > 1 else script[0]
        return script

    async def _reply(self, writer: asyncio.StreamWriter, answer: Answer) -> None:
        if answer.delay_seconds:
            await asyncio.sleep(answer.delay_seconds)
        if answer.ending == "reset":
            # SO_LINGER 0: closing sends RST in place of FIN.
            sock = writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if answer.ending in ("reset", "close"):
            raise ConnectionResetError
        lines = [f"HTTP/1.1 {answer.status} Scripted", f"Content-Length: {len(answer.content)}"]
        lines += [f"{name}: {value}" for name, value in answer.headers.items()]
        content = answer.content[:-1] if answer.ending == "cut" else answer.content
        if answer.status in (204, 304):
            content = b""
            lines.pop(1)
        writer.write("\r\n".join([*lines, "", ""]).encode() + content)
        await writer.drain()
        if answer.ending == "cut":
            raise ConnectionResetError


async def _read_call(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Call:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, path, _ = head[0].split(" ")
    headers = [(n, v.strip()) for n, _, v in (line.partition(":") for line in head[1:] if line)]
    length = next((int(v) for n, v in headers if n.lower() == "content-length"), 0)
    body = await reader.readexactly(length)
    event = path.rpartition("/")[2]
    return Call(method, event, headers, body, writer.get_extra_info("peername")[1])
