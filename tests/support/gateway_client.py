"""A client that speaks the protocol in raw frames, so that tests see every byte."""

from __future__ import annotations

import asyncio
import json
import uuid
from typing import Any

import websockets.asyncio.client
from websockets.exceptions import ConnectionClosed

DEADLINE_SECONDS = 10.0


class Closed(Exception):  # noqa: N818 - an event that tests wait for
    """The connection ended; code and reason of the close frame, 1006 without one."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"closed with {code} {reason!r}")
        self.code = code
        self.reason = reason


class RawClient:
    """One WebSocket; lines are read one by one, whatever frames they came in."""

    def __init__(self, socket: websockets.asyncio.client.ClientConnection) -> None:
        self.socket = socket
        self.id = ""
        self.connected: dict[str, Any] = {}
        self._lines: list[str] = []
        self._last_id = 0

    @classmethod
    async def open(cls, url: str, **options: Any) -> RawClient:
        """Open a WebSocket and send nothing."""
        socket = await websockets.asyncio.client.connect(
            url, compression=None, ping_interval=None, close_timeout=1, max_size=None, **options
        )
        return cls(socket)

    @classmethod
    async def connect(
        cls, url: str, *, options: dict[str, Any] | None = None, **command: Any
    ) -> RawClient:
        """Open a WebSocket and connect; the reply is in `connected`."""
        client = await cls.open(url, **(options or {}))
        reply = await client.request("connect", **command)
        assert "connect" in reply, reply
        client.connected = reply["connect"]
        client.id = client.connected["client"]
        return client

    async def send(self, *commands: Any) -> None:
        """Send one frame: texts and bytes as they are, anything else as JSON."""
        if len(commands) == 1 and isinstance(commands[0], bytes):
            await self.socket.send(commands[0])
            return
        lines = [one if isinstance(one, str) else json.dumps(one) for one in commands]
        await self.socket.send("\n".join(lines))

    async def request(self, method: str, /, **fields: Any) -> dict[str, Any]:
        """Send a command and return its reply; pushes before it are kept for `next`."""
        self._last_id += 1
        await self.send({"id": self._last_id, method: fields})
        return await self.reply(self._last_id)

    async def reply(self, command_id: int) -> dict[str, Any]:
        """Return the reply to a command; other lines stay in their order."""
        passed: list[str] = []
        while True:
            line = await self.next_line()
            decoded = json.loads(line)
            if decoded.get("id") == command_id:
                self._lines[:0] = passed
                return decoded
            passed.append(line)

    async def next(self) -> Any:
        """Return the next line, decoded."""
        return json.loads(await self.next_line())

    async def push(self, kind: str) -> dict[str, Any]:
        """Return the next push of a kind (`pub`, `join`, …); lines before it are dropped."""
        while True:
            line = await self.next()
            if kind in line.get("push", {}):
                return line["push"]

    async def next_line(self) -> str:
        """Return the next line.

        Raises:
            Closed: the connection ended instead.
        """
        while not self._lines:
            try:
                async with asyncio.timeout(DEADLINE_SECONDS):
                    frame = await self.socket.recv()
            except ConnectionClosed as error:
                received = error.rcvd
                code, reason = (received.code, received.reason) if received else (1006, "")
                raise Closed(code, reason) from None
            text = frame if isinstance(frame, str) else frame.decode()
            self._lines = text.split("\n")
        return self._lines.pop(0)

    async def closed(self) -> tuple[int, str]:
        """Wait for the end, dropping lines before it; return code and reason."""
        while True:
            try:
                await self.next_line()
            except Closed as closed:
                return closed.code, closed.reason

    async def close(self) -> None:
        """Leave."""
        await self.socket.close()


def unique(name: str = "ch") -> str:
    """Return a channel name that no other test uses."""
    return f"{name}-{uuid.uuid4().hex[:12]}"
