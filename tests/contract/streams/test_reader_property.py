"""Whatever happens in whatever order: nothing is lost, and each owner sees the stream's order."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, TypeVar

from hypothesis import given, settings
from hypothesis import strategies as st

from realtime_message.errors import LeaseLostError, StreamsUnavailableError
from realtime_message.settings import RedisSettings
from realtime_message.streams import open_streams
from realtime_message.streams.contracts import Entry, PartitionReader
from realtime_message.testing import Line, MemoryStreams
from support.streams_outside import AnyStreams, end_lease
from support.valkey_server import ValkeyServer, unique_prefix

T = TypeVar("T")

ACTIONS = st.one_of(
    st.tuples(st.just("append"), st.integers(1, 5)),
    st.tuples(st.just("cycle"), st.integers(1, 4)),
    st.tuples(st.just("acknowledge"), st.integers(1, 4)),
    st.tuples(st.just("cancel"), st.integers(0, 12)),
    st.tuples(st.just("cut"), st.just(0)),
    st.tuples(st.just("take_over"), st.just(0)),
    st.tuples(st.just("bury"), st.just(0)),
    st.tuples(st.just("destroy_group"), st.just(0)),
)


class ReplyLosingLine(Line):
    """Loses a reply when it is told to; what was asked for is done."""

    loses_next_reply = False

    async def call(self, name: str, partition: int, step: Callable[[], T]) -> T:
        for _ in range(3):
            await asyncio.sleep(0)
        answer = self.call_now(name, partition, step)
        await asyncio.sleep(0)
        if self.loses_next_reply and name in ("cycle", "claim_pending"):
            self.loses_next_reply = False
            raise StreamsUnavailableError("the reply was lost")
        return answer


class Model:
    """One partition, its present owner, and what that owner has been given."""

    def __init__(self, streams: AnyStreams) -> None:
        self.streams = streams
        self.appended: list[str] = []
        #: What was acknowledged or buried: done for good.
        self.done: set[str] = set()
        self.reader: PartitionReader | None = None
        self.former: list[PartitionReader] = []
        #: What the present owner was given, in order, and what of it is not done.
        self.given: list[str] = []
        self.open: list[Entry] = []
        self.is_claiming = True

    async def run(self, actions: list[tuple[str, int]]) -> None:
        await self.take_over(0)
        for name, number in actions:
            with contextlib.suppress(StreamsUnavailableError):
                await getattr(self, name)(number)
        await self._drain()

    async def append(self, count: int) -> None:
        appender = await self.streams.appender()
        for _ in range(count):
            self.appended.append((await appender.append(0, b"x")).entry_id)

    async def cycle(self, count: int) -> None:
        assert self.reader is not None
        if self.is_claiming:
            entries = await self.reader.claim_pending(count)
            self.is_claiming = bool(entries)
        else:
            entries = await self.reader.cycle([], count)
        self._take(entries)

    async def acknowledge(self, count: int) -> None:
        assert self.reader is not None
        if self.is_claiming:
            return
        ids = [entry.id for entry in self.open[:count]]
        try:
            entries = await self.reader.cycle(ids, 0)
        except StreamsUnavailableError:
            entries = await self.reader.cycle(ids, 0)
        self._finish(ids)
        self._take(entries)

    async def cancel(self, turns: int) -> None:
        assert self.reader is not None
        read: Any = self.reader.claim_pending if self.is_claiming else None
        task = asyncio.create_task(read(3) if read else self.reader.cycle([], 3))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            entries = await task
            self.is_claiming = self.is_claiming and bool(entries)
            self._take(entries)

    async def cut(self, _: int) -> None:
        assert self.reader is not None
        if isinstance(self.streams, MemoryStreams):
            self.streams.line.loses_next_reply = True
        elif self.reader._fence._wire is not None:
            self.reader._fence._wire.drop("was cut by the test")

    async def take_over(self, _: int) -> None:
        await end_lease(self.streams, 0)
        lease = await self.streams.leases.acquire(0, f"w{len(self.former)}", 60)
        assert lease is not None
        if self.reader is not None:
            with contextlib.suppress(StreamsUnavailableError):
                await self._must_be_fenced(self.reader)
            self.former.append(self.reader)
        self.reader = self.streams.reader(lease, f"worker-{len(self.former)}-1")
        self.given, self.open, self.is_claiming = [], [], True

    async def bury(self, _: int) -> None:
        assert self.reader is not None
        if self.open:
            entry = self.open[0]
            await self.reader.bury(entry, reason="r", error="e", attempts=1)
            self._finish([entry.id])

    async def destroy_group(self, _: int) -> None:
        # Only once the owner knows where the group was: else it must begin anew and repeat.
        assert self.reader is not None
        if isinstance(self.streams, MemoryStreams):
            return
        if not self.is_claiming and self.reader._read_to is not None:
            keys = self.streams.keys
            await self.streams._session.run("XGROUP", "DESTROY", keys.stream(0), keys.group(0))
            self._take(await self.reader.cycle([], 1))

    async def _must_be_fenced(self, reader: PartitionReader) -> None:
        try:
            await reader.cycle([entry.id for entry in self.open], 10)
        except LeaseLostError:
            return
        raise AssertionError("a former owner read or acknowledged")

    async def _drain(self) -> None:
        assert self.reader is not None
        for _ in range(10_000):
            try:
                await self.cycle(50)
                if not self.is_claiming:
                    before = len(self.given)
                    await self.cycle(50)
                    await self.acknowledge(len(self.open))
                    if len(self.given) == before and not self.open:
                        break
            except StreamsUnavailableError:
                continue
        assert self.done == set(self.appended)
        assert (await self.streams.inspect.partitions())[0].pending == 0

    def _take(self, entries: list[Entry]) -> None:
        for entry in entries:
            assert entry.id not in self.done, "what was done came again"
            assert entry.id not in self.given, "one owner was given an entry twice"
            assert not self.given or _place(self.given[-1]) < _place(entry.id), "out of order"
            self.given.append(entry.id)
            self.open.append(entry)

    def _finish(self, ids: list[str]) -> None:
        self.done |= set(ids)
        self.open = [entry for entry in self.open if entry.id not in self.done]


def _place(entry_id: str) -> tuple[int, int]:
    milliseconds, number = entry_id.split("-")
    return int(milliseconds), int(number)


@settings(max_examples=60, deadline=None)
@given(st.lists(ACTIONS, max_size=30))
def test_nothing_is_lost_and_order_is_kept(
    valkey: ValkeyServer, actions: list[tuple[str, int]]
) -> None:
    """Appends, reads, acknowledgements, burials, cancelled calls, cut connections, destroyed
    groups and take-overs in any order."""

    async def run() -> None:
        streams = await open_streams(
            RedisSettings(
                url=valkey.url,
                prefix=unique_prefix(),
                partition_count=1,
                command_timeout_seconds=10.0,
            )
        )
        model = Model(streams)
        try:
            await model.run(actions)
        finally:
            for reader in [*model.former, model.reader]:
                if reader is not None:
                    await reader.close()
            await streams.close()

    asyncio.run(run())


@settings(max_examples=300, deadline=None)
@given(st.lists(ACTIONS, max_size=30))
def test_the_same_holds_in_memory(actions: list[tuple[str, int]]) -> None:
    """Streams in memory keep what a server keeps, also when replies are lost."""

    async def run() -> None:
        await Model(MemoryStreams(1, line=ReplyLosingLine())).run(actions)

    asyncio.run(run())
