"""One schedule: what is appended, what goes wrong and when, all from one seed."""

from __future__ import annotations

import random as global_random
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from realtime_message.message import encode_message
from realtime_message.partitions import partition_of
from realtime_message.settings import WorkerSettings
from realtime_message.streams.contracts import Entry
from realtime_message.testing import MemoryServer
from realtime_message.testing.memory.state import MemoryDeadLetter
from realtime_message.testing.memory.streams import make_message
from simulation.behaviours import (
    HANDLER_TIMEOUT_SECONDS,
    Behaviour,
    Handlers,
    choose_behaviour,
)
from simulation.clockwork import World
from simulation.history import MAX_ATTEMPTS, History, SimulatedMessage, ViolationError
from simulation.network import Weather
from simulation.process import Process, Surroundings
from simulation.snapshot import Snapshot

LEASE_SECONDS = 0.75
#: After the last fault, everything must be done within this time: less than it takes the worker's
#: own watch to notice a partition that stands still, so that this does not hide anything.
PATIENCE_SECONDS = 28.0

_STEPS_BETWEEN_LOOKS = 8

_HANDLERS = {is_batched: Handlers(is_batched=is_batched) for is_batched in (False, True)}
_CHANNELS = ("c0", "c1", "c2")


class _Told(list):
    """A list that tells somebody of what is put in."""

    def __init__(self, tell) -> None:
        super().__init__()
        self.tell = tell

    def append(self, item) -> None:
        super().append(item)
        self.tell(item)


@dataclass
class Outcome:
    """What a schedule was, for statistics."""

    duplicates: int
    seconds: float
    faults: tuple[str, ...]
    messages: int
    lines: list[str]


