"""One connection to the gateway: commands and their replies, pushes, pings.

Centrifugo's client protocol, version 2, in JSON: every text frame holds objects, one a line. A
command has an id and its method's name as a field; its reply has the same id. An empty object is a
ping and is answered with one.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI

from realtime_message.errors import RealtimeMessageError

_PING = b"{}"
_INTERNAL = 100
_TOKEN_EXPIRED = 109
# The gateway says no more than that something failed, and nearly always it is this.
_INTERNAL_HINT = "; the callback service does not answer the gateway: rtm doctor says more"
_TOO_LARGE = 1009
_MAX_SHOWN_CHARACTERS = 80

#: A push of the protocol: `channel` and one of `pub`, `join`, `leave`, `unsubscribe`, …
OnPush = Callable[[dict[str, Any]], None]


class GatewayUnreachableError(RealtimeMessageError):
    """The gateway cannot be reached, or the connection is lost: trying again may help."""


class GatewayClosedError(RealtimeMessageError):
    """The gateway closed the connection for good: trying again the same way will not help."""


class CommandRefusedError(RealtimeMessageError):
    """The gateway, or the callback service behind it, answered a command with an error.

    Args:
        what: the command, in words.
        error: of the reply: `code`, `message`, `temporary`.

    Attributes:
        reason: the gateway's words and code, with what to do about it.
        is_temporary: whether the same command may be answered otherwise later.
    """

    def __init__(self, what: str, error: dict[str, Any]) -> None:
        self.code = int(error.get("code", 0))
        self.is_temporary = bool(error.get("temporary", False))
        self.reason = f"{error.get('message', '')} (code {self.code})"
        if self.code == _INTERNAL:
            self.reason += _INTERNAL_HINT
        super().__init__(f"{what} was refused: {self.reason}")


class GatewayConnection:
    """A connection; made by `open_connection`.

    Args:
        socket: the open WebSocket.
        on_push: called with each push, in order; None ignores them.
        timeout_seconds: for each reply.
    """

    def __init__(
        self, socket: ClientConnection, on_push: OnPush | None, timeout_seconds: float
    ) -> None:
        self._socket = socket
        self._on_push = on_push
        self._timeout_seconds = timeout_seconds
        self._next_id = 1
        self._replies: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._reading = asyncio.create_task(self._read(), name="gateway connection")

    async def call(self, method: str, parameters: dict[str, Any], what: str = "") -> Any:
        """Send a command and return its result.

        Args:
            method: as the protocol names it.
            parameters: of the method.
            what: the command in words, for the error; the method by default.

        Raises:
            CommandRefusedError: the reply is an error.
            GatewayUnreachableError: no reply in time, or the connection is lost; whether the
                command was done is unknown.
            GatewayClosedError: the gateway closed the connection for good.
        """
        id_ = self._next_id
        self._next_id += 1
        reply: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._replies[id_] = reply
        try:
            if self._reading.done():
                self._reading.result()
            await self._socket.send(msgspec.json.encode({"id": id_, method: parameters}).decode())
            async with asyncio.timeout(self._timeout_seconds):
                answer = await reply
        except TimeoutError:
            raise GatewayUnreachableError(
                f"the gateway did not answer within {self._timeout_seconds:g} s"
            ) from None
        except ConnectionClosed as closed:
            raise _ended(closed) from None
        finally:
            self._replies.pop(id_, None)
        if "error" in answer:
            raise CommandRefusedError(what or method, answer["error"])
        return answer.get(method, {})

    async def wait_closed(self) -> None:
        """Wait until the connection ends, and raise why.

        Raises:
            GatewayUnreachableError: it was lost, or the gateway asks to come back.
            GatewayClosedError: the gateway closed it for good.
        """
        await asyncio.shield(self._reading)

    async def close(self) -> None:
        """End the connection."""
        self._reading.cancel()
        with contextlib.suppress(asyncio.CancelledError, RealtimeMessageError):
            await self._reading
        await self._socket.close()

    async def _read(self) -> None:
        failure: RealtimeMessageError
        try:
            while True:
                frame = await self._socket.recv(decode=False)
                for line in frame.splitlines():
                    await self._take(line)
        except ConnectionClosed as closed:
            failure = _ended(closed)
        except (msgspec.DecodeError, AttributeError):
            failure = GatewayClosedError("what answers there is no Centrifugo: it sent no JSON")
        for reply in self._replies.values():
            if not reply.done():
                reply.set_exception(failure)
        raise failure

    async def _take(self, line: bytes) -> None:
        if line == _PING:
            await self._socket.send("{}")
            return
        message: dict[str, Any] = msgspec.json.decode(line)
        reply = self._replies.get(message.get("id", 0))
        if reply is not None and not reply.done():
            reply.set_result(message)
        elif self._on_push is not None and "push" in message:
            self._on_push(message["push"])


async def open_connection(
    url: str, token: str, *, on_push: OnPush | None = None, timeout_seconds: float = 5.0
) -> GatewayConnection:
    """Connect to the gateway.

    Args:
        url: such as ws://localhost:8000/connection/websocket.
        token: the user's connection token.
        on_push: called with each push, in order; None ignores them.
        timeout_seconds: for the connection, and for each reply.

    Raises:
        GatewayUnreachableError: nothing answers there, or not in time.
        GatewayClosedError: the gateway refuses this client for good.
    """
    try:
        async with asyncio.timeout(timeout_seconds):
            socket = await connect(url, open_timeout=None, ping_interval=None, proxy=None)
    except InvalidURI as error:
        raise GatewayClosedError(f"{url} is no WebSocket address: {error}") from None
    except InvalidHandshake as error:
        raise GatewayUnreachableError(f"{url} does not speak WebSocket: {error}") from None
    except TimeoutError:
        raise GatewayUnreachableError(f"{url}: no answer within {timeout_seconds:g} s") from None
    except OSError as error:
        raise GatewayUnreachableError(
            f"no gateway listens at {url} ({error.strerror or error}); is `rtm up` or Centrifugo "
            "running?"
        ) from None
    connection = GatewayConnection(socket, on_push, timeout_seconds)
    try:
        await connection.call("connect", {"token": token, "name": "rtm"}, "the connection")
    except CommandRefusedError as error:
        await connection.close()
        if error.is_temporary:
            raise GatewayUnreachableError(str(error)) from None
        hint = ": make a new token" if error.code == _TOKEN_EXPIRED else ""
        raise GatewayClosedError(f"{error}{hint}") from None
    except BaseException:
        await connection.close()
        raise
    return connection


def short(channel: str) -> str:
    """Return a channel's name as a message may show it."""
    return channel if len(channel) <= _MAX_SHOWN_CHARACTERS else f"{channel[:40]}…"


def _ended(closed: ConnectionClosed) -> RealtimeMessageError:
    """Return what a close frame means: 3500-3999 and 4500-4999 are for good."""
    if closed.rcvd is None:
        return GatewayUnreachableError("the connection to the gateway is lost")
    code, reason = closed.rcvd.code, closed.rcvd.reason or "no reason given"
    if code == _TOO_LARGE and closed.rcvd_then_sent:
        return GatewayClosedError(
            "the message is larger than the gateway takes (websocket.message_size_limit of its "
            f"configuration, 65536 bytes by default; code {code})"
        )
    if 3500 <= code < 4000 or 4500 <= code < 5000 or code == _TOO_LARGE:  # noqa: PLR2004 - as above
        return GatewayClosedError(f"the gateway closed the connection: {reason} (code {code})")
    return GatewayUnreachableError(f"the gateway ended the connection: {reason} (code {code})")
