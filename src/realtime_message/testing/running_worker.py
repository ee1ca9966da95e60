"""A whole worker in the current event loop, on streams in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from realtime_message.app import App
from realtime_message.errors import StreamsUnavailableError
from realtime_message.settings import WorkerSettings
from realtime_message.telemetry.worker_metrics import Outcome, WorkerMetrics
from realtime_message.testing.memory.line import Line
from realtime_message.testing.memory.streams import MemoryStreams
from realtime_message.worker.equipment import Equipment
from realtime_message.worker.lease_keeper import LeaseKeeper
from realtime_message.worker.lifecycle import StopRequest
from realtime_message.worker.names import make_names
from realtime_message.worker.settle import Observer
from realtime_message.worker.worker import Worker

if TYPE_CHECKING:
    from realtime_message.telemetry.tracing import Tracing

T = TypeVar("T")

_LEASE_SECONDS = 3.0


class InlineKeeper(LeaseKeeper):
    """Renews in a task of the event loop, so that virtual time holds for it too."""

    def start(self) -> None:
        """Start the task."""
        self._task = asyncio.get_running_loop().create_task(self._keep())

    def stop(self) -> None:
        """End the task."""
        self._task.cancel()

    async def _keep(self) -> None:
        pause = self.turn()
        while True:
            await asyncio.sleep(pause)
            pause = self.turn()


class RecordedReplies:
    """In the place of Centrifugo's server API: remembers what handlers answer.

    Attributes:
        calls: channel (or channels, or user), data (or code), idempotency key (or reason).
    """

    def __init__(self) -> None:
        self.calls: list[tuple[Any, Any, str]] = []

    async def publish(self, channel: str, data: Any, *, idempotency_key: str) -> None:
        """Remember a publication."""
        self.calls.append((channel, data, idempotency_key))

    async def broadcast(self, channels: Sequence[str], data: Any, *, idempotency_key: str) -> None:
        """Remember a publication to several channels."""
        self.calls.append((tuple(channels), data, idempotency_key))

    async def disconnect(self, user: str, *, code: int, reason: str) -> None:
        """Remember a disconnect."""
        self.calls.append((user, code, reason))


class _ProcessLine(Line):
    """The line of one process: it is cut when the process ends without a word."""

    def __init__(self, shared: Line) -> None:
        super().__init__()
        self._shared = shared
        self._is_cut = False

    def cut(self) -> None:
        self._is_cut = True

    async def call(self, name: str, partition: int, step: Callable[[], T]) -> T:
        self._check()
        return await self._shared.call(name, partition, step)

    def call_now(self, name: str, partition: int, step: Callable[[], T]) -> T:
        self._check()
        return self._shared.call_now(name, partition, step)

    def _check(self) -> None:
        if self._is_cut:
            raise StreamsUnavailableError("this process has crashed")


class RunningWorker:
    """A worker that runs in the current event loop until it is stopped.

    Args:
        streams: shared by all workers of a test.
        app: the handlers.
        name: the worker's name.
        resources: what handlers take by name.
        replies: what handlers answer with.
        observe: is told of every attempt, besides the metrics.
        tracing: makes spans; None for none.
        settings: what differs from the defaults.

    Attributes:
        worker: the worker itself.
        metrics: its numbers.
        replies: what its handlers answered.
    """

    def __init__(
        self,
        streams: MemoryStreams,
        app: App,
        name: str = "a",
        resources: Mapping[str, Any] | None = None,
        *,
        replies: RecordedReplies | None = None,
        observe: Observer | None = None,
        tracing: Tracing | None = None,
        **settings: Any,
    ) -> None:
        self.metrics = WorkerMetrics()
        self.replies = replies if replies is not None else RecordedReplies()
        self._observers: list[Observer] = [self.metrics.attempt_done]
        if observe is not None:
            self._observers.append(observe)
        self._stop_request = StopRequest()
        self._line = _ProcessLine(streams.line)
        self.worker = Worker(
            Equipment(
                settings=WorkerSettings(
                    **{"lease_seconds": _LEASE_SECONDS, "id": name, **settings}
                ),
                app=app,
                resources=resources or {},
                streams=MemoryStreams(server=streams.server, line=self._line),
                names=make_names(name),
                replies=self.replies,
                metrics=self.metrics,
                observe=self._observe,
                clock=asyncio.get_running_loop().time,
                tracing=tracing,
            ),
            InlineKeeper,
        )
        self.task = asyncio.create_task(self.worker.run(self._stop_request))

    @property
    def partitions(self) -> list[int]:
        """The partitions whose lease it holds."""
        return sorted(self.worker.ownership.in_hand())

    def count(self, outcome: Outcome) -> int:
        """How many attempts ended so."""
        return self.metrics.total(outcome)

    def ask_to_stop(self) -> None:
        """Ask to drain; a second time, to end at once."""
        self._stop_request.ask()

    async def stop(self) -> None:
        """Drain and wait for the end."""
        self.ask_to_stop()
        await self.task

    async def crash(self) -> None:
        """End without a word to anyone: no acknowledgement, no release."""
        self._line.cut()
        self.ask_to_stop()
        self.ask_to_stop()
        await asyncio.gather(self.task, return_exceptions=True)

    def _observe(self, *attempt: Any) -> None:
        for observer in self._observers:
            observer(*attempt)
