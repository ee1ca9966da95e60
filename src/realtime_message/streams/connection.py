"""One URL, and how to connect to what is behind it: a server, a Sentinel's primary, a cluster.

A caller names the key that it will use. It gets a connection to the server which has that key now,
and asks for another one when that server is lost or turns out to be the wrong one.
"""

from __future__ import annotations

import asyncio

from realtime_message.errors import StreamsError, StreamsUnavailableError
from realtime_message.redis_url import Address, parse_redis_url
from realtime_message.settings import RedisSettings
from realtime_message.streams.cluster_map import ClusterMap
from realtime_message.streams.dial import Dialer
from realtime_message.streams.sentinel import Sentinels
from realtime_message.streams.sentinel_watch import SentinelWatch
from realtime_message.streams.server_errors import RedirectError, WrongTargetError
from realtime_message.streams.wire import Wire, pair_up


class Connector:
    """Opens connections to the servers that the settings name.

    Args:
        settings: URL and time-outs.

    Attributes:
        where: the URL without passwords and options.
        cluster: the cluster's map; None where there is none, and until `identify`.

    Raises:
        ConfigurationError: the URL cannot be understood.
    """

    def __init__(self, settings: RedisSettings) -> None:
        self._target = target = parse_redis_url(settings.url)
        self.where = target.shown
        limit_seconds = self._limit_seconds = settings.connect_timeout_seconds
        self._dialer = Dialer(target, target.server_url, limit_seconds)
        self._hosts = list(target.hosts)
        self.cluster: ClusterMap | None = None
        self._sentinels: Sentinels | None = None
        self._watch: SentinelWatch | None = None
        # One that is silent must leave time for the others.
        limit_seconds = limit_seconds / 2 if len(target.hosts) > 1 else limit_seconds
        if target.kind == "cluster":
            self.cluster = self._cluster_map()
        elif target.kind == "sentinel":
            ask = Dialer(target, target.sentinel_url, limit_seconds).ask
            self._sentinels = Sentinels(target.hosts, target.primary_name, ask, self.where)
            self._watch = SentinelWatch(self._sentinels)
        #: Whether it is known what the URL leads to, and the connection on which that was seen.
        self._is_identified = target.kind != "server"
        self._identifying = asyncio.Lock()
        self._spare: Wire | None = None

    async def identify(self) -> None:
        """Find out whether a plain URL leads to a node of a cluster. Raises as `connect`."""
        if self._is_identified:
            return
        async with self._identifying:
            if self._is_identified:
                return
            wire = await self._first_that_answers()
            mode = (await self._greeting(wire)).get(b"mode")
            if mode in (b"standalone", None) and len(self._hosts) == 1:
                self._spare = wire
            else:
                wire.close()
            if mode == b"sentinel":
                raise WrongTargetError(
                    f"{wire.where} is a Sentinel: use redis+sentinel://host:26379/NAME in "
                    "redis.url (REDIS_URL)"
                )
            if mode == b"cluster":
                self.cluster = self._cluster_map()
            self._is_identified = True

    async def connect(self, key: str) -> Wire:
        """Open a connection to the server that has a key.

        Args:
            key: one of those that will be used.

        Raises:
            StreamsUnavailableError: unreachable, or no answer within connect_timeout_seconds.
            StreamsRefusedError: the login was refused, or the URL does not say what is there.
        """
        await self.identify()
        if self.cluster is not None:
            return await self.connect_to(await self.cluster.owner(key))
        if self._spare is not None:
            wire, self._spare = self._spare, None
            if wire.is_open:
                return wire
        if self._sentinels is not None:
            return await self._named_primary(self._sentinels)
        if len(self._hosts) == 1:
            return await self._dialer.dial(self._hosts[0])
        return await self._first_primary()

    async def connect_to(self, address: Address) -> Wire:
        """Open a connection to a node of the cluster. Raises as `connect`."""
        try:
            return await self._dialer.dial(address)
        except StreamsError:
            if self.cluster is not None:
                self.cluster.mark_stale()
            raise

    def follow(self, redirect: RedirectError, asked: Address) -> None:
        """Take what a node says about where a slot is now."""
        if self.cluster is None:
            return
        if redirect.is_ask:
            self.cluster.mark_stale()
        else:
            self.cluster.learn(redirect.slot, redirect.address(asked))

    def close(self) -> None:
        """Close what nobody has asked for yet."""
        if self._spare is not None:
            self._spare.close()
        if self._watch is not None:
            self._watch.stop()

    def _cluster_map(self) -> ClusterMap:
        dialer = Dialer(self._target, self._target.server_url, self._limit_seconds / 2)
        return ClusterMap(self._target.hosts, dialer.ask, self.where)

    async def _named_primary(self, sentinels: Sentinels) -> Wire:
        address = await sentinels.primary()
        try:
            wire = await self._primary(address)
        except StreamsError:
            sentinels.distrust_first()
            raise
        assert self._watch is not None  # noqa: S101 - it comes with the Sentinels
        self._watch.add(wire)
        return wire

    async def _first_that_answers(self) -> Wire:
        for host in self._hosts[:-1]:
            try:
                return await self._dialer.dial(host)
            except StreamsUnavailableError:
                continue
        return await self._dialer.dial(self._hosts[-1])

    async def _first_primary(self) -> Wire:
        """Return a connection to the first host that is no replica; it is tried first next time."""
        reasons = []
        for host in tuple(self._hosts):
            try:
                wire = await self._primary(host)
            except StreamsUnavailableError as error:
                reasons.append(str(error))
            else:
                self._hosts.remove(host)
                self._hosts.insert(0, host)
                return wire
        raise StreamsUnavailableError("; ".join(reasons))

    async def _primary(self, address: Address) -> Wire:
        wire = await self._dialer.dial(address)
        role = (await self._greeting(wire)).get(b"role", b"master")
        if role != b"master":
            wire.close()
            raise StreamsUnavailableError(f"Redis at {wire.where} is a replica")
        return wire

    async def _greeting(self, wire: Wire) -> dict[bytes, bytes]:
        """Return what a server says of itself: `mode` and `role` among it.

        HELLO needs no right (Redis: ACL). One that does not know it says nothing.
        """
        try:
            (reply,) = await wire.call([("HELLO",)], self._limit_seconds)
        except BaseException:
            wire.close()
            raise
        return pair_up(reply) if isinstance(reply, list) else {}
