"""Official Python clients that chat through one address while what stands behind it is broken.

Each channel is written by one client, one message after the other; a message whose fate is unknown
is sent again with its id until it is acknowledged. Followers keep what they see, in order.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from centrifuge import (
    CentrifugeError,
    Client,
    ClientEventHandler,
    ConnectedContext,
    DisconnectedContext,
    PublicationContext,
    ReplyError,
    SubscriptionEventHandler,
)

from realtime_message.centrifugo.tokens import make_connection_token
from realtime_message.partitions import partition_of
from support.checker import Sent
from support.eventually import eventually
from support.official_client import leave

DEADLINE_SECONDS = 60.0


@dataclass
class Connections(ClientEventHandler):
    """How often a client connected, and its connection ids."""

    ids: list[str] = field(default_factory=list)
    closes: list[int] = field(default_factory=list)

    async def on_connected(self, ctx: ConnectedContext) -> None:
        self.ids.append(ctx.client)

    async def on_disconnected(self, ctx: DisconnectedContext) -> None:
        self.closes.append(ctx.code)


class Follower(SubscriptionEventHandler):
    """What one subscriber of a channel saw: the numbers, in order."""

    def __init__(self) -> None:
        self.numbers: list[int] = []

    async def on_publication(self, ctx: PublicationContext) -> None:
        self.numbers.append(int(ctx.pub.data["text"]))


class ChatLoad:
    """Writers and followers.

    Args:
        url: where they connect.
        secret: signs their tokens.
        channels: how many channels are written.
        writers: how many clients write them.
        followers: how many clients follow all of them.
        pause_seconds: between two messages of a channel.
        namespace: first part of the channels' names; loads of one test need different ones.
    """

    def __init__(
        self,
        url: str,
        secret: str,
        *,
        channels: int = 12,
        writers: int = 6,
        followers: int = 6,
        pause_seconds: float = 0.05,
        namespace: str = "room",
    ) -> None:
        self.channels = [f"{namespace}:{number}" for number in range(channels)]
        self.acknowledged: list[Sent] = []
        self.unknown: set[tuple[str, int]] = set()
        self.failures: list[str] = []
        self.refusals: list[str] = []
        self.connections: list[Connections] = []
        self.seen: list[dict[str, Follower]] = []
        self._url = url
        self._secret = secret
        self._counts = (writers, followers)
        self._pause_seconds = pause_seconds
        self._stop = asyncio.Event()
        self._writing: list[asyncio.Task[None]] = []
        self._is_abandoned = False

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[ChatLoad]:
        """Connect everybody, write until the block ends, finish what is being sent."""
        writers, followers = self._counts
        clients = [self._client(f"writer-{number}") for number in range(writers)]
        readers = [self._client(f"follower-{number}") for number in range(followers)]
        try:
            await asyncio.gather(*(self._follow(reader) for reader in readers))
            await asyncio.gather(*(_connect(client) for client in clients))
            async with asyncio.TaskGroup() as group:
                self._writing = [
                    group.create_task(self._write(clients[number % writers], channel))
                    for number, channel in enumerate(self.channels)
                ]
                try:
                    yield self
                finally:
                    self._stop.set()
            if not self._is_abandoned:
                await self.wait_until_seen()
        finally:
            await asyncio.gather(*(leave(client) for client in (*clients, *readers)))

    def abandon(self) -> None:
        """Write no more, and leave the fate of what is being sent unknown."""
        self._is_abandoned = True
        for task in self._writing:
            task.cancel()

    async def wait_for(self, count: int) -> None:
        """Wait until so many more messages are acknowledged."""
        wanted = len(self.acknowledged) + count

        async def is_done() -> bool:
            return len(self.acknowledged) >= wanted

        await eventually(is_done, within_seconds=DEADLINE_SECONDS, what=f"{count} more messages")

    def missing(self) -> list[tuple[int, str, int]]:
        """Return what a follower did not see although it was acknowledged."""
        return [
            (number, sent.channel, sent.number)
            for number, channels in enumerate(self.seen)
            for sent in self.acknowledged
            if sent.number not in channels[sent.channel].numbers
        ]

    def disordered(self) -> list[tuple[int, str]]:
        """Return the channels that a follower saw in another order, or with repetitions."""
        return [
            (number, channel)
            for number, channels in enumerate(self.seen)
            for channel, follower in channels.items()
            if follower.numbers != sorted(set(follower.numbers))
        ]

    async def wait_until_seen(self) -> None:
        """Wait until every follower has seen everything; what is missing stays for the test."""

        async def is_done() -> bool:
            return not self.missing()

        with contextlib.suppress(AssertionError):
            await eventually(is_done, within_seconds=20)

    def _client(self, user: str) -> Client:
        connections = Connections()
        self.connections.append(connections)
        token = make_connection_token(self._secret, user, ttl_seconds=3600)
        return Client(
            self._url,
            token=token,
            events=connections,
            min_reconnect_delay=0.1,
            max_reconnect_delay=1.0,
            timeout=3.0,
        )

    async def _follow(self, client: Client) -> None:
        channels = {channel: Follower() for channel in self.channels}
        self.seen.append(channels)
        await _connect(client)
        for channel, follower in channels.items():
            subscription = client.new_subscription(channel, events=follower)
            await subscription.subscribe()
            await subscription.ready(DEADLINE_SECONDS)

    async def _write(self, client: Client, channel: str) -> None:
        number = 0
        while not self._stop.is_set():
            at = time.monotonic()
            await self._send(client, channel, number)
            self.acknowledged.append(Sent(channel, number, partition_of(channel, 8), at))
            number += 1
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._pause_seconds):
                    await self._stop.wait()

    async def _send(self, client: Client, channel: str, number: int) -> None:
        key = (channel, number)
        self.unknown.add(key)
        give_up_at = time.monotonic() + DEADLINE_SECONDS
        while True:
            try:
                await client.publish(channel, {"text": str(number), "id": f"{channel}/{number}"})
            except CentrifugeError as error:
                self.failures.append(f"{channel} {number}: {error!r}")
                if isinstance(error, ReplyError):
                    self.refusals.append(self.failures[-1])
                if time.monotonic() > give_up_at:
                    raise
                await asyncio.sleep(0.05)
            else:
                self.unknown.discard(key)
                return


async def _connect(client: Client) -> None:
    await client.connect()
    await client.ready(DEADLINE_SECONDS)
