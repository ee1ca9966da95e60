"""Following channels from the terminal, across reconnects and without gaps where possible."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from realtime_message.client.connection import (
    CommandRefusedError,
    GatewayClosedError,
    GatewayConnection,
    GatewayUnreachableError,
    OnPush,
    short,
)

_FIRST_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 5.0
_SUBSCRIBE_AGAIN_FROM = 2500

#: Opens a connection whose pushes go to the given function.
ConnectWith = Callable[[OnPush], Awaitable[GatewayConnection]]


@dataclass(frozen=True, slots=True)
class Publication:
    """A publication in a channel.

    Attributes:
        channel: where.
        data: what.
        user: who, as the gateway knows the publisher; empty for the server itself.
        offset: its place in the channel's history; 0 without history.
        is_recovered: whether it came while the connection was lost.
    """

    channel: str
    data: Any
    user: str
    offset: int
    is_recovered: bool = False


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that happened to the connection or a subscription, in words."""

    text: str


class Subscriber:
    """Follows channels. Each is taken up again after a reconnect where it was left.

    Args:
        connect: opens a connection.
        channels: which.
    """

    def __init__(self, connect: ConnectWith, channels: Sequence[str]) -> None:
        self._connect = connect
        self._channels = channels
        # By channel: epoch and offset, where the gateway keeps history.
        self._positions: dict[str, dict[str, Any]] = {}
        # Pushes that came with a subscribe reply, until what was missed before them is told.
        self._early: dict[str, list[dict[str, Any]]] = {}
        self._starts_over = asyncio.Event()
        self._was_subscribed = False
        self._events: asyncio.Queue[Publication | Notice | Exception] = asyncio.Queue()

    async def follow(self) -> AsyncIterator[Publication | Notice]:
        """Yield what happens, without end.

        Raises:
            GatewayUnreachableError: the first connection failed.
            GatewayClosedError: the gateway closed the connection for good.
            CommandRefusedError: a subscription is refused for good.
        """
        keeping = asyncio.create_task(self._keep_connected(), name="subscriber")
        keeping.add_done_callback(self._put_failure)
        try:
            while True:
                event = await self._events.get()
                if isinstance(event, Exception):
                    raise event
                yield event
        finally:
            keeping.cancel()

    def _put_failure(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            failure = task.exception()
            if isinstance(failure, Exception):
                self._events.put_nowait(failure)

    async def _keep_connected(self) -> None:
        pause_seconds = _FIRST_PAUSE_SECONDS
        while True:
            self._starts_over.clear()
            try:
                connection = await self._connect(self._take_push)
                try:
                    await self._subscribe_all(connection)
                    pause_seconds = _FIRST_PAUSE_SECONDS
                    await self._wait_for_end(connection)
                finally:
                    await connection.close()
            except (GatewayUnreachableError, CommandRefusedError) as error:
                is_final = isinstance(error, CommandRefusedError) and not error.is_temporary
                if is_final or not self._was_subscribed:
                    raise
                self._tell(f"{error}; trying again")
            await asyncio.sleep(pause_seconds)
            pause_seconds = min(pause_seconds * 2, _LONGEST_PAUSE_SECONDS)

    async def _subscribe_all(self, connection: GatewayConnection) -> None:
        if self._was_subscribed:
            self._tell("connected again")
        for channel in self._channels:
            await self._subscribe(connection, channel)
        if not self._was_subscribed:
            self._tell("subscribed")
        self._was_subscribed = True

    async def _wait_for_end(self, connection: GatewayConnection) -> None:
        """Wait until the connection ends or must be left, and raise why."""
        starting_over = asyncio.create_task(self._starts_over.wait(), name="start over")
        closing = asyncio.create_task(connection.wait_closed(), name="wait for close")
        try:
            await asyncio.wait({starting_over, closing}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            starting_over.cancel()
            closing.cancel()
        if closing.done():
            closing.result()
        raise GatewayUnreachableError("the gateway asks to subscribe again")

    async def _subscribe(self, connection: GatewayConnection, channel: str) -> None:
        position = self._positions.get(channel)
        wish = {"channel": channel} | ({"recover": True, **position} if position else {})
        self._early[channel] = []
        try:
            reply = await connection.call(
                "subscribe", wish, f"the subscription to {short(channel)}"
            )
        finally:
            early = self._early.pop(channel)
        if reply.get("recoverable"):
            self._positions[channel] = {
                "epoch": reply.get("epoch", ""),
                "offset": reply.get("offset", 0),
            }
        if position and not reply.get("recovered"):
            self._tell(f"{channel}: some messages were missed; the gateway no longer has them")
        for publication in reply.get("publications", []):
            self._take_publication(channel, publication, is_recovered=True)
        for push in early:
            self._take_push(push)

    def _take_push(self, push: dict[str, Any]) -> None:
        channel = push.get("channel", "")
        if channel in self._early:
            self._early[channel].append(push)
        elif "pub" in push:
            self._take_publication(channel, push["pub"], is_recovered=False)
        elif "unsubscribe" in push:
            code = push["unsubscribe"].get("code", 0)
            reason = push["unsubscribe"].get("reason", "")
            if code >= _SUBSCRIBE_AGAIN_FROM:
                # On a new connection; recovery fills the gap.
                self._starts_over.set()
            else:
                ended = f"the gateway ended the subscription to {channel}: {reason} (code {code})"
                self._events.put_nowait(GatewayClosedError(ended))

    def _take_publication(
        self, channel: str, publication: dict[str, Any], *, is_recovered: bool
    ) -> None:
        offset = publication.get("offset", 0)
        if offset and channel in self._positions:
            self._positions[channel]["offset"] = offset
        self._events.put_nowait(
            Publication(
                channel=channel,
                data=publication.get("data"),
                user=(publication.get("info") or {}).get("user", ""),
                offset=offset,
                is_recovered=is_recovered,
            )
        )

    def _tell(self, text: str) -> None:
        self._events.put_nowait(Notice(text))
