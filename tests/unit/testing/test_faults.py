"""The fault kit: plans that repeat, links that break, processes that stop."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from realtime_message.testing.faults import Fault, FaultPlan, FaultyLink, freeze, kill, thaw


def test_same_seed_is_the_same_plan() -> None:
    """Everything about it comes from the seed."""
    assert FaultPlan(seed=7).faults == FaultPlan(seed=7).faults
    assert FaultPlan(seed=7).faults != FaultPlan(seed=8).faults


def test_seed_is_taken_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """To see the faults of a failed run again; nonsense is refused with a sentence."""
    seed = FaultPlan().seed
    monkeypatch.setenv("REALTIME_FAULT_SEED", str(seed))
    assert FaultPlan().seed == seed
    monkeypatch.setenv("REALTIME_FAULT_SEED", "x")
    with pytest.raises(ValueError, match="REALTIME_FAULT_SEED is 'x'"):
        FaultPlan()


def test_plan_keeps_to_its_limits() -> None:
    """Kinds, number, time and length."""
    plan = FaultPlan(["cut", "slow"], count=50, within_seconds=2.0, longest_seconds=0.5, seed=1)
    assert len(plan.faults) == 50
    assert {fault.kind for fault in plan.faults} == {"cut", "slow"}
    assert [f.at_seconds for f in plan.faults] == sorted(f.at_seconds for f in plan.faults)
    assert all(f.at_seconds <= 2.0 and f.seconds <= 0.5 for f in plan.faults)
    assert all(0 <= f.choose(3) <= 2 for f in plan.faults)
    with pytest.raises(ValueError, match="at least one kind"):
        FaultPlan([])
    with pytest.raises(ValueError, match="no fault 'kil'; there are kill, freeze"):
        FaultPlan(["cut", "kil"])  # type: ignore[list-item]


async def test_faults_come_in_order_at_their_times(capsys: pytest.CaptureFixture[str]) -> None:
    """In whatever time the caller has; the plan is printed first."""
    plan = FaultPlan(["kill", "slow"], count=5, seed=3)
    done: list[Fault] = []
    waited: list[float] = []

    async def wait(seconds: float) -> None:
        waited.append(seconds)

    await plan.run({"kill": done.append, "slow": done.append}, wait)
    assert done == plan.faults
    assert sum(waited) == pytest.approx(plan.faults[-1].at_seconds)
    assert "REALTIME_FAULT_SEED=3" in capsys.readouterr().out
    with pytest.raises(KeyError, match="without an action"):
        await plan.run({"kill": done.append}, wait)


@pytest.fixture
def echo() -> Iterator[int]:
    """The port of a server that answers with what it gets."""
    listener = socket.create_server(("127.0.0.1", 0))

    def answer(connection: socket.socket) -> None:
        with connection:
            try:
                while data := connection.recv(1024):
                    connection.sendall(data)
            except OSError:
                return

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(5)


def _connect(link: FaultyLink) -> socket.socket:
    return socket.create_connection(("127.0.0.1", link.port), timeout=10)


def test_link_forwards_and_is_cut(echo: int) -> None:
    """After a cut the old connection is dead and a new one works."""
    with FaultyLink(echo) as link:
        with _connect(link) as one:
            one.sendall(b"a")
            assert one.recv(10) == b"a"
            link.cut()
            assert one.recv(10) == b""
        with _connect(link) as two:
            two.sendall(b"b")
            assert two.recv(10) == b"b"


def test_held_link_passes_nothing_until_released(echo: int) -> None:
    """The connection stays open meanwhile, and nothing is lost."""
    with FaultyLink(echo) as link, _connect(link) as one:
        link.hold()
        one.sendall(b"a")
        one.settimeout(0.2)
        with pytest.raises(TimeoutError):
            one.recv(10)
        link.release()
        one.settimeout(10)
        assert one.recv(10) == b"a"


def test_link_to_nobody_refuses(echo: int) -> None:
    """As a server that is not there."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with FaultyLink(unused.getsockname()[1]) as link, _connect(link) as one:
            assert one.recv(10) == b""


def test_processes_are_frozen_thawed_and_killed() -> None:
    """By their Popen or their id."""
    child = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(60)"], stdout=subprocess.DEVNULL
    )
    freeze(child)
    thaw(child.pid)
    kill(child)
    assert child.wait(20) == -9
