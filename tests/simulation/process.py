"""One simulated process: the real worker in an event loop of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from realtime_message.app import App
from realtime_message.settings import WorkerSettings
from realtime_message.telemetry.worker_metrics import WorkerMetrics
from realtime_message.testing import InlineKeeper, MemoryServer, RecordedReplies
from realtime_message.worker.equipment import Equipment
from realtime_message.worker.lifecycle import StopRequest
from realtime_message.worker.names import Names
from realtime_message.worker.worker import Worker
from simulation.clockwork import ProcessLoop, World
from simulation.history import AtWork, History, SimulatedMessage
from simulation.network import SimulatedStreams, Weather

_CLEANUP_ROUNDS = 20


class _InOrder(dict[Any, None]):
    """A set that is gone through in the order in which things came, so that a seed says all."""

    def add(self, item: Any) -> None:
        self[item] = None

    def discard(self, item: Any) -> None:
        self.pop(item, None)


class _Keeper(InlineKeeper):
    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._holds = _InOrder()


@dataclass(frozen=True)
class Surroundings:
    """What the processes of a schedule share.

    Attributes:
        world: the time they live in.
        server: the streams.
        weather: how their calls fare.
        history: what they tell.
    """

    world: World
    server: MemoryServer
    weather: Weather
    history: History


class Process:
    """A worker that lives in a world.

    Args:
        shared: what it shares with the others.
        app: the handlers.
        settings: the worker's.
        name: the worker's name; `life` tells its processes apart.
        on_death: kills this process.
        is_shuffled: see ProcessLoop.
        clock_rate: how fast its clock is.
    """

    def __init__(
        self,
        shared: Surroundings,
        app: App,
        settings: WorkerSettings,
        *,
        name: str,
        life: int,
        on_death: Callable[[Process], None],
        is_shuffled: bool,
        clock_rate: float,
    ) -> None:
        self.world, self.server = shared.world, shared.server
        self.weather, self.history = shared.weather, shared.history
        self.name = f"{name}.{life}"
        self.worker_name = name
        self.is_gone = False
        self.is_standing = False
        self.is_clock_wrong = False
        self.clock_offset = 0.0
        self._clock_rate = clock_rate
        self._on_death = on_death
        self.loop = ProcessLoop(shared.world, is_shuffled=is_shuffled, on_error=self._on_error)
        self.loop.process = self
        self.stop_request: StopRequest
        self.task: asyncio.Task[None]
        self.loop.call_soon(self._start, app, settings)

    def clock(self) -> float:
        return self.world.now * self._clock_rate + self.clock_offset

    def begin(self, message: SimulatedMessage, epoch: int) -> AtWork:
        """A handler begins."""
        if self.is_gone:
            raise asyncio.CancelledError
        self.history.note(self.world.now, self.name, "begins", message.channel, message.number)
        current = self.server.partitions[message.partition].epoch
        return self.history.begins(self, message, epoch, current)

    def end(self, work: AtWork, *, is_success: bool) -> None:
        """A handler has ended."""
        if not self.is_gone:
            message = work.message
            self.history.note(
                self.world.now, self.name, "ends", message.channel, message.number, is_success
            )
            self.history.ends(work, is_success=is_success)

    def epoch_of(self, partition: int) -> int:
        """Under which epoch this process believes to hold a partition."""
        return next(
            held.hold.lease.epoch
            for held in self.worker.ownership.held()
            if held.number == partition
        )

    def die_soon(self) -> None:
        """A handler kills its process."""
        if not self.is_gone:
            self.world.plan(self.world.now, self._on_death, self)

    def stand_still(self) -> None:
        """Do nothing more, as after SIGSTOP; replies wait."""
        self.is_standing = True
        self.loop.stand_still()
        self.history.excuse(self)

    def go_on(self, suspended_seconds: float = 0.0) -> None:
        """Go on, as after SIGCONT; or after a suspend, in which the loop's clock stood still."""
        if not self.is_gone:
            self.is_standing = False
            self.loop.go_on(suspended_seconds)

    def jump(self, seconds: float) -> None:
        """Let the clock jump."""
        self.clock_offset += seconds
        if seconds < 0:
            self.is_clock_wrong = True
            self.history.excuse(self)

    def vanish(self) -> None:
        """End without a word, as after SIGKILL."""
        self.is_gone = True
        self.history.vanished(self)
        self._clean_up()

    @property
    def has_ended(self) -> bool:
        return self.is_gone or (self._is_started and self.task.done())

    _is_started = False

    def _start(self, app: App, settings: WorkerSettings) -> None:
        self._is_started = True
        self.stop_request = StopRequest()
        self.worker = Worker(
            Equipment(
                settings=settings,
                app=app,
                resources={},
                streams=SimulatedStreams(self.server, self),
                names=Names(self.worker_name, self.name, f"worker-{self.name}"),
                replies=RecordedReplies(),
                metrics=WorkerMetrics(),
                observe=_ignore,
                clock=self.clock,
            ),
            _Keeper,
        )
        self.task = self.loop.create_task(self.worker.run(self.stop_request))
        self.task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not self.is_gone and not task.cancelled() and task.exception() is not None:
            raise self.history.refuse(f"{self.name} ended by {task.exception()!r}")

    def _on_error(self, context: dict[str, Any]) -> None:
        if not self.is_gone:
            raise self.history.refuse(f"unhandled in {self.name}: {context}")

    def _clean_up(self) -> None:
        """Close what is left, so that nothing is destroyed while it waits."""
        asyncio._set_running_loop(self.loop)
        try:
            for task in self.loop.tasks:
                if not task.done():
                    task._log_destroy_pending = False
                    _close(task.get_coro())
        finally:
            asyncio._set_running_loop(None)
        self.loop.forget()


def _close(coroutine: Coroutine[Any, Any, Any]) -> None:
    for _ in range(_CLEANUP_ROUNDS):
        try:
            coroutine.close()
        except RuntimeError:
            continue  # it waits for something before it ends
        except Exception:  # noqa: BLE001 - nobody is left to be told
            return
        return


def _ignore(*_attempt: object) -> None:
    """Stand for the metrics."""
