"""Real workers killed, stopped, frozen and blocked under load: the checker finds nothing wrong.

The short form runs always; TESTS_LONG_FAULTS=1 repeats each fault many more times.
"""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from realtime_message.settings import RedisSettings
from support.checker import read_notes
from support.fleet import LEASE_SECONDS, Fleet
from support.worker_process import wait_until

IS_LONG = os.environ.get("TESTS_LONG_FAULTS") == "1"
#: Beyond the lease: notice, assign, acquire, read; and a loaded test machine.
SLACK_SECONDS = 2.5

pytestmark = pytest.mark.timeout(3600 if IS_LONG else 240)


@pytest.fixture
def fleet(redis_settings: RedisSettings, tmp_path: Path) -> Iterator[Fleet]:
    """An empty fleet with a prefix of its own."""
    fleet = Fleet(redis_settings, tmp_path)
    yield fleet
    fleet.close()


def test_killed_workers_lose_nothing(fleet: Fleet) -> None:
    """SIGKILL in the middle of handlers, again and again: nothing lost, order kept."""
    for _ in range(3):
        fleet.start()
    fleet.wait_until_shared(3)
    fleet.traffic.start()
    in_flight = 0
    for _ in range(100 if IS_LONG else 4):
        time.sleep(1.0)
        in_flight += fleet.traffic.pending_and_unread()
        fleet.kill(fleet.workers[0])
        fleet.start()
    time.sleep(1.0)
    report = fleet.finish("SIGKILL")
    assert report.recovery_seconds < LEASE_SECONDS + SLACK_SECONDS
    # What one process can have begun or finished without its acknowledgement having arrived.
    assert report.duplicates <= len(fleet.deaths) * 100 + in_flight


def test_message_that_kills_workers_is_stopped_and_others_are_not_lost(fleet: Fleet) -> None:
    """A handler that kills its process costs max_attempts workers; then it is a dead letter."""
    fleet.start(max_attempts=2)
    fleet.wait_until_shared(1)
    poison = fleet.traffic.append("poison", "die")
    for number in range(20):
        fleet.traffic.append(f"room:{number}")
    for _ in range(3):
        worker = fleet.workers[0]
        assert worker.process.wait(timeout=20) == -signal.SIGKILL
        fleet.deaths[worker.pid] = time.monotonic()
        fleet.workers.remove(worker)
        fleet.start(max_attempts=2)
    wait_until(lambda: fleet.traffic.pending_and_unread() == 0, 30)
    fleet.traffic.sent.remove(poison)
    fleet.finish("killer message")
    key = f"{{{fleet.settings.prefix}:partition:{poison.partition}}}:dead"
    ((_, letter),) = fleet.traffic._client.xrange(key)
    assert b"ended while they handled it" in letter[b"reason"]


def test_rolling_restart_repeats_nothing(fleet: Fleet) -> None:
    """SIGTERM to each worker in turn under load: no duplicate, no partition idle for a second."""
    names = ["a", "b", "c", "d"]
    workers = [fleet.start(name) for name in names]
    fleet.wait_until_shared(4)
    fleet.traffic.rate = 500 if IS_LONG else 200
    fleet.traffic.start()
    time.sleep(1.0)
    for _ in range(5 if IS_LONG else 1):
        for number, name in enumerate(names):
            assert workers[number].stop() == 0
            fleet.workers.remove(workers[number])
            workers[number] = fleet.start(name)
            fleet.wait_until_shared(4)
    report = fleet.finish("rolling restart")
    assert report.duplicates == 0
    assert report.stall_seconds < 1.0


def test_workers_join_and_leave(fleet: Fleet) -> None:
    """Up, down, and up to more than partitions: shares are even, nothing is repeated."""
    fleet.start()
    fleet.wait_until_shared(1)
    fleet.traffic.start()
    for count in (8, 3, 12) if IS_LONG else (3, 1, 9):
        while len(fleet.workers) > count:
            worker = fleet.workers.pop()
            assert worker.stop() == 0
        while len(fleet.workers) < count:
            fleet.start()
        fleet.wait_until_shared(min(8, count))
    report = fleet.finish("join and leave")
    assert report.duplicates == 0


