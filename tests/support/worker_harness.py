"""Whole workers on streams in memory and in virtual time: leases run out in milliseconds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from realtime_message.app import App
from realtime_message.settings import WorkerSettings
from realtime_message.telemetry.worker_metrics import Outcome, WorkerMetrics
from realtime_message.worker.equipment import Equipment
from realtime_message.worker.lease_keeper import LeaseKeeper
from realtime_message.worker.lifecycle import StopRequest
from realtime_message.worker.names import make_names
from realtime_message.worker.observation import Observation
from realtime_message.worker.worker import Worker
from support.memory_streams import MemoryStreams


class InlineKeeper(LeaseKeeper):
    """Renews in a task of the event loop, so that virtual time holds for it too."""

    def start(self) -> None:
        self._task = asyncio.create_task(self._keep())

    def stop(self) -> None:
        self._task.cancel()

    async def _keep(self) -> None:
        pause = self.turn()
        while True:
            await asyncio.sleep(pause)
            pause = self.turn()


class NoReplies:
    """Remembers what handlers answer."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any, str]] = []

    async def publish(self, channel: str, data: Any, *, idempotency_key: str) -> None:
        self.calls.append((channel, data, idempotency_key))

    async def broadcast(self, channels: Any, data: Any, *, idempotency_key: str) -> None:
        self.calls.append((tuple(channels), data, idempotency_key))

    async def disconnect(self, user: str, *, code: int, reason: str) -> None:
        self.calls.append((user, code, reason))


class RunningWorker:
    """A worker that runs in the test's event loop.

    Args:
        streams: shared by all workers of the test.
        app: the handlers.
        name: the worker's name.
        resources: what handlers take by name.
        settings: what differs from the defaults.
    """

    def __init__(
        self,
        streams: MemoryStreams,
        app: App,
        name: str = "a",
        resources: dict[str, Any] | None = None,
        **settings: Any,
    ) -> None:
        self.metrics = WorkerMetrics()
        self.replies = NoReplies()
        self.stop_request = StopRequest()
        observation = Observation(self.metrics, None)
        self.worker = Worker(
            Equipment(
                settings=WorkerSettings(**{"lease_seconds": 3.0, "id": name, **settings}),
                app=app,
                resources=resources or {},
                streams=streams,
                names=make_names(name),
                replies=self.replies,
                metrics=self.metrics,
                observe=observation.attempt_done,
                clock=asyncio.get_running_loop().time,
            ),
            InlineKeeper,
        )
        self.task = asyncio.create_task(self.worker.run(self.stop_request))

    @property
    def partitions(self) -> list[int]:
        """The partitions whose lease it holds."""
        return sorted(self.worker.ownership.in_hand())

    def count(self, outcome: Outcome) -> int:
        """How many attempts ended so."""
        return self.metrics.total(outcome)

    async def stop(self) -> None:
        """Drain and wait for the end."""
        self.stop_request.ask()
        await self.task

    async def crash(self) -> None:
        """End without a word to anyone: no acknowledgement, no release."""

        async def nothing(*_arguments: object) -> None:
            pass

        self.worker._drain = nothing
        self.worker.keeper.stop()
        self.worker.watch.stop()
        self.task.cancel()
        await self.worker.ownership.cancel()
        await self.worker.handling.close()
        await asyncio.gather(self.task, return_exceptions=True)


async def until(condition: Callable[[], bool], timeout_seconds: float = 60.0) -> None:
    """Wait for a condition in the loop's time."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout_seconds
    while not condition():
        assert loop.time() < deadline, "the condition did not come true in time"
        await asyncio.sleep(0.01)
