"""A release and the one before it work on the same streams at once, so that either way is open.

The tag before this source is installed beside it; TESTS_PREVIOUS_RELEASE names another commit. The
steps are those of docs/howto/upgrade.md.
"""

from __future__ import annotations

import signal
from contextlib import ExitStack
from pathlib import Path

import pytest

from realtime_message.partitions import partition_of
from realtime_message.settings import RedisSettings
from support.background import Background
from support.checker import Report, Sent, check, read_notes
from support.persistent_publishers import PersistentPublishers
from support.ports import free_port
from support.releases import THIS, Release, previous_release
from support.remarks import remark
from support.worker_process import WorkerProcess, wait_until

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def previous(tmp_path_factory: pytest.TempPathFactory) -> Release:
    """The release before this source."""
    return previous_release(tmp_path_factory.mktemp("previous"))


def test_upgrade_and_the_way_back_lose_nothing(
    previous: Release, redis_settings: RedisSettings, tmp_path: Path
) -> None:
    """Workers, then callback services, are replaced under load; then all of it again, backwards."""
    ports = free_port(), free_port()
    with ExitStack() as ends:

        def callback(release: Release, port: int) -> Background:
            service = release.start_callback(redis_settings, port, tmp_path)
            ends.callback(service.kill)
            return service

        def worker(release: Release) -> WorkerProcess:
            started = release.start_worker(redis_settings, tmp_path)
            ends.callback(started.close)
            started.wait_until_said("partition.acquired", 60)
            return started

        old_callback, old_worker = callback(previous, ports[0]), worker(previous)
        with PersistentPublishers(*ports) as publishers:
            publishers.wait_for_more(200)
            new_worker = worker(THIS)
            publishers.wait_for_more(200)
            assert old_worker.stop() == 0
            publishers.wait_for_more(200)
            new_callback = callback(THIS, ports[1])
            assert _stop(old_callback) == 0
            publishers.wait_for_more(200)

            old_callback = callback(previous, ports[0])
            assert _stop(new_callback) == 0
            publishers.wait_for_more(200)
            old_worker = worker(previous)
            assert new_worker.stop() == 0
            publishers.wait_for_more(200)
        report = _judge(previous, publishers, tmp_path / "history.jsonl")
    assert report.is_sound, report
    assert report.duplicates == 0
    assert publishers.wrong == []


def _stop(service: Background) -> int:
    service.send(signal.SIGTERM)
    return service.wait(30)


def _judge(previous: Release, publishers: PersistentPublishers, history: Path) -> Report:
    sent = [
        Sent(channel, number, partition_of(channel, 8), 0.0)
        for channel, replies in publishers.acknowledged.items()
        for number in range(len(replies))
    ]

    def is_handled() -> bool:
        ended = {(note.channel, note.number) for note in read_notes(history) if note.event == "end"}
        return {(one.channel, one.number) for one in sent} <= ended

    wait_until(is_handled, 60, lambda: "acknowledged messages are not handled")
    report = check(f"{previous.name} and this", sent, read_notes(history))
    remark(f"upgraded from {previous.name} and back under load: {report.sent} messages, 0 lost")
    return report
