"""Clocks that jump by an hour, on the server or on a worker: leases and order are unaffected."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from realtime_message.settings import RedisSettings
from support.fleet import LEASE_SECONDS, Fleet
from support.valkey_server import ValkeyServer, unique_prefix
from support.worker_process import wait_until

HOUR_SECONDS = 3600
#: Of a worker that must not lose a partition, however busy the machine is.
CALM_LEASE_SECONDS = 30
_PLACES = ("/usr/lib/*/faketime/libfaketime.so.1", "/usr/lib64/faketime/libfaketime.so.1")


class Clock:
    """The wall clock of processes that are started while it is in the environment."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        library = next((p for place in _PLACES for p in Path("/").glob(place[1:])), None)
        if library is None:
            pytest.skip("no libfaketime (Debian: apt-get install libfaketime)")
        self._file = folder / "clock"
        self._variables = {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        self._monkeypatch = monkeypatch
        self.jump(0)

    def jump(self, seconds: int) -> float:
        """Let the clock go wrong by so much from now on; return the machine's monotonic time."""
        replacement = self._file.with_suffix(".new")
        replacement.write_text(f"{seconds:+d}", "ascii")
        replacement.replace(self._file)
        return time.monotonic()

    def __enter__(self) -> None:
        for name, value in self._variables.items():
            self._monkeypatch.setenv(name, value)

    def __exit__(self, *_: object) -> None:
        for name in self._variables:
            self._monkeypatch.delenv(name)


@pytest.fixture
def clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A clock that is right as yet."""
    return Clock(tmp_path, monkeypatch)


@pytest.fixture
def server(clock: Clock) -> Iterator[ValkeyServer]:
    """A server that goes by it."""
    server = ValkeyServer()
    with clock:
        server.start()
    yield server
    server.close()


@pytest.mark.parametrize("seconds", [HOUR_SECONDS, -HOUR_SECONDS])
def test_the_servers_clock_jumps(
    server: ValkeyServer, clock: Clock, tmp_path: Path, seconds: int
) -> None:
    """Forwards all leases end at once, backwards they last: nothing is lost and order is kept.

    After a jump forwards a worker learns only from its next renewal, a third of a lease later, that
    another one has its partition. What its handlers have begun by then may begin there too.
    """
    fleet = Fleet(RedisSettings(url=server.url, prefix=unique_prefix()), tmp_path)
    try:
        workers = [fleet.start(), fleet.start()]
        fleet.wait_until_shared(2)
        fleet.traffic.start()
        time.sleep(0.5)
        jumped_at = clock.jump(seconds)
        fleet.faults.append(jumped_at)
        if seconds > 0:
            until = jumped_at + LEASE_SECONDS
            fleet.frozen.update({worker.pid: [(jumped_at, until)] for worker in workers})
        time.sleep(2.0)
        fleet.wait_until_shared(2)
        # A worker that dies now is succeeded as always.
        fleet.kill(workers[0])
        wait_until(lambda: len(fleet.shares()) == 1, 20)
        fleet.wait_until_shared(1)
        report = fleet.finish(f"server's clock {seconds:+d} s")
        assert report.duplicates <= 300
    finally:
        fleet.close()


@pytest.mark.parametrize("seconds", [HOUR_SECONDS, -HOUR_SECONDS])
def test_a_workers_clock_jumps(
    redis_settings: RedisSettings, clock: Clock, tmp_path: Path, seconds: int
) -> None:
    """It holds its partitions, and nothing is repeated: only the server's clock counts."""
    fleet = Fleet(redis_settings, tmp_path)
    try:
        with clock:
            worker = fleet.start("a", lease_seconds=CALM_LEASE_SECONDS)
        fleet.start("b", lease_seconds=CALM_LEASE_SECONDS)
        fleet.wait_until_shared(2)
        fleet.traffic.start()
        time.sleep(0.5)
        clock.jump(seconds)
        time.sleep(2.0)
        report = fleet.finish(f"a worker's clock {seconds:+d} s")
        assert report.duplicates == 0
        assert worker.said("partition.lost") == []
    finally:
        fleet.close()


def test_the_clock_is_really_wrong(server: ValkeyServer, clock: Clock) -> None:
    """Else the tests above would prove nothing."""
    assert "LD_PRELOAD" not in os.environ
    client = server.client()
    before, _ = client.time()
    clock.jump(HOUR_SECONDS)
    # A thread of the server that looks at the clock at the same moment can make the library pass
    # the machine's own time on for once.
    wait_until(lambda: client.time()[0] - before >= HOUR_SECONDS, 10)
