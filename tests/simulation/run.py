"""Runs schedules.

PYTHONPATH=tests python -m simulation.run SEED         shows one, step by step
PYTHONPATH=tests python -m simulation.run FIRST LAST   runs many, and names the first that fails
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import gc
import json
import os
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any

from realtime_message.app import Handler, Parameter, read_parameters
from realtime_message.worker import calls, membership, retry
from realtime_message.worker import worker as worker_module
from realtime_message.worker.loop_watch import LoopWatch
from simulation.history import ViolationError
from simulation.mutations import MUTATIONS, mutated
from simulation.schedule import Schedule

_IN_ONE_CHILD = 500


class _Silent:
    """In the place of a log."""

    def __getattr__(self, _name: str) -> Any:
        return self._say

    def _say(self, *_arguments: object, **_named: object) -> None:
        pass


class _NoWatch(LoopWatch):
    """Nothing blocks a simulated event loop; a beat of it would only take time."""

    def start(self) -> None:
        pass

    def look(self) -> float:
        return 0.0


@functools.cache
def _parameters(handler: Handler) -> tuple[Parameter, ...]:
    return read_parameters(handler, ())


def _read_parameters_once(handler: Handler, _resources: object) -> tuple[Parameter, ...]:
    return _parameters(handler)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Take the logs and the loop's beat out of the worker."""
    modules = [
        module
        for name, module in list(sys.modules.items())
        if name.startswith("realtime_message.worker") and hasattr(module, "log")
    ]
    logs = [(module, module.log) for module in modules]
    for module in modules:
        module.log = _Silent()
    worker_module.LoopWatch = _NoWatch
    # Signatures do not change from one worker to the next.
    read_parameters, calls.read_parameters = calls.read_parameters, _read_parameters_once
    # Of a lease: fewer heartbeats than usual, so that a schedule takes less time.
    heartbeat, membership._HEARTBEAT = membership._HEARTBEAT, 0.4
    # Making the text of a traceback takes longer than all the rest of an attempt.
    traceback_of, retry._traceback = retry._traceback, lambda _error: ""
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.unfreeze()
        gc.enable()
        retry._traceback = traceback_of
        calls.read_parameters = read_parameters
        membership._HEARTBEAT = heartbeat
        worker_module.LoopWatch = LoopWatch
        for module, log in logs:
            module.log = log


def run_schedules(seeds: range) -> Counter[str]:
    """Run the schedules of some seeds; return what happened in them, for people.

    Raises:
        ViolationError: with the seed, and the command that shows it.
    """
    counts: Counter[str] = Counter()
    for seed in seeds:
        try:
            outcome = Schedule(seed).run()
        except Exception as error:
            raise ViolationError(
                f"{error}\n  seed {seed}: PYTHONPATH=tests python -m simulation.run {seed}"
            ) from error
        counts["schedules"] += 1
        counts["messages"] += outcome.messages
        counts["repeated"] += outcome.duplicates
        counts.update(outcome.faults)
    return counts


def run_in_children(seeds: range) -> Counter[str]:
    """Run schedules in one child process after the other.

    A schedule leaves many objects that refer to each other. To collect them takes a fifth of the
    time; a child that ends takes them along.

    Raises:
        ViolationError: as run_schedules.
    """
    counts: Counter[str] = Counter()
    for begin in range(seeds.start, seeds.stop, _IN_ONE_CHILD):
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            os._exit(_be_child(range(begin, min(begin + _IN_ONE_CHILD, seeds.stop)), writing))
        os.close(writing)
        with os.fdopen(reading) as pipe:
            text = pipe.read()
        _, status = os.waitpid(child, 0)
        if status != 0:
            raise ViolationError(text)
        counts.update(json.loads(text))
    return counts


def _be_child(seeds: range, writing: int) -> int:
    code = 0
    try:
        text = json.dumps(run_schedules(seeds))
    except ViolationError as violation:
        text, code = str(violation), 1
    with os.fdopen(writing, "w") as pipe:
        pipe.write(text)
    return code


def show(seed: int) -> None:
    """Print what happens in one schedule."""
    schedule = Schedule(seed, keeps_trace=True)
    end = "all is well"
    try:
        schedule.run()
    except ViolationError as violation:
        end = f"VIOLATION: {violation}"
    print("\n".join(schedule.history.lines))
    print(f"faults: {', '.join(schedule.faults) or 'none'}")
    print(end)


def main() -> int:
    """Run what the command line asks for; return the exit code."""
    parser = argparse.ArgumentParser(description="Runs schedules of the simulation.")
    parser.add_argument("first", type=int, help="the seed; with LAST, the first of several")
    parser.add_argument("last", type=int, nargs="?", help="the seed after the last one")
    parser.add_argument("--mutation", choices=sorted(MUTATIONS), help="a rule to break")
    chosen = parser.parse_args()
    with quiet(), mutated(chosen.mutation):
        if chosen.last is None:
            show(chosen.first)
            return 0
        try:
            print(json.dumps(run_in_children(range(chosen.first, chosen.last))))
        except ViolationError as violation:
            print(violation)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
