"""One client's connection: its commands one at a time and in order, its replies and pushes.

A command may wait for the callback service; nothing else of this connection is read meanwhile, its
pongs included. That is Centrifugo's default too, and what keeps a client's messages in order.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

from realtime_message.gateway import codes
from realtime_message.gateway.codes import (
    Close,
    CommandError,
    ConnectionClose,
    Unsubscription,
)
from realtime_message.gateway.commands import Command, decode_commands
from realtime_message.gateway.engine import Engine
from realtime_message.gateway.heartbeat import Heartbeat
from realtime_message.gateway.outgoing import OutgoingQueue
from realtime_message.gateway.proxy import ClientHeaders, EventProxy
from realtime_message.gateway.proxy_messages import escape_payload
from realtime_message.gateway.replies import (
    PING,
    ClientInfo,
    Push,
    Reply,
    encode_push,
    encode_reply,
    payload,
)
from realtime_message.gateway.subscription import Subscription
from realtime_message.gateway.websocket import WebSocket
from realtime_message.telemetry.logs import get_logger

log = get_logger("gateway.connection")

# After a refused connect Centrifugo listens no more and drops the connection when this has passed.
_DEAF_SECONDS = 5.0
#: Does what a command asks for; it gets the command's own part and id.
Handler = Callable[["Connection", Any, int], Awaitable[None]]

# Messages that may wait before the socket is no longer read.
_MAX_WAITING = 32


class Connection:
    """A client, from the WebSocket's handshake to its end.

    Args:
        engine: what all connections share.
        socket: the WebSocket.
        handlers: what each command does, in the order in which they are looked for in one.
    """

    def __init__(self, engine: Engine, socket: WebSocket, handlers: Mapping[str, Handler]) -> None:
        self.engine = engine
        self._handlers = handlers
        self.id = str(uuid4())
        self.user = ""
        self.info = b""
        self.meta = b""
        self.headers = ClientHeaders({})
        self.subscriptions: dict[str, Subscription] = {}
        self.expire_at = 0
        self.is_client_refreshed = False
        self.is_authenticated = False
        self.is_closed = False
        self._is_deaf = False
        self._subscribing = ""
        self._late_unsubscription: Unsubscription | None = None
        self._socket = socket
        self._messages: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._timers: dict[str, asyncio.TimerHandle] = {}
        client = engine.client
        self._outgoing = OutgoingQueue(
            socket.send,
            self.close,
            max_bytes=client.queue_max_size,
            write_timeout_seconds=engine.configuration.websocket.write_timeout_seconds,
        )
        self.heartbeat = Heartbeat(
            client.ping_interval_seconds,
            client.pong_timeout_seconds,
            send_ping=lambda: self.send(PING),
            give_up=lambda: self.close(codes.CLOSE_NO_PONG),
        )

    # The endpoint of a WebSocket

    def start(self, headers: dict[str, list[str]]) -> None:
        """Wait for the connect command."""
        self.headers = ClientHeaders(headers)
        self.set_timer("stale", self.engine.client.stale_close_delay_seconds, self._close_stale)
        task = asyncio.get_running_loop().create_task(self._run())
        # uvicorn waits for these when it stops: a command in progress is finished.
        self._socket.tasks.add(task)
        task.add_done_callback(self._socket.tasks.discard)

    def receive(self, message: bytes) -> None:
        """Queue a message for its turn."""
        self._messages.put_nowait(message)
        if self._messages.qsize() > _MAX_WAITING:
            self._socket.pause_reading()

    def block(self) -> None:
        """The socket takes no more data for now."""
        self._outgoing.block()

    def unblock(self) -> None:
        """The socket takes data again."""
        self._outgoing.unblock()

    def end(self) -> None:
        """Nothing more will arrive; what did arrive is still worked off first."""
        self._messages.put_nowait(None)

    def shut_down(self) -> None:
        """The server stops."""
        self.close(codes.CLOSE_SHUTDOWN)

    # For handlers, timers and the server API

    def send(self, line: bytes) -> None:
        """Queue a line for the client; after the end there is nobody to send it to."""
        if not self.is_closed:
            self._outgoing.add(line)

    def reply(self, reply: Reply) -> None:
        """Send the reply to a command."""
        self.send(encode_reply(reply))

    def push(self, push: Push) -> None:
        """Send something unasked."""
        self.send(encode_push(push))

    def close(self, close: Close) -> None:
        """End the connection with a close frame; a second call does nothing."""
        if self.is_closed:
            return
        if close != codes.CLOSE_SLOW:
            self._outgoing.flush()
        self._leave()
        self._socket.close(close)
        log.debug("connection.closed", client=self.id, code=close.code, reason=close.reason)

    def unsubscribe(self, channel: str, reason: Unsubscription | None = None) -> None:
        """End a subscription; with a reason, tell the client.

        The push is sent even if there was no such subscription, as Centrifugo does. One that the
        client is just being given ends as soon as it has it.
        """
        if reason is not None and channel and channel == self._subscribing:
            self._late_unsubscription = reason
            return
        subscription = self.subscriptions.pop(channel, None)
        if subscription is not None:
            self._end_subscription(subscription)
        if reason is not None:
            self.push(Push(channel=channel, unsubscribe=reason))

    @contextmanager
    def subscribing(self, channel: str) -> Iterator[None]:
        """While this lasts the client is being given a subscription."""
        self._subscribing, self._late_unsubscription = channel, None
        try:
            yield
        finally:
            self._subscribing = ""
        reason, self._late_unsubscription = self._late_unsubscription, None
        if reason is not None:
            self.unsubscribe(channel, reason)

    def client_info(self, channel: str) -> ClientInfo:
        """Return how others see this client in a channel."""
        return self._info_with(self.subscriptions.get(channel))

    def _info_with(self, subscription: Subscription | None) -> ClientInfo:
        return ClientInfo(
            user=self.user,
            client=self.id,
            conn_info=payload(self.info),
            chan_info=payload(subscription.info if subscription else b""),
        )

    def event_fields(self, proxy: EventProxy) -> dict[str, Any]:
        """Return what every proxy event of a connected client says of it."""
        fields: dict[str, Any] = {**self.transport_fields(proxy), "user": self.user}
        if proxy.includes_meta and self.meta:
            fields["meta"] = escape_payload(self.meta)
        return fields

    def transport_fields(self, proxy: EventProxy) -> dict[str, Any]:
        """Return what every proxy event says of the connection itself."""
        return {
            "client": self.id,
            "transport": "websocket",
            "protocol": "json",
            "encoding": proxy.encoding,
        }

    def set_timer(self, name: str, delay_seconds: float, action: Callable[[], None]) -> None:
        """Do something later, unless the connection ends first; replaces the timer of that name."""
        if timer := self._timers.pop(name, None):
            timer.cancel()
        if not self.is_closed:
            loop = asyncio.get_running_loop()
            self._timers[name] = loop.call_later(max(delay_seconds, 0), action)

    # Commands

    async def _run(self) -> None:
        while (message := await self._messages.get()) is not None:
            if not self.is_closed and not self._is_deaf:
                await self._handle_message(message)
            if self._messages.empty():
                self._socket.resume_reading()
        if not self.is_closed:
            self._leave()

    async def _handle_message(self, message: bytes) -> None:
        try:
            for command in decode_commands(message):
                await self._handle_command(command)
                if self.is_closed or self._is_deaf:
                    return
        except ValueError:
            self.close(codes.CLOSE_BAD_REQUEST)

    async def _handle_command(self, command: Command) -> None:
        if not self.is_authenticated and command.connect is None:
            self.close(codes.CLOSE_BAD_REQUEST)
            return
        if command.is_pong:
            if not self.heartbeat.take_pong():
                self.close(codes.CLOSE_BAD_REQUEST)
            return
        for name, handle in self._handlers.items():
            request = getattr(command, name)
            if request is not None:
                await self._answer(name, handle(self, request, command.id or 0), command.id or 0)
                return
        self.close(codes.CLOSE_BAD_REQUEST)

    async def _answer(self, name: str, work: Any, command_id: int) -> None:
        try:
            await work
        except CommandError as refused:
            self.reply(Reply(id=command_id, error=refused.body))
            if name == "connect":
                self._is_deaf = True
                self.set_timer("deaf", _DEAF_SECONDS, self._socket.abort)
        except ConnectionClose as ending:
            self.close(ending.close)
        except Exception:
            log.exception("command.failed", command=name, client=self.id)
            self.close(codes.CLOSE_INTERNAL)

    def _close_stale(self) -> None:
        if not self.is_authenticated or self._is_deaf:
            self.close(codes.CLOSE_STALE)

    # The end

    def _leave(self) -> None:
        """Take the connection out of everything shared."""
        self.is_closed = True
        self.heartbeat.stop()
        self._outgoing.discard()
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        for channel in list(self.subscriptions):
            self._end_subscription(self.subscriptions.pop(channel))
        self.engine.hub.remove_connection(self)
        self._messages.put_nowait(None)

    def _end_subscription(self, subscription: Subscription) -> None:
        channel = subscription.channel
        info = self._info_with(subscription)
        self.engine.hub.remove_subscription(subscription)
        if subscription.terms.presence:
            self.engine.presence.remove(channel, self.id)
        if subscription.terms.join_leave:
            self.engine.hub.broadcast_leave(channel, info)
