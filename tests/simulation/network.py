"""How the calls of a simulated process reach the streams: late, not at all, or without a reply."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from realtime_message.errors import StreamsRefusedError, StreamsUnavailableError
from realtime_message.streams.contracts import Lease
from realtime_message.testing import Line, MemoryServer, MemoryStreams
from realtime_message.testing.memory.parking import MemoryChannelParker
from realtime_message.testing.memory.reader import MemoryPartitionReader

if TYPE_CHECKING:
    from simulation.process import Process

T = TypeVar("T")

TIMEOUT_SECONDS = 0.4

#: What may only be done under the partition's own epoch.
FENCED = frozenset(
    {
        "bury",
        "claim_pending",
        "cycle",
        "finish",
        "park",
        "record_attempt",
        "set_aside",
        "unpark",
    }
)


class Weather:
    """How bad the network and the server are in one schedule.

    Attributes:
        fault_rate: the share of calls that fail.
        slow_rate: the share of calls that take long.
        resumes_at: until when the server stands still.
    """

    def __init__(self, fault_rate: float, slow_rate: float) -> None:
        self.fault_rate = fault_rate
        self.slow_rate = slow_rate
        self.resumes_at = 0.0


class SimulatedLine(Line):
    """Carries the calls of one process.

    Args:
        process: the caller.
        lease: under which it is done; None for calls without one.
    """

    def __init__(self, process: Process, lease: Lease | None = None) -> None:
        super().__init__()
        self._process = process
        self._world = process.world
        self._weather = process.weather
        self._lease = lease
        self._last_at = 0.0

    async def call(self, name: str, partition: int, step: Callable[[], T]) -> T:
        process, world, weather = self._process, self._world, self._weather
        if process.is_gone:
            raise StreamsUnavailableError("the process is gone")
        future: asyncio.Future[T] = process.loop.create_future()
        random = world.random.random
        delay = 0.0005 + 0.004 * random()
        if weather.slow_rate and random() < weather.slow_rate:
            delay += 0.8 * random()
        # Calls on one connection keep their order.
        at = self._last_at = max(world.now + delay, self._last_at, weather.resumes_at)
        fault = random() / weather.fault_rate if weather.fault_rate else 1.0
        world.plan(at, self._arrive, future, name, partition, step, fault)
        if at > world.now + TIMEOUT_SECONDS or fault < 1.0:
            world.plan(world.now + TIMEOUT_SECONDS, self._time_out, future)
        return await future

    def call_now(self, name: str, partition: int, step: Callable[[], T]) -> T:
        weather, random = self._weather, self._world.random.random
        if self._process.is_gone or self._world.now < weather.resumes_at:
            raise StreamsUnavailableError("no answer")
        fault = random() / weather.fault_rate if weather.fault_rate else 1.0
        if fault < 0.5:
            raise StreamsUnavailableError("not sent")
        answer = step()
        self._process.history.note(self._world.now, self._process.name, name)
        if fault < 1.0:
            raise StreamsUnavailableError("the reply was lost")
        return answer

    def _arrive(
        self,
        future: asyncio.Future[Any],
        name: str,
        partition: int,
        step: Callable[[], Any],
        fault: float,
    ) -> None:
        if fault < 0.15:
            return  # lost on its way: it runs into the time-out
        if fault < 0.5:
            is_refused = fault < 0.25
            refused, unsent = StreamsRefusedError("READONLY"), StreamsUnavailableError("not sent")
            self._fail(future, refused if is_refused else unsent)
            return
        try:
            answer = step()
        except Exception as error:  # noqa: BLE001 - it is the answer
            self._process.history.note(self._world.now, self._process.name, name, partition, error)
            self._fail(future, error)
            return
        self._done(name, partition, answer)
        if fault < 0.8:
            self._fail(future, StreamsUnavailableError("the reply was lost"))
        elif fault >= 1.0 and not future.done() and not self._process.is_gone:
            future.set_result(answer)
        # Else the reply is lost in silence: it runs into the time-out.

    def _done(self, name: str, partition: int, answer: Any) -> None:
        """The server has done a step: look whether it may."""
        history, lease = self._process.history, self._lease
        self._check_fence(name, partition)
        if name == "release" and answer:
            history.released.add((partition, self._process.server.partitions[partition].epoch))
        elif name == "claim_pending" and lease is not None:
            for pending in answer:
                if (message := history.by_entry.get(pending.entry.id)) is not None:
                    message.takeovers.add(lease.epoch)
        history.note(self._world.now, self._process.name, name, partition, answer)

    def _check_fence(self, name: str, partition: int) -> None:
        lease = self._lease
        if lease is not None and name in FENCED:
            epoch = self._process.server.partitions[partition].epoch
            if lease.epoch != epoch:
                raise self._process.history.refuse(
                    f"{self._process.name} does {name} in partition {partition} under epoch "
                    f"{lease.epoch}, which is past"
                )

    def _time_out(self, future: asyncio.Future[Any]) -> None:
        self._fail(future, StreamsUnavailableError("no answer in time"))

    def _fail(self, future: asyncio.Future[Any], error: Exception) -> None:
        if not future.done() and not self._process.is_gone:
            future.set_exception(error)


class SimulatedStreams(MemoryStreams):
    """The streams as one process sees them."""

    def __init__(self, server: MemoryServer, process: Process) -> None:
        super().__init__(server=server, line=SimulatedLine(process))
        self._process = process

    def reader(self, lease: Lease, consumer: str) -> MemoryPartitionReader:
        line = SimulatedLine(self._process, lease)
        return MemoryPartitionReader(self.server, line, lease, consumer)

    def parker(self, lease: Lease) -> MemoryChannelParker:
        line = SimulatedLine(self._process, lease)
        return MemoryChannelParker(self.server, line, lease)
