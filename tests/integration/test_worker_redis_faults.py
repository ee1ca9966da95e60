"""Workers whose Redis is restarted, frozen, cut off or emptied: the checker finds nothing wrong."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from realtime_message.errors import StreamsFullError
from realtime_message.settings import RedisSettings
from realtime_message.streams import open_streams
from support.checker import read_notes
from support.fleet import LEASE_SECONDS, Fleet
from support.network_link import NetworkLink
from support.valkey_server import ValkeyServer, unique_prefix
from support.worker_process import wait_until

SLACK_SECONDS = 2.5


@pytest.fixture
def server() -> Iterator[ValkeyServer]:
    """A server of the test's own, which keeps what it confirmed when it is killed."""
    with ValkeyServer(durable=True) as server:
        yield server


@pytest.fixture
def fleet(server: ValkeyServer, tmp_path: Path) -> Iterator[Fleet]:
    """An empty fleet on that server."""
    fleet = Fleet(RedisSettings(url=server.url, prefix=unique_prefix()), tmp_path)
    yield fleet
    fleet.close()


def test_redis_is_killed_and_comes_back(fleet: Fleet, server: ValkeyServer) -> None:
    """Workers wait for it and go on where they were; nothing is lost."""
    workers = [fleet.start() for _ in range(2)]
    fleet.wait_until_shared(2)
    for number in range(300):
        fleet.traffic.append(f"room:{number % 50}")
    server.kill()
    time.sleep(0.5)
    server.start()
    fleet.traffic.start()
    time.sleep(1.0)
    report = fleet.finish("Redis killed")
    assert report.duplicates <= 300
    for worker in workers:
        assert len(worker.lines) < 200, "a worker filled its log"


def test_redis_is_frozen_beyond_the_leases(fleet: Fleet, server: ValkeyServer) -> None:
    """Each worker gives up by its own clock, says so, and takes part again afterwards."""
    workers = [fleet.start() for _ in range(2)]
    fleet.wait_until_shared(2)
    for number in range(100):
        fleet.traffic.append(f"room:{number % 50}")
    wait_until(lambda: fleet.traffic.pending_and_unread() == 0, 20)
    server.pause()
    time.sleep(LEASE_SECONDS * 1.5)
    server.resume()
    fleet.traffic.start()
    time.sleep(1.0)
    fleet.finish("Redis frozen")
    for worker in workers:
        lost = worker.said("partition.lost")
        assert {line["reason"] for line in lost} <= {"expired", "taken"}
        assert lost


def test_worker_cut_off_from_redis_stops_before_its_lease_ends(
    fleet: Fleet, server: ValkeyServer
) -> None:
    """Its handlers are cancelled by its own clock, and another worker begins only afterwards."""
    with NetworkLink(server.port) as link:
        first = fleet.start("a", url=link.url, handler_timeout_seconds=0)
        fleet.start("b")
        fleet.wait_until_shared(2)
        mine = next(p for p, name in fleet.owners().items() if name == "a")
        channel = fleet.channel_in(mine)
        fleet.traffic.append(channel, "once-slow 60")
        fleet.traffic.append(channel)
        wait_until(lambda: fleet.count("start") == 1, 10)
        fleet.traffic.start()
        time.sleep(0.5)
        link.cut()
        fleet.faults.append(time.monotonic())
        wait_until(lambda: set(fleet.owners().values()) == {"b"}, 10)
        wait_until(lambda: fleet.count("cancelled") == 1, 1)
        time.sleep(0.5)
        link.mend()
        wait_until(lambda: set(fleet.owners().values()) == {"a", "b"}, 15)
        report = fleet.finish("cut off")
    assert {line["reason"] for line in first.said("partition.lost")} == {"expired"}
    assert report.recovery_seconds < LEASE_SECONDS + SLACK_SECONDS


@pytest.mark.parametrize("harm", ["group", "stream", "everything"])
def test_streams_are_destroyed_under_the_workers(fleet: Fleet, harm: str) -> None:
    """XGROUP DESTROY, DEL and FLUSHALL: what comes afterwards is handled, and nobody spins."""
    # A lease that ends on a busy machine would leave nobody who knows where the group was.
    worker = fleet.start(lease_seconds=30)
    fleet.wait_until_shared(1)
    for number in range(100):
        fleet.traffic.append(f"room:{number % 50}")
    wait_until(lambda: fleet.traffic.pending_and_unread() == 0, 20)
    client = fleet.traffic._client
    prefix = fleet.settings.prefix
    for partition in range(8):
        if harm == "group":
            client.xgroup_destroy(
                f"{prefix}:partition:{partition}", f"workers:partition-{partition}"
            )
        elif harm == "stream":
            client.delete(f"{prefix}:partition:{partition}")
    if harm == "everything":
        client.flushall()
    fleet.traffic.start()
    time.sleep(2.0)
    report = fleet.finish(f"{harm} destroyed")
    assert report.duplicates == 0
    assert len(worker.lines) < 150, "a worker filled its log"
    if harm != "everything":
        assert worker.said("group.restored")


