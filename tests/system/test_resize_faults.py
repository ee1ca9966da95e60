"""Resizing a running installation: real processes, killed and frozen in between, under load.

The short form runs always; TESTS_LONG_FAULTS=1 repeats it many more times.
"""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import msgspec
import pytest

from realtime_message.partitions import partition_of
from realtime_message.settings import RedisSettings
from realtime_message.streams import open_streams
from realtime_message.streams.resize_run import ResizeRun
from support.checker import read_notes
from support.fleet import Fleet
from support.resize_site import ResizeSite, site_settings
from support.valkey_server import ValkeyServer, unique_prefix
from support.worker_process import wait_until

IS_LONG = os.environ.get("TESTS_LONG_FAULTS") == "1"


@pytest.fixture
def site(valkey: ValkeyServer, tmp_path: Path) -> ResizeSite:
    """Two workers and two callback processes on eight partitions."""
    return ResizeSite(valkey, site_settings(valkey, unique_prefix(), 8), tmp_path)


@pytest.mark.parametrize("_round", range(10 if IS_LONG else 1))
def test_resize_up_and_down_with_kills_in_between(site: ResizeSite, _round: int) -> None:
    """8, 16, 5: nothing is lost, nothing out of order; only kills explain what comes twice."""
    with site:
        site.interrupt(16, ["sealing", "fencing"])
        site.kill_worker()
        site.publishers.wait_for_more(50)
        assert "there are 16 partitions" in site.resize("16")
        site.publishers.wait_for_more(100)
        site.kill_callback()
        site.interrupt(5, ["fencing", "draining"])
        site.kill_worker()
        site.wait_until_stable()
        site.publishers.wait_for_more(100)
        assert "there are 5 partitions" in site.resize("5") or site.layout["partition_count"] == "5"
        site.kill_worker()
        site.publishers.wait_for_more(100)
        site.finish("resize 8, 16, 5 with kills")


def test_planned_resize_doubles_nothing_and_fails_nothing(site: ResizeSite) -> None:
    """Without a fault there is no duplicate and no error, and nobody waits for a second."""
    with site:
        for count in (16, 5):
            assert f"there are {count} partitions" in site.resize(str(count))
            site.publishers.wait_for_more(100)
        report = site.finish("resize 8, 16, 5")
        assert report.duplicates == 0
        assert report.stall_seconds < 3
        assert not site.publishers.errors
        assert not site.publishers.broken


def test_process_that_stood_still_joins_correctly(site: ResizeSite) -> None:
    """Frozen before the resize and woken after it, worker and callback go by the new count."""
    with site:
        worker = site.fleet.workers[0]
        callback = site.callback.children[0]
        began_at = time.monotonic()
        worker.freeze()
        os.kill(callback, 19)
        output = site.resize("16", "--wait-seconds", "0")
        os.kill(callback, 18)
        worker.thaw()
        site.fleet.frozen[worker.pid] = [(began_at, time.monotonic())]
        assert "16 partitions are in use" in output
        site.wait_until_stable()
        site.publishers.wait_for_more(200)
        # An answer from one that stands still comes late, through no fault of its own.
        site.publishers.wrong = [w for w in site.publishers.wrong if "answered after" not in w]
        site.finish("resize, frozen processes")


def test_undone_resize_goes_on_as_before(site: ResizeSite) -> None:
    """Undone, or given up by a worker when its command was killed, everything goes on."""
    with site:
        phase = site.interrupt(16, ["sealing"])
        if phase == "sealing":
            site.resize("--undo")
            assert site.layout["partition_count"] == "8"
        site.wait_until_stable()
        site.publishers.wait_for_more(100)
        site.interrupt(12, ["sealing", "fencing"])
        site.wait_until_stable()  # by a worker
        site.publishers.wait_for_more(100)
        site.finish("resize given up")


def test_parked_channel_goes_on_in_order_in_its_new_partition(
    valkey: ValkeyServer, tmp_path: Path
) -> None:
    """What was set aside before the resize is handled before what was appended after it."""
    settings = site_settings(valkey, unique_prefix(), 8)
    channel = next(
        name for name in map(str, range(100)) if partition_of(name, 8) != partition_of(name, 5)
    )
    fleet = Fleet(settings, tmp_path)
    try:
        worker = fleet.start(dead_letter_policy="halt_channel", max_attempts=1, lease_seconds=6.0)
        for order in ("", "fail", "", ""):
            fleet.traffic.append(channel, order)
        worker.wait_until_said("channel.parked")
        asyncio.run(_resize(settings, 5))
        fleet.traffic._settings = msgspec.structs.replace(settings, partition_count=5)
        for _ in range(3):
            fleet.traffic.append(channel)
        asyncio.run(_resume(settings, channel, partition_of(channel, 5)))
        wait_until(lambda: fleet.count("end") == 6, 60, fleet._logs)
        notes = [note for note in read_notes(fleet.history) if note.event == "end"]
        assert [note.number for note in notes] == [0, 2, 3, 4, 5, 6]
        assert {note.partition for note in notes[1:]} == {partition_of(channel, 5)}
    finally:
        fleet.close()


async def _resize(settings: RedisSettings, count: int) -> None:
    streams = await open_streams(settings)
    run = ResizeRun(streams.resizer, streams.planner, lambda _: None)
    assert (await run.wait(await run.switch(count), 60)).is_stable
    await streams.close()


async def _resume(settings: RedisSettings, channel: str, partition: int) -> None:
    streams = await open_streams(settings)
    assert await streams.parked_channels.resume(partition, channel)
    await streams.close()
