"""Taking a partition from a worker that is stuck, from the command line."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from realtime_message.settings import RedisSettings
from realtime_message.streams import open_streams
from support.checker import read_notes
from support.traffic import Traffic
from support.up_stack import run_rtm
from support.worker_process import WorkerProcess, wait_until

pytestmark = pytest.mark.timeout(120)


class Site:
    """Workers that all want partition 0, and commands."""

    def __init__(self, redis: RedisSettings, folder: Path) -> None:
        self.redis = msgspec.structs.replace(redis, partition_count=1)
        self.folder = folder
        self.history = folder / "history"
        self.workers: list[WorkerProcess] = []

    def start(self) -> WorkerProcess:
        log = self.folder / f"worker-{len(self.workers)}.log"
        settings = {"lease_seconds": 300, "partitions": "0", "id": f"w{len(self.workers)}"}
        self.workers.append(WorkerProcess(self.redis, log, self.history, settings=settings))
        return self.workers[-1]

    def rtm(self, *arguments: str, code: int = 0) -> Any:
        done = run_rtm(
            *arguments,
            folder=self.folder,
            REDIS_URL=self.redis.url,
            RTM_REDIS__PREFIX=self.redis.prefix,
            RTM_REDIS__PARTITION_COUNT="1",
        )
        assert done.returncode == code, done.stderr
        return json.loads(done.stdout) if "--json" in arguments else done


@pytest.fixture
def site(redis_settings: RedisSettings, tmp_path: Path) -> Iterator[Site]:
    """One partition."""
    site = Site(redis_settings, tmp_path)
    yield site
    for worker in site.workers:
        worker.close()


def test_partition_of_a_frozen_worker_is_taken_at_once_and_it_does_no_harm_when_it_wakes(
    site: Site,
) -> None:
    """Its lease would last for minutes; the next worker begins with what it had in hand."""
    traffic = Traffic(site.redis)
    first = site.start()
    traffic.append("a", "once-sleep 600")
    wait_until(lambda: len(read_notes(site.history)) == 1, 30)
    first.freeze()
    second = site.start()
    second.wait_until_said("worker.started")
    for _ in range(3):
        traffic.append("a")
    assert "add --yes" in site.rtm("leases", "release", "0", code=2).stderr
    result = site.rtm("leases", "release", "0", "--yes", "--json")
    assert result["released"]
    assert result["from"].startswith("w0")
    wait_until(lambda: traffic.pending_and_unread() == 0, 30)
    first.thaw()
    first.wait_until_said("partition.lost")
    ends = [(note.number, note.pid) for note in read_notes(site.history) if note.event == "end"]
    assert ends == [(number, second.pid) for number in range(4)]
    (owner,) = site.rtm("leases", "list", "--json")
    assert owner["owner"]["holder"].startswith("w1")
    traffic.close()


def test_partition_that_nobody_holds_is_left_alone(site: Site) -> None:
    """Nothing is done, and it says so."""
    site.start().wait_until_said("partition.acquired")
    site.workers[0].stop()
    assert "nothing was done" in site.rtm("leases", "release", "0", "--yes").stdout
    assert "there is no partition 1" in site.rtm("leases", "release", "1", code=2).stderr


def test_partition_that_a_resize_added_can_be_released(site: Site) -> None:
    """What counts is how many there are, not what this machine's settings say."""

    async def prepare() -> None:
        streams = await open_streams(site.redis)
        view = await streams.resizer.begin(await streams.layout.read(), 3)
        await streams.resizer.carry_on(view)
        assert await streams.leases.acquire(2, "stuck", 600)
        await streams.close()

    asyncio.run(prepare())
    assert site.rtm("leases", "release", "2", "--yes", "--json")["from"] == "stuck"