def test_frozen_worker_does_no_harm_when_it_wakes(fleet: Fleet) -> None:
    """SIGSTOP past the lease, then SIGCONT: it reads and acknowledges nothing, says so, and works.

    A message that it had begun before it was frozen may overlap with the one that its successor
    begins: no lease can stop a handler that is at work, only what it writes afterwards.
    """
    first, second = fleet.start("a"), fleet.start("b")
    fleet.wait_until_shared(2)
    fleet.traffic.start()
    for _ in range(10 if IS_LONG else 1):
        time.sleep(0.5)
        first.freeze()
        frozen_at = time.monotonic()
        fleet.faults.append(frozen_at)
        wait_until(lambda: set(fleet.owners().values()) == {"b"}, 15)
        time.sleep(0.5)
        first.thaw()
        # It notices within a moment, on a loaded machine.
        frozen = fleet.frozen.setdefault(first.pid, [])
        frozen.append((frozen_at, time.monotonic() + 1.0))
        wait_until(lambda: set(fleet.owners().values()) == {"a", "b"}, 15)
    report = fleet.finish("SIGSTOP")
    lost = first.said("partition.lost")
    assert {line["reason"] for line in lost} <= {"expired", "taken"}
    assert len(lost) >= 4
    assert second.said("partition.lost") == []
    assert report.duplicates <= 100 * len(fleet.faults)


def test_blocked_event_loop_keeps_its_partition_and_is_named(fleet: Fleet) -> None:
    """A handler that blocks for longer than the lease: nobody else starts its message."""
    first = fleet.start("a", handler_timeout_seconds=0)
    fleet.start("b")
    fleet.wait_until_shared(2)
    fleet.traffic.start()
    time.sleep(0.3)
    mine = next(p for p, name in fleet.owners().items() if name == "a")
    channel = next(s.channel for s in fleet.traffic.sent if s.partition == mine)
    fleet.traffic.append(channel, f"block {LEASE_SECONDS * 2}")
    first.wait_until_said("loop.blocked")
    (line,) = first.said("loop.blocked")
    assert line["handler"] == "support.fault_app.handle"
    assert "time.sleep" in line["stack"]
    report = fleet.finish("blocked loop")
    assert report.duplicates == 0
    assert first.said("partition.lost") == []


def test_loop_blocked_beyond_the_limit_loses_its_partitions(fleet: Fleet) -> None:
    """A handler that hangs does not keep its partitions for ever."""
    first = fleet.start("a", handler_timeout_seconds=0, max_blocked_seconds=2)
    fleet.start("b", max_blocked_seconds=2)
    fleet.wait_until_shared(2)
    mine = next(p for p, name in fleet.owners().items() if name == "a")
    channel = fleet.channel_in(mine)
    fleet.traffic.append(channel, "once-block 8")
    wait_until(lambda: bool(read_notes(fleet.history)), 10)
    blocked_at = time.monotonic()
    fleet.traffic.start()
    wait_until(lambda: set(fleet.owners().values()) == {"b"}, 15)
    fleet.deaths[first.pid] = blocked_at + 1.0
    wait_until(lambda: set(fleet.owners().values()) == {"a", "b"}, 20)
    fleet.finish("hanging loop")
    assert {line["reason"] for line in first.said("partition.lost")} == {"blocked"}


def test_static_workers_share_by_number(fleet: Fleet) -> None:
    """WORKER_ID and TOTAL_WORKERS fix the partitions: i belongs to i mod TOTAL_WORKERS."""
    for number in range(2):
        fleet.start(str(number), total_workers=2)
    fleet.wait_until_shared(2)
    fleet.traffic.start()
    assert fleet.owners() == {p: str(p % 2) for p in range(8)}
    time.sleep(0.5)
    report = fleet.finish("static")
    assert report.duplicates == 0
