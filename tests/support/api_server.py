"""A stand-in for Centrifugo's server API: answers as the test says and remembers the calls."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, Self

#: Given method and body, returns status and reply.
Answer = Callable[[str, dict[str, Any]], tuple[int, Any]]


def accept(_method: str, _body: dict[str, Any]) -> tuple[int, Any]:
    """Answer as if all went well."""
    return 200, {"result": {}}


class ApiServer:
    """HTTP/1.1 on a free loopback port. An async context manager."""

    def __init__(self, answer: Answer = accept) -> None:
        self.answer = answer
        self.calls: list[tuple[str, dict[str, Any], dict[str, str]]] = []
        self.url = ""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}/api"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                method = line.decode().split()[1].rpartition("/")[2]
                headers: dict[str, str] = {}
                while (header := (await reader.readline()).decode().strip()) != "":
                    name, _, value = header.partition(": ")
                    headers[name.lower()] = value
                body = json.loads(await reader.readexactly(int(headers["content-length"])))
                self.calls.append((method, body, headers))
                status, reply = self.answer(method, body)
                content = reply if isinstance(reply, bytes) else json.dumps(reply).encode()
                writer.write(
                    f"HTTP/1.1 {status} X\r\nContent-Length: {len(content)}\r\n\r\n".encode()
                    + content
                )
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
