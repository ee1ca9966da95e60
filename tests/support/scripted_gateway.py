"""A gateway whose every answer a test decides."""

from __future__ import annotations

import json
import queue
import threading
import time
from types import TracebackType
from typing import Any, Self

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import Server, ServerConnection, serve

DEADLINE_SECONDS = 10.0


class ScriptedGateway:
    """A WebSocket server that leaves each connection to the test. A context manager.

    Attributes:
        port: where it listens on 127.0.0.1.
    """

    def __init__(self) -> None:
        self._connections: queue.Queue[ServerConnection] = queue.Queue()
        self._is_over = threading.Event()
        self._server: Server = serve(self._keep, "127.0.0.1", 0)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self.port: int = self._server.socket.getsockname()[1]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._is_over.set()
        self._server.shutdown()
        self._thread.join()

    def accept(self) -> ScriptedConnection:
        """Wait for the next connection."""
        return ScriptedConnection(self._connections.get(timeout=DEADLINE_SECONDS))

    def nobody_comes(self, for_seconds: float) -> bool:
        """Whether no client connects for a time."""
        try:
            self._connections.get(timeout=for_seconds)
        except queue.Empty:
            return True
        return False

    def _keep(self, connection: ServerConnection) -> None:
        self._connections.put(connection)
        self._is_over.wait()  # returning would close it


class ScriptedConnection:
    """One client's connection."""

    def __init__(self, connection: ServerConnection) -> None:
        self._connection = connection
        self._lines: list[str] = []

    def greet(self, **extra: Any) -> dict[str, Any]:
        """Answer the connect command; gives it."""
        command = self.expect("connect")
        greeting = {"client": "c1", "version": "test", "ping": 25, "pong": True, **extra}
        self.reply(command, {"connect": greeting})
        return command

    def expect(self, method: str) -> dict[str, Any]:
        """Wait for the next command and check which one it is; gives it."""
        command = self.next()
        assert method in command, command
        return command

    def next(self, within_seconds: float = DEADLINE_SECONDS) -> dict[str, Any]:
        """Wait for the next command or pong.

        Raises:
            TimeoutError: the client said nothing.
        """
        if not self._lines:
            frame = self._connection.recv(timeout=within_seconds)
            self._lines = str(frame).split("\n")
        command: dict[str, Any] = json.loads(self._lines.pop(0))
        return command

    def is_silent(self, for_seconds: float) -> bool:
        """Whether the client says nothing for a time."""
        try:
            self.next(for_seconds)
        except TimeoutError:
            return True
        return False

    def reply(self, command: dict[str, Any], answer: dict[str, Any]) -> None:
        """Answer a command."""
        self.send({"id": command["id"], **answer})

    def refuse(self, command: dict[str, Any], code: int, message: str, **extra: Any) -> None:
        """Answer a command with an error."""
        self.reply(command, {"error": {"code": code, "message": message, **extra}})

    def send(self, *messages: dict[str, Any]) -> None:
        """Send messages in one frame."""
        self.send_text("\n".join(json.dumps(message) for message in messages))

    def send_text(self, text: str) -> None:
        """Send a frame as it is."""
        self._connection.send(text)

    def close(self, code: int, reason: str = "") -> None:
        """Close the connection."""
        self._connection.close(code, reason)

    def is_left(self) -> bool:
        """Whether the client closes the connection within the deadline."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        try:
            while time.monotonic() < deadline:
                self._connection.recv(timeout=DEADLINE_SECONDS)
        except ConnectionClosed:
            return True
        except TimeoutError:
            pass
        return False