class Schedule:
    """Runs one schedule.

    Args:
        seed: decides everything.
        keeps_trace: whether what happens is written down.
    """

    def __init__(self, seed: int, *, keeps_trace: bool = False) -> None:
        self.random = Random(seed)
        self.world = World(self.random)
        self.history = History(keeps_trace=keeps_trace)
        choose = self.random
        self.server = MemoryServer(choose.choice((1, 2, 2, 3)), lambda: self.world.now)
        for state in self.server.partitions:
            state.acknowledged = _Told(self.history.acknowledged)
            state.dead = _Told(self._buried)
        self.weather = Weather(
            choose.choice((0.0, 0.0, 0.03, 0.1, 0.3)), choose.choice((0.0, 0.0, 0.05, 0.2))
        )
        self.settings = WorkerSettings(
            lease_seconds=LEASE_SECONDS,
            max_attempts=MAX_ATTEMPTS,
            backoff_initial_seconds=0.03,
            backoff_max_seconds=0.1,
            handler_timeout_seconds=HANDLER_TIMEOUT_SECONDS,
            dead_letter_policy=choose.choice(("skip", "halt_channel")),
            concurrency=choose.choice((1, 2, 100)),
            max_buffered_messages=choose.choice((1, 2, 1000)),
            drain_timeout_seconds=choose.choice((0.2, 20.0)),
            max_blocked_seconds=0,
        )
        self.app = _HANDLERS[choose.random() < 0.2].app
        self.is_shuffled = choose.random() < 0.5
        self.processes: list[Process] = []
        self.lives = 0
        self.faults: list[str] = []
        self._calm_at = self.world.now

    def run(self) -> Outcome:
        """Run it to the end.

        Raises:
            ViolationError: a guarantee was broken.
        """
        state = global_random.getstate()
        # The worker's jitter.
        global_random.seed(self.random.random())
        try:
            self._plan()
            self._run_until_done()
            return Outcome(
                self.history.duplicates,
                self.world.now - 1000.0,
                tuple(self.faults),
                len(self.history.by_entry),
                self.history.lines,
            )
        finally:
            global_random.setstate(state)
            for process in self.processes:
                if not process.is_gone:
                    process.vanish()

    def _plan(self) -> None:
        choose = self.random
        worker_count = choose.choice((1, 2, 2, 2, 2, 3))
        for number in range(worker_count):
            self._at(choose.random() * 0.05, self.start, f"w{number}")
        channels = _CHANNELS[: choose.choice((1, 2, 3))]
        self._plan_appends(channels, choose.randint(3, 8))
        for _ in range(choose.choice((0, 1, 1, 2, 3))):
            self._plan_fault(choose.random() * 0.5)
        self.world.plan(self._calm_at, self._be_calm)

    def _at(self, after: float, action, *arguments) -> None:
        at = 1000.0 + after
        self._calm_at = max(self._calm_at, at + 1e-6)
        self.world.plan(at, action, *arguments)

    def _plan_appends(self, channels: Sequence[str], count: int) -> None:
        choose = self.random
        times = sorted(choose.random() * 0.4 for _ in range(count))
        for number, after in enumerate(times):
            behaviour = choose_behaviour(choose)
            self._at(after, self.append, choose.choice(channels), number, behaviour)

    def append(self, channel: str, number: int, behaviour: Behaviour) -> None:
        partition = partition_of(channel, len(self.server.partitions))
        identifier = f"m{number}"
        payload = b"{" if behaviour.kind == "broken" else None
        if payload is None:
            payload = encode_message(make_message(channel, "", number, partition))
        else:
            channel = f"broken {partition}"
        place = len(self.history.channels.get(channel, ()))
        message = SimulatedMessage(identifier, channel, place, behaviour, partition=partition)
        message.entry_id = self.server.next_id()
        self.history.appended(message)
        self.history.note(self.world.now, "append", channel, place, behaviour)
        self.server.append_entry(partition, Entry(message.entry_id, payload))

    def start(self, name: str) -> None:
        self.lives += 1
        self.history.note(self.world.now, "start", name, self.lives)
        process = Process(
            Surroundings(self.world, self.server, self.weather, self.history),
            self.app,
            self.settings,
            name=name,
            life=self.lives,
            on_death=self.kill,
            is_shuffled=self.is_shuffled,
            clock_rate=self.random.choice((1.0, 1.0, 0.8, 1.25)),
        )
        self.processes.append(process)

    def kill(self, process: Process) -> None:
        """End a process without a word; another one starts soon."""
        if process.is_gone:
            return
        self.history.note(self.world.now, "kill", process.name)
        process.vanish()
        self._later(self.random.random() * 0.2, self.start, process.worker_name)

    def _plan_fault(self, after: float) -> None:
        (kind,) = self.random.choices(_KINDS, _WEIGHTS)
        self.faults.append(kind)
        self._at(after, _FAULTS[kind][1], self)

    def alive(self) -> list[Process]:
        return [p for p in self.processes if not p.has_ended and not p.is_standing]

    def _one(self) -> Process | None:
        alive = self.alive()
        return self.random.choice(alive) if alive else None

    def crash(self) -> None:
        if (process := self._one()) is not None:
            self.kill(process)

    def freeze(self) -> None:
        self._stand_still(is_suspend=False)

    def suspend(self) -> None:
        self._stand_still(is_suspend=True)

    def _stand_still(self, *, is_suspend: bool) -> None:
        if (process := self._one()) is not None:
            seconds = self.random.random() * LEASE_SECONDS * 1.6
            self.history.note(self.world.now, "freeze", process.name, seconds, is_suspend)
            process.stand_still()
            self._later(seconds, process.go_on, seconds if is_suspend else 0.0)

    def _later(self, seconds: float, action, *arguments) -> None:
        self.world.plan(self.world.now + seconds, action, *arguments)

    def leave(self) -> None:
        if (process := self._one()) is not None and process._is_started:
            self.history.note(self.world.now, "leave", process.name)
            process.loop.call_soon(process.stop_request.ask)
            self._later(self.random.random() * 0.2, self.start, f"w{self.random.randint(0, 3)}")

    def join(self) -> None:
        self.start(f"j{self.lives}")

    def jump(self) -> None:
        if (process := self._one()) is not None:
            process.jump(self.random.choice((-3600.0, -0.4, 0.3, 0.8, 3600.0)))

    def pause_server(self) -> None:
        self.weather.resumes_at = self.world.now + self.random.random() * 1.5

    def end_lease(self) -> None:
        """An operator releases a lease that is in use."""
        partition = self.random.randrange(len(self.server.partitions))
        state = self.server.partitions[partition]
        state.held_until = 0.0
        self.history.note(self.world.now, "the lease is ended from outside", partition)
        self.history.doom(partition, state.epoch)

    def lose_tail(self) -> None:
        """The server falls back to what it was a little while ago."""
        kept = Snapshot(self.server)
        self._later(self.random.random() * 0.5, self._fall_back, kept)

    def _fall_back(self, kept: Snapshot) -> None:
        self.history.note(self.world.now, "the server loses its latest writes")
        for partition, state in enumerate(self.server.partitions):
            self.history.doom(partition, state.epoch)
        kept.restore(self.server)
        self.history.lost(kept.entry_ids)
        self.history.has_lost_parking = self.settings.dead_letter_policy == "halt_channel"

    def _be_calm(self) -> None:
        """From now on nothing goes wrong any more, and a worker is there."""
        self.weather.fault_rate = self.weather.slow_rate = 0.0
        if not self.alive():
            self.start("last")

    def _buried(self, letter: MemoryDeadLetter) -> None:
        self.history.buried(letter.entry.first_id, letter.reason)

    def _run_until_done(self) -> None:
        world = self.world
        has_resumed = False
        while True:
            for _ in range(_STEPS_BETWEEN_LOOKS):
                has_more = world.step()
            if self.history.violation is not None:
                raise self.history.violation
            if not has_more:
                raise ViolationError("stuck: nothing will ever happen any more")
            if world.now < self._calm_at or not self._is_at_rest():
                if world.now > self._calm_at + self._patience_seconds:
                    raise ViolationError(
                        f"stuck: not done {self._patience_seconds:g} s after all faults"
                    )
                continue
            if has_resumed:
                break
            has_resumed = True
            for state in self.server.partitions:
                state.parked = dict.fromkeys(state.parked, True)
        self.history.check_end(self._set_aside())

    @property
    def _patience_seconds(self) -> float:
        # What the server forgot to have been acknowledged is found by that watch only.
        return PATIENCE_SECONDS + 60.0 if "lose_tail" in self.faults else PATIENCE_SECONDS

    def _is_at_rest(self) -> bool:
        return not self.history.at_work and all(
            not state.pending
            and state.read_count == len(state.entries)
            and not any(state.parked.values())
            for state in self.server.partitions
        )

    def _set_aside(self) -> set[str]:
        return {
            entry.first_id
            for state in self.server.partitions
            for entries in state.aside.values()
            for entry in entries
        }


#: How often each happens, beside the others.
_FAULTS = {
    "crash": (6, Schedule.crash),
    "freeze": (5, Schedule.freeze),
    "suspend": (2, Schedule.suspend),
    "leave": (5, Schedule.leave),
    "join": (3, Schedule.join),
    "jump": (2, Schedule.jump),
    "pause": (2, Schedule.pause_server),
    "end_lease": (2, Schedule.end_lease),
    "lose_tail": (1, Schedule.lose_tail),
}
_KINDS = tuple(_FAULTS)
_WEIGHTS = tuple(weight for weight, _ in _FAULTS.values())
