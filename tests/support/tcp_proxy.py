"""A loopback proxy that stands between a client and a server, and can cut, hold and delay."""

from __future__ import annotations

import asyncio
from typing import Self
from urllib.parse import urlsplit, urlunsplit


class TcpProxy:
    """Forwards bytes to a port until it is told to do harm. An asynchronous context manager.

    Attributes:
        delay_seconds: how long each piece is held in either direction.
        connections: how many were accepted so far.
    """

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._swallowed: asyncio.Event | None = None
        self._marker = b""
        self.delay_seconds = 0.0
        self.connections = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def port(self) -> int:
        """Where the proxy listens."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    def url_of(self, url: str) -> str:
        """Return a URL of the target with the proxy's port instead."""
        parts = urlsplit(url)
        netloc = parts.netloc.replace(str(parts.port), str(self.port))
        return urlunsplit(parts._replace(netloc=netloc))

    def cut(self) -> None:
        """Close every connection now; new ones are served."""
        for writer in self._writers:
            writer.transport.abort()

    def swallow_reply_to(self, marker: bytes) -> asyncio.Event:
        """Let the next request that contains `marker` reach the server, then cut all connections
        instead of handing out the reply.

        Returns:
            An event that is set when the server's reply has come and was thrown away.
        """
        self._marker = marker
        self._swallowed = asyncio.Event()
        return self._swallowed

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            there, away = await asyncio.open_connection("127.0.0.1", self._target_port)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, away}
        state = {"is_doomed": False}
        try:
            await asyncio.gather(
                self._forward(reader, away, state), self._return(there, writer, state)
            )
        finally:
            for end in (writer, away):
                end.transport.abort()
                self._writers.discard(end)

    async def _forward(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, state: dict[str, bool]
    ) -> None:
        try:
            while data := await reader.read(65536):
                if self._marker and self._marker in data:
                    self._marker = b""
                    state["is_doomed"] = True
                await asyncio.sleep(self.delay_seconds)
                writer.write(data)
        except OSError:
            pass
        writer.close()

    async def _return(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, state: dict[str, bool]
    ) -> None:
        try:
            while data := await reader.read(65536):
                if state["is_doomed"]:
                    self.cut()
                    assert self._swallowed is not None
                    self._swallowed.set()
                    return
                await asyncio.sleep(self.delay_seconds)
                writer.write(data)
        except OSError:
            pass
        writer.close()