def test_poison_channel_does_not_hold_up_the_others(fleet: Fleet) -> None:
    """It fails again and again; 49 others go on, and it goes on after its dead letters."""
    fleet.start(max_attempts=3, backoff_initial_seconds=0.1)
    fleet.wait_until_shared(1)
    poison = [fleet.traffic.append("poison", "fail") for _ in range(5)]
    fleet.traffic.start()
    time.sleep(1.0)
    fleet.traffic.append("poison")
    wait_until(lambda: fleet.traffic.pending_and_unread() < 20, 20)
    # What the fault app wrote about the failing ones shows the attempts; they end as dead letters.
    for sent in poison:
        fleet.traffic.sent.remove(sent)
    fleet.traffic.stop()
    wait_until(lambda: fleet.traffic.pending_and_unread() == 0, 30)
    assert fleet.count("failed") == 15
    key = f"{{{fleet.settings.prefix}:partition:{poison[0].partition}}}:dead"
    assert fleet.traffic._client.xlen(key) == 5


def test_parked_channel_is_resumed_in_order(fleet: Fleet) -> None:
    """With halt_channel: others go on, a restart changes nothing, and resuming loses nothing."""
    first = fleet.start("a", max_attempts=1, dead_letter_policy="halt_channel")
    fleet.wait_until_shared(1)
    channel = fleet.channel_in(0)
    fleet.traffic.append(channel, "fail")
    for _ in range(20):
        fleet.traffic.append(channel)
        fleet.traffic.append("other")
    wait_until(lambda: fleet.traffic.pending_and_unread() == 0, 20)
    assert {note.channel for note in read_notes(fleet.history) if note.event == "end"} == {"other"}
    assert first.stop() == 0
    fleet.workers.remove(first)
    fleet.start("b", dead_letter_policy="halt_channel")
    for _ in range(20):
        fleet.traffic.append(channel)
    wait_until(lambda: fleet.traffic.pending_and_unread() == 0, 20)

    async def resume() -> int:
        streams = await open_streams(fleet.settings)
        (parked,) = await streams.parked_channels.list_parked(0)
        assert await streams.parked_channels.resume(0, channel)
        await streams.close()
        return parked.entry_count

    assert asyncio.run(resume()) == 40

    def handled() -> list[int]:
        notes = read_notes(fleet.history)
        return [n.number for n in notes if n.event == "end" and n.channel == channel]

    wait_until(lambda: len(handled()) == 40, 20)
    assert handled() == list(range(1, 41))


def test_producer_is_faster_than_the_workers(fleet: Fleet, server: ValkeyServer) -> None:
    """Appends are refused while too much waits, and what was confirmed is never trimmed unread."""
    limits = {"max_backlog_entries": 40, "command_timeout_seconds": 5.0}
    settings = msgspec.structs.replace(fleet.settings, **limits)
    fleet.start(concurrency=1, retention_seconds=0, retention_max_length=10)
    fleet.wait_until_shared(1)
    refused = 0

    async def publish() -> None:
        nonlocal refused
        streams = await open_streams(settings)
        appender = await streams.appender()
        until = time.monotonic() + 3.0
        while refused < 20 or time.monotonic() < until:
            assert time.monotonic() < until + 30, "nothing was refused"
            outcomes = await asyncio.gather(
                *(fleet.traffic.append_by(appender, f"room:{number}") for number in range(50)),
                return_exceptions=True,
            )
            assert {type(e) for e in outcomes if e is not None} <= {StreamsFullError}
            refused += len(outcomes) - outcomes.count(None)
            await asyncio.sleep(0.01)
        await streams.close()

    asyncio.run(publish())
    fleet.finish("slower than the producer")
    lengths = [
        fleet.traffic._client.xlen(f"{fleet.settings.prefix}:partition:{partition}")
        for partition in range(8)
    ]
    assert sum(lengths) < len(fleet.traffic.sent), "nothing was trimmed meanwhile"
