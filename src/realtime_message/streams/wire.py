"""One open connection, driven by callbacks: bytes out, replies in, in order.

redis-py opens the connection (TLS, AUTH, SELECT); then its transport speaks to this protocol
instead, because a Task, a Future and a time-out for each reply cost several times the command
itself. Error replies arrive as exceptions of ours in the place of the reply.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, cast

import hiredis
from redis.asyncio.connection import AbstractConnection

from realtime_message.errors import StreamsUnavailableError
from realtime_message.redis_url import Address
from realtime_message.streams.server_errors import from_reply

#: A command with its arguments.
Command = Sequence[str | bytes | int]

#: Called once for each `send`: with all replies and None, or, when the connection is lost, with
#: those that had arrived and the reason.
OnReplies = Callable[[list[Any], StreamsUnavailableError | None], None]

_NOT_READY = object()


def pack(command: Command) -> bytes:
    """Return a command in Redis' protocol."""
    return cast("bytes", hiredis.pack_command(tuple(command)))  # type: ignore[arg-type]


def information_fields(reply: bytes) -> dict[str, str]:
    """Return what INFO answered, by field."""
    lines = reply.decode(errors="replace").splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line)


def pair_up(flat: Sequence[Any]) -> dict[Any, Any]:
    """Return what was answered as names and values in turn."""
    return dict(zip(flat[::2], flat[1::2], strict=True))


class _Exchange:
    """Commands under way: how many replies are due, and who waits for them."""

    __slots__ = ("expected", "on_replies", "replies")

    def __init__(self, expected: int, on_replies: OnReplies) -> None:
        self.expected = expected
        self.on_replies = on_replies
        self.replies: list[Any] = []


class Wire(asyncio.Protocol):
    """A connection that is open until it is lost, dropped or closed.

    Args:
        connection: a connected redis-py connection; it must not be used for anything else.
        where: the server, without its password, for error texts.
        address: where it listens.
    """

    def __init__(self, connection: AbstractConnection, where: str, address: Address) -> None:
        self.where = where
        self.address = address
        #: Called when the connection ends for any reason but `close`.
        self.on_lost: Callable[[], None] | None = None
        self._loop = asyncio.get_running_loop()
        self._reader = hiredis.Reader(replyError=from_reply, notEnoughData=_NOT_READY)
        self._exchanges: deque[_Exchange] = deque()
        # Kept: its stream writer would close the transport if it were collected.
        self._connection = connection
        writer = connection._writer  # noqa: SLF001 - redis-py has no public way to the transport
        assert writer is not None, "the connection is not open"  # noqa: S101 - a caller's bug
        self._transport = cast("asyncio.Transport", writer.transport)
        self._transport.set_protocol(self)
        self.is_open = not self._transport.is_closing()

    def send(self, data: bytes, expected: int, on_replies: OnReplies) -> None:
        """Write commands and call back when their replies are complete.

        Args:
            data: packed commands.
            expected: how many replies they bring.
            on_replies: called exactly once, never before this returns.
        """
        if not self.is_open or self._transport.is_closing():
            self._loop.call_soon(on_replies, [], self._lost_error("is closed"))
            return
        self._exchanges.append(_Exchange(expected, on_replies))
        self._transport.write(data)

    def send_within(
        self, timeout_seconds: float, data: bytes, expected: int, on_replies: OnReplies
    ) -> asyncio.TimerHandle:
        """Write commands as `send` does; the connection is dropped if the replies take too long.

        By a timer of the loop, and no asyncio.timeout: this is done for each read of a worker.

        Returns:
            The timer, to be cancelled by who waits no more.
        """
        timer = self._loop.call_later(
            timeout_seconds, self.drop, f"gave no answer within {timeout_seconds:g} s"
        )

        def replied(replies: list[Any], error: StreamsUnavailableError | None) -> None:
            timer.cancel()
            on_replies(replies, error)

        self.send(data, expected, replied)
        return timer

    async def call(self, commands: Sequence[Command], timeout_seconds: float) -> list[Any]:
        """Send commands and return their replies; see `exchange`."""
        packed = b"".join([pack(command) for command in commands])
        return await self.exchange(packed, len(commands), timeout_seconds)

    async def exchange(self, data: bytes, expected: int, timeout_seconds: float) -> list[Any]:
        """Send packed commands and return their replies, error replies among them.

        Args:
            data: packed commands.
            expected: how many replies they bring.
            timeout_seconds: how long these may take.

        Raises:
            StreamsUnavailableError: the connection is lost, or the replies took too long, in which
                case it is dropped: what was sent may or may not have been done.
        """
        future: asyncio.Future[list[Any]] = self._loop.create_future()

        def on_replies(replies: list[Any], error: StreamsUnavailableError | None) -> None:
            if future.done():  # the caller was cancelled
                return
            if error is None:
                future.set_result(replies)
            else:
                future.set_exception(error)

        timer = self.send_within(timeout_seconds, data, expected, on_replies)
        try:
            return await future
        finally:
            timer.cancel()

    def drop(self, reason: str) -> None:
        """Cut the connection now; what waits for replies gets StreamsUnavailableError.

        Args:
            reason: completes the sentence "the connection …".
        """
        self._end(self._lost_error(reason))

    def close(self) -> None:
        """Close the connection for good; `on_lost` is not called."""
        self.on_lost = None
        self.drop("was closed")

    def data_received(self, data: bytes) -> None:
        """Hand out the replies that are complete."""
        self._reader.feed(data)
        while self.is_open:
            try:
                reply = self._reader.gets()
            except hiredis.ProtocolError as error:
                self.drop(f"brought what is not Redis' protocol ({error})")
                return
            if reply is _NOT_READY:
                return
            if not self._exchanges:
                self.drop("brought a reply that nothing asked for")
                return
            exchange = self._exchanges[0]
            exchange.replies.append(reply)
            if len(exchange.replies) == exchange.expected:
                self._exchanges.popleft()
                exchange.on_replies(exchange.replies, None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell everyone who waits."""
        self._end(self._lost_error(f"was lost ({exc or 'closed by the server'})"))

    def _lost_error(self, reason: str) -> StreamsUnavailableError:
        return StreamsUnavailableError(f"Redis at {self.where}: the connection {reason}")

    def _end(self, error: StreamsUnavailableError) -> None:
        if not self.is_open:
            return
        self.is_open = False
        self._transport.abort()
        # redis-py would warn about a connection that is collected without having been closed.
        self._connection._close()  # type: ignore[no-untyped-call] # noqa: SLF001 - as above
        exchanges, self._exchanges = self._exchanges, deque()
        for exchange in exchanges:
            exchange.on_replies(exchange.replies, error)
        if self.on_lost is not None:
            self.on_lost()
