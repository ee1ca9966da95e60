"""The real worker in a simulated world: whatever goes wrong, and whenever, the guarantees hold.

Each schedule comes from its seed alone: workers that crash, stand still, are suspended, join and
leave; calls that fail, take long or lose their replies; a server that stands still or loses its
latest writes; handlers that fail, hang, or kill their worker. See simulation/history.py for what
must hold, and simulation/run.py for how to look at one schedule.

SIMULATION_SCHEDULES says how many (.ci/run asks for 100,000), SIMULATION_FIRST from which seed on.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from simulation.mutations import MUTATIONS
from simulation.run import quiet
from simulation.schedule import Schedule

SCHEDULES = int(os.environ.get("SIMULATION_SCHEDULES", "5000"))
FIRST = int(os.environ.get("SIMULATION_FIRST", "10000"))
PARTS = 10
#: Each broken rule was found within the first hundred schedules.
ENOUGH_FOR_A_MUTATION = 1000

TESTS = Path(__file__).parents[1]
#: Where tests/mutations puts its copy of the package.
_PATH = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run schedules in a process of their own, in which nothing else can disturb them.

    Nor do they disturb: minutes of nothing but computing give way to tests that wait for something.
    """
    return subprocess.run(
        ["nice", "-n", "10", sys.executable, "-m", "simulation.run", *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), *_PATH])},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.timeout(max(600, SCHEDULES / PARTS))
@pytest.mark.parametrize("part", range(PARTS))
def test_guarantees_hold_in_every_schedule(part: int) -> None:
    """Nothing lost, in order, one owner, repeated only with a cause, done in time."""
    size = -(-SCHEDULES // PARTS)
    first = FIRST + part * size
    ended = run(str(first), str(first + size))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    counts = json.loads(ended.stdout)
    print(counts)
    assert counts["schedules"] == size


def test_channel_that_is_parked_while_its_worker_loses_the_lease_keeps_its_order() -> None:
    """Here once a message that was handled came again behind those that were set aside."""
    ended = run("8597", "8598")
    assert ended.returncode == 0, ended.stdout


@pytest.mark.parametrize("name", sorted(MUTATIONS))
def test_broken_rule_is_found(name: str) -> None:
    """The simulation notices each of these mistakes, and names a seed that shows it."""
    ended = run("0", str(ENOUGH_FOR_A_MUTATION), "--mutation", name)
    assert ended.returncode == 1, f"not found in {ENOUGH_FOR_A_MUTATION} schedules: {name}"
    assert "python -m simulation.run" in ended.stdout


def test_seed_decides_everything() -> None:
    """The same seed is the same schedule, event by event, also in a process of its own."""
    with quiet():
        for seed in range(20):
            first, again = Schedule(seed, keeps_trace=True), Schedule(seed, keeps_trace=True)
            first.run()
            again.run()
            assert first.history.lines == again.history.lines
    alone = run("7").stdout.splitlines()
    with quiet():
        schedule = Schedule(7, keeps_trace=True)
        schedule.run()
    assert alone[: len(schedule.history.lines)] == schedule.history.lines
