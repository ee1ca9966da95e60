"""A gateway that answers as a test says: enough of the client protocol to be broken on purpose."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.server import ServerConnection, serve

#: Takes a command, such as {"id": 1, "publish": {…}}, and returns what to send for it.
Answer = Callable[["FakeGateway", dict[str, Any]], Awaitable[list[dict[str, Any]]]]


class FakeGateway:
    """What a test sees of the gateway it runs.

    Attributes:
        url: where it listens.
        commands: every command it got.
        connections: the open ones, to be closed by a test.
    """

    def __init__(self, answer: Answer) -> None:
        self.url = ""
        self.commands: list[dict[str, Any]] = []
        self.connections: list[ServerConnection] = []
        self._answer = answer

    async def talk(self, connection: ServerConnection) -> None:
        self.connections.append(connection)
        async for frame in connection:
            for line in str(frame).splitlines():
                command = json.loads(line)
                self.commands.append(command)
                replies = await self._answer(self, command)
                if replies:
                    await connection.send("\n".join(json.dumps(reply) for reply in replies))

    def sent(self, method: str) -> list[dict[str, Any]]:
        """The parameters of every command of a method."""
        return [command[method] for command in self.commands if method in command]


@asynccontextmanager
async def fake_gateway(answer: Answer) -> AsyncIterator[FakeGateway]:
    """Run a gateway on a free loopback port."""
    gateway = FakeGateway(answer)
    async with serve(gateway.talk, "127.0.0.1", 0) as server:
        gateway.url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/connection/websocket"
        yield gateway


def reply_to(command: dict[str, Any], **results: Any) -> dict[str, Any]:
    """Return the usual reply: success, with the given results by method."""
    (method,) = [key for key in command if key != "id"]
    return {"id": command["id"], method: results.get(method, {})}
