"""The appender: packs entries and gives each to the pipeline of its durability.

Each level has connections of its own (one, or one for each master of a cluster): an append that
waits for a replica or the disk delays none that does not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from realtime_message.errors import StreamsFullError
from realtime_message.settings import ChannelDurability, Durability, RedisSettings
from realtime_message.streams.backlog import Backlog
from realtime_message.streams.cluster_pipeline import ClusterPipeline
from realtime_message.streams.connection import Connector
from realtime_message.streams.contracts import Appended, Dedup, OnAppended
from realtime_message.streams.durability import Barrier, barrier_of, chosen_durability
from realtime_message.streams.former_marks import FormerMarks, Mark
from realtime_message.streams.held_appends import HeldAppends, Submission, TracedSubmission
from realtime_message.streams.keys import Keys, dedup_digest
from realtime_message.streams.layout import Layout
from realtime_message.streams.layout_view import LayoutView
from realtime_message.streams.pipeline import Enqueue, Pipeline
from realtime_message.streams.route import Route
from realtime_message.streams.scripts import load_script
from realtime_message.streams.server_errors import StreamSealedError
from realtime_message.streams.session import Session
from realtime_message.streams.wire import Command, pack
from realtime_message.telemetry.trace_context import TraceContext

#: How long the key lives that a check writes.
CHECK_KEY_MS = 1000


class PipelinedAppender:
    """Appends entries to the partitions' streams. See contracts.EntryAppender.

    Args:
        connector: opens the connections.
        keys: the key names.
        settings: time-out, and the default durability.
        backlog: which partitions take no more for now.
        layout: the stored layout, which was read.
        session: for what is looked up before an append.
    """

    def __init__(
        self,
        connector: Connector,
        keys: Keys,
        settings: RedisSettings,
        *,
        backlog: Backlog,
        layout: Layout,
        session: Session,
    ) -> None:
        self._connector = connector
        self._keys = keys
        self._settings = settings
        self._backlog = backlog
        self._refusals = backlog.refusals
        self._loop = asyncio.get_running_loop()
        self._script = load_script("entry_append")
        self._streams: list[str] = []
        # All of a plain append but the payload: packing it anew would cost more than the rest.
        self._heads: list[bytes] = []
        self._levels: dict[Durability, Pipeline | ClusterPipeline] = {}
        #: What takes each partition's appends; the default level under its other name, too.
        self._enqueuers: dict[ChannelDurability, list[Enqueue]] = {}
        timeout_seconds = settings.command_timeout_seconds
        self._route = Route(keys.prefix, layout, timeout_seconds)
        self._marks = FormerMarks(session, keys, layout.view)
        self._route.listeners += [self._cover, self._marks.follow, self._take_back]
        self._held = HeldAppends(self._route, self._marks, self, timeout_seconds)
        self._cover(self._route.view)

    @property
    def levels(self) -> frozenset[Durability]:
        """The levels that are open."""
        return frozenset(self._levels)

    @property
    def is_connected(self) -> bool:
        """Whether every connection is open."""
        return all(pipeline.is_connected for pipeline in self._levels.values())

    @property
    def partition_count(self) -> int:
        """By how many partitions channels are routed now."""
        return self._route.view.partition_count

    def on_partition_count(self, listener: Callable[[int], None]) -> None:
        """Let a function be called with the new partition count whenever it has changed."""
        self._route.listeners.append(lambda view: listener(view.partition_count))

    async def open(self, durabilities: Iterable[Durability]) -> None:
        """Connect for levels that are not open yet; the server can do them.

        Raises:
            StreamsError: it cannot connect.
        """
        for durability in durabilities:
            if durability in self._levels:
                continue
            pipeline = self._pipeline(barrier_of(durability, self._settings))
            await pipeline.connect(self._streams)
            self._levels[durability] = pipeline
            enqueuers = [pipeline.enqueuer(stream) for stream in self._streams]
            self._enqueuers[durability] = enqueuers
            if durability == chosen_durability("default", self._settings):
                self._enqueuers["default"] = enqueuers

    def submit(
        self,
        partition: int,
        payload: bytes,
        on_appended: OnAppended,
        dedup: Dedup | None = None,
        durability: ChannelDurability = "default",
    ) -> None:
        """Append without a coroutine.

        Args:
            partition: where to, by the present partition count.
            payload: the `payload` field.
            on_appended: told the outcome exactly once, never before this returns.
            dedup: how to recognise a resend; None appends in any case.
            durability: what must have happened before it is confirmed; one that was opened.
        """
        submission = Submission(self._held, payload, on_appended, dedup, durability)
        if self._held.is_holding or (dedup is not None and self._marks.may_be):
            self._held.add(submission)
        else:
            self.send(partition, submission)

    def send(self, partition: int, submission: Submission) -> None:
        enqueue = self._enqueuers[submission.durability][partition]
        refusal = self._refusals[partition]
        payload, dedup = submission.payload, submission.dedup
        if refusal is not None:
            self._loop.call_soon(submission.on_appended, StreamsFullError(refusal))
        elif dedup is None:
            command = b"%b%d\r\n%b\r\n" % (self._heads[partition], len(payload), payload)
            enqueue(command, submission, None)
        else:
            key = self._keys.dedup(partition, dedup_digest(dedup.key))
            call = (2, self._streams[partition], key, payload, dedup.reply, dedup.window_ms)
            enqueue(pack(("EVALSHA", self._script.sha, *call)), submission, call)

    def submit_traced(
        self,
        trace: TraceContext,
        partition: int,
        payload: bytes,
        on_appended: OnAppended,
        *,
        dedup: Dedup | None,
        durability: ChannelDurability,
    ) -> None:
        """Append as `submit` does, and keep a trace beside the payload."""
        told = (on_appended, dedup, durability)
        submission = TracedSubmission(self._held, payload, *told, trace=trace)
        if self._held.is_holding or (dedup is not None and self._marks.may_be):
            self._held.add(submission)
        else:
            self.send_again(partition, submission)

    def send_again(self, partition: int, submission: Submission) -> None:
        """Append to a partition, with a trace or without. See held_appends.Sender."""
        if self._refusals[partition] is not None or not isinstance(submission, TracedSubmission):
            self.send(partition, submission)
            return
        stream, dedup, fields = self._streams[partition], submission.dedup, submission.trace.fields
        command: Command = ("XADD", stream, "*", "payload", submission.payload, *fields)
        call: Command | None = None
        if dedup is not None:
            key = self._keys.dedup(partition, dedup_digest(dedup.key))
            call = (2, stream, key, submission.payload, dedup.reply, dedup.window_ms, *fields)
            command = ("EVALSHA", self._script.sha, *call)
        self._enqueuers[submission.durability][partition](pack(command), submission, call)

    def confirm(self, mark: Mark, submission: Submission) -> None:
        """Tell that a message was appended before, once that is as durable as it must be."""

        def on_written(outcome: Appended | Exception) -> None:
            submission.on_appended(outcome if isinstance(outcome, Exception) else mark.appended)

        # WAIT and WAITAOF need a write to wait for.
        write = pack(("SET", mark.key, mark.text, "XX", "KEEPTTL"))
        self._enqueuers[submission.durability][mark.partition](write, on_written, None)

    async def append(
        self,
        partition: int,
        payload: bytes,
        dedup: Dedup | None = None,
        durability: ChannelDurability = "default",
    ) -> Appended:
        """Append and wait. See contracts.EntryAppender.append."""
        outcome, on_appended = self._outcome_future()
        self.submit(partition, payload, on_appended, dedup, durability)
        return await outcome

    async def check(self) -> None:
        """Ask whether each server would take and confirm an append of each open level now.

        Raises:
            StreamsError: as an append would: unreachable, full, read-only, no right, not as
                durable as it should be. That a backlog is full does not count.
        """
        outcomes = []
        for durability, pipeline in self._levels.items():
            for stream in pipeline.one_for_each_server():
                outcome, on_appended = self._outcome_future()
                command = self._check_command(durability, stream)
                pipeline.enqueuer(stream)(command, on_appended, None)
                outcomes.append(outcome)
        for result in await asyncio.gather(*outcomes, return_exceptions=True):
            if isinstance(result, BaseException):
                raise result

    async def close(self) -> None:
        """Take no more, wait for what was taken, and close the connections."""
        await self._held.close()
        await asyncio.gather(*(pipeline.close() for pipeline in self._levels.values()))

    def _pipeline(self, barrier: Barrier | None) -> Pipeline | ClusterPipeline:
        limit_seconds = self._settings.command_timeout_seconds
        connector, cluster = self._connector, self._connector.cluster
        if cluster is None:
            return Pipeline(
                connector,
                self._streams[0],
                self._script,
                limit_seconds,
                barrier,
                introduce=self._route.introduce,
            )
        return ClusterPipeline(
            connector,
            cluster,
            self._script,
            limit_seconds,
            barrier,
            introduce=self._route.introduce,
        )

    def _cover(self, view: LayoutView) -> None:
        """Be able to append to every partition of a layout, and to look after former ones."""
        self._backlog.cover(view.partition_count)
        for partition in range(len(self._streams), view.ever_count):
            stream = self._keys.stream(partition)
            self._streams.append(stream)
            head = pack(("XADD", stream, "*", "payload", ""))
            self._heads.append(head.removesuffix(b"0\r\n\r\n"))
            for durability, pipeline in self._levels.items():
                self._enqueuers[durability].append(pipeline.enqueuer(stream))

    def _take_back(self, view: LayoutView) -> None:
        """Hold what was routed by the layout before and is not sent yet."""
        del view
        with self._held.taking_back():
            for pipeline in self._levels.values():
                pipeline.fail_waiting(StreamSealedError("the partition count has changed"))

    async def name_connections(self) -> bool:
        """Make the connections known under the present generation, behind all that was sent."""
        outcomes = []
        for pipeline in self._levels.values():
            for stream in pipeline.one_for_each_server():
                outcome, on_named = self._outcome_future()
                pipeline.enqueuer(stream)(pack(self._route.naming), on_named, None)
                outcomes.append(outcome)
        results = await asyncio.gather(*outcomes, return_exceptions=True)
        return not any(isinstance(result, BaseException) for result in results)

    def _check_command(self, durability: Durability, stream: str) -> bytes:
        if durability == "memory":
            # With NOMKSTREAM and a key that does not exist this stores nothing, yet the server
            # refuses it whenever it refuses writes.
            return pack(("XADD", self._keys.probe(stream), "NOMKSTREAM", "*", "payload", ""))
        # What waits for a write needs one.
        return pack(("SET", self._keys.check(stream), "", "PX", CHECK_KEY_MS))

    def _outcome_future(self) -> tuple[asyncio.Future[Appended], OnAppended]:
        future: asyncio.Future[Appended] = self._loop.create_future()

        def on_appended(outcome: Appended | Exception) -> None:
            if future.done():  # the caller was cancelled
                return
            if isinstance(outcome, Exception):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)

        return future, on_appended
