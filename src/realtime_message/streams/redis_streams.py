"""Everything that the streams offer, from one URL."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from realtime_message.settings import ChannelDurability, Durability, RedisSettings
from realtime_message.streams.append import PipelinedAppender
from realtime_message.streams.backlog import Backlog
from realtime_message.streams.connection import Connector
from realtime_message.streams.consumers import retire_consumers
from realtime_message.streams.contracts import Lease
from realtime_message.streams.dead_letters import RedisDeadLetters
from realtime_message.streams.durability import check_durability, chosen_durability
from realtime_message.streams.flow import FlowMeter
from realtime_message.streams.gatekeeper import RedisGatekeeper
from realtime_message.streams.incidents import OnIncident, leave_uncounted
from realtime_message.streams.inspect import Inspector
from realtime_message.streams.keys import Keys
from realtime_message.streams.layout import Layout
from realtime_message.streams.leases import RedisLeaseRenewer, RedisLeaseStore
from realtime_message.streams.members import RedisMemberStore
from realtime_message.streams.oldest import find_oldest
from realtime_message.streams.parked import RedisChannelParker, RedisParkedChannels
from realtime_message.streams.publisher_fence import PublisherFence
from realtime_message.streams.read import RedisPartitionReader
from realtime_message.streams.replay import RedisReplayer
from realtime_message.streams.resize import Resizer
from realtime_message.streams.resize_plan import Planner
from realtime_message.streams.server_state import ServerInspector
from realtime_message.streams.session import Session
from realtime_message.streams.startup import check_server, wait_until_ready
from realtime_message.streams.stored_entry import entries_of, traced_entries_of
from realtime_message.streams.trim import RedisStreamTrimmer


class Streams:
    """The streams of one prefix on one server. Made by `open_streams`.

    Attributes:
        settings: as it was opened with.
        keys: every key name.
        layout: partition count and hash, stored and checked.
        resizer: changes the partition count.
        planner: says what a change of it would do.
        leases: takes and gives back leases.
        members: who is there, and who should own what.
        trimmer: removes handled entries.
        dead_letters: reads and removes what was given up.
        replayer: puts it back into its stream.
        parked_channels: shows and resumes channels that are held back.
        inspect: what an operator sees.
        servers: what the servers say about themselves.
        flow: how fast partitions fill and empty.
        backlog: which partitions take no more for now; looked at while there is an appender.
    """

    def __init__(
        self,
        settings: RedisSettings,
        on_incident: OnIncident = leave_uncounted,
        *,
        keeps_traces: bool = False,
    ) -> None:
        self.settings = settings
        self.keys = Keys(settings.prefix)
        self._on_incident = on_incident
        self._read_entries = traced_entries_of if keeps_traces else entries_of
        self._connector = Connector(settings)
        self._session = Session(self._connector, settings.command_timeout_seconds, self.keys.layout)
        self._appender: PipelinedAppender | None = None
        self._making_appender = asyncio.Lock()
        self.layout = Layout(self._session, self.keys, settings.partition_count)
        self.leases = RedisLeaseStore(self._session, self.keys)
        self.members = RedisMemberStore(self._session, self.keys)
        self.trimmer = RedisStreamTrimmer(self._session, self.keys)
        fence = PublisherFence(self._session, settings.prefix)
        self.resizer = Resizer(self._session, self.keys, self.layout, fence)
        self.dead_letters = RedisDeadLetters(self._session, self.keys, self.layout)
        self.replayer = RedisReplayer(self._session, self.keys, self.dead_letters, self.layout)
        self.parked_channels = RedisParkedChannels(self._session, self.keys, self.layout)
        self.inspect = Inspector(self._session, self.keys, self.layout)
        self.servers = ServerInspector(self._session)
        self.flow = FlowMeter(self._session, self.keys, self.layout)
        self.planner = Planner(self._session, self.keys, self.inspect, fence)
        self.backlog = Backlog(self.inspect, settings)
        self._sampling: asyncio.Task[None] | None = None

    @property
    def where(self) -> str:
        """The server's URL without its password, for texts and logs."""
        return self._connector.where

    @property
    def partition_count(self) -> int:
        """How many partitions there are, as the stored layout was read last."""
        return self.layout.view.partition_count

    async def check(self) -> None:
        """Check server and layout, and make the consumer groups that are missing.

        Raises:
            StartupError: a process with these settings must not start.
            StreamsError: the server did not answer, or refused.
        """
        await self.check_server()
        await self.layout.ensure()

    async def check_server(self) -> None:
        """Check that the server is new enough, and knows and allows what is needed.

        Raises:
            UnsupportedServerError: it is not, or does not; the text names every command.
            StreamsError: the server did not answer, or refused.
        """
        await check_server(self._session, self.keys)

    async def appender(self, durabilities: Iterable[ChannelDurability] = ()) -> PipelinedAppender:
        """Return the appender that all of this process share, connected.

        Args:
            durabilities: levels that it must offer besides the default one.

        Raises:
            ConfigurationError: the server cannot do what a level needs; the text says what to do.
            StreamsError: it cannot connect.
        """
        asked: list[ChannelDurability] = ["default", *durabilities]
        levels: list[Durability] = list(
            dict.fromkeys(chosen_durability(level, self.settings) for level in asked)
        )
        async with self._making_appender:
            if self._appender is None:
                self._appender = PipelinedAppender(
                    self._connector,
                    self.keys,
                    self.settings,
                    backlog=self.backlog,
                    layout=self.layout,
                    session=self._session,
                )
            appender = self._appender
            missing: list[Durability] = [level for level in levels if level not in appender.levels]
            await check_durability(self._session, self.settings, missing)
            await appender.open(missing)
            if self._sampling is None:
                self._sampling = asyncio.create_task(
                    self.backlog.keep_sampling(), name="streams.backlog"
                )
            return appender

    async def find_oldest(self, partition: int) -> str | None:
        """Return the id of the oldest entry that the workers have not acknowledged, unread or not.

        Raises:
            StreamsError: the server did not answer, or refused.
        """
        keys = self.keys
        return await find_oldest(self._session, keys.stream(partition), keys.group(partition))

    def reader(self, lease: Lease, consumer: str) -> RedisPartitionReader:
        """Return a fenced reader under a lease; close it when the lease ends.

        Args:
            lease: as acquired.
            consumer: the name in the consumer group (see keys.consumer_name).
        """
        return RedisPartitionReader(
            self._connector,
            self._session,
            self.keys,
            lease,
            consumer,
            timeout_seconds=self.settings.command_timeout_seconds,
            on_incident=self._on_incident,
            read_entries=self._read_entries,
        )

    async def retire_consumers(self, lease: Lease, consumer: str, *, is_leaving: bool) -> int:
        """Delete consumers of processes that ended; see streams.consumers."""
        return await retire_consumers(
            self._session, self.keys, lease, consumer, is_leaving=is_leaving
        )

    def parker(self, lease: Lease) -> RedisChannelParker:
        """Return what parks channels under a lease."""
        return RedisChannelParker(self._session, self.keys, lease)

    def gatekeeper(self, lease: Lease) -> RedisGatekeeper:
        """Return what the owner of a partition does at a marker, under a lease."""
        return RedisGatekeeper(self._session, self.keys, lease)

    def renewer(self) -> RedisLeaseRenewer:
        """Return a renewer for a thread of its own; the thread closes it."""
        return RedisLeaseRenewer(self.settings, self.keys)

    async def close(self) -> None:
        """Wait for appends that were taken, then close what was not given away."""
        if self._sampling is not None:
            self._sampling.cancel()
            await asyncio.gather(self._sampling, return_exceptions=True)
        if self._appender is not None:
            await self._appender.close()
        self._session.close()


async def open_streams(
    settings: RedisSettings,
    on_incident: OnIncident = leave_uncounted,
    *,
    keeps_traces: bool = False,
) -> Streams:
    """Connect, check the server and the layout, make the consumer groups.

    Args:
        settings: where the server is, and how many partitions there are.
        on_incident: told of what was healed, for metrics.
        keeps_traces: whether readers look for the trace beside each payload.

    Raises:
        StartupError: unreachable within startup_timeout_seconds, login refused, a server that is
            too old or lacks a command or right, or another layout. The text says what to do.
    """
    streams = Streams(settings, on_incident, keeps_traces=keeps_traces)
    try:
        await wait_until_ready(streams.check, streams.where, settings.startup_timeout_seconds)
    except BaseException:
        await streams.close()
        raise
    return streams
