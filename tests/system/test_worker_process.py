"""A worker as a process: how it starts, what it shows, how it ends."""

import json
import signal
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import redis

from realtime_message.settings import RedisSettings
from support.checker import read_notes
from support.ports import free_port
from support.traffic import Traffic
from support.worker_process import Start, wait_until


def test_sigterm_drains_and_ends_with_0(start: Start, traffic: Traffic, tmp_path: Path) -> None:
    """The handler at work finishes, its message is acknowledged, the lease released."""
    worker = start()
    traffic.append("a", "sleep 1.5")
    wait_until(lambda: bool(read_notes(tmp_path / "history")), 20)
    assert worker.stop() == 0
    assert [note.event for note in read_notes(tmp_path / "history")] == ["start", "end"]
    assert traffic.pending_and_unread() == 0
    assert len(worker.said("partition.released")) == 8
    assert [line["event"] for line in worker.lines][-1] == "worker.stopped"


def test_worker_that_leaves_leaves_no_consumer(
    start: Start, traffic: Traffic, redis_settings: RedisSettings
) -> None:
    """Its names would stay in the groups for ever otherwise."""
    worker = start()
    for number in range(20):
        traffic.append(f"room:{number}")
    worker.wait_until_said("partition.acquired")
    (started,) = worker.said("worker.started")
    assert (started["app"], started["handlers"]) == ("support.fault_app:app", ["*"])
    wait_until(lambda: traffic.pending_and_unread() == 0, 20)
    assert worker.stop() == 0
    client = redis.Redis.from_url(redis_settings.url)
    for partition in range(8):
        stream, group = (
            f"{redis_settings.prefix}:partition:{partition}",
            f"workers:partition-{partition}",
        )
        assert client.xinfo_consumers(stream, group) == []
    client.close()


def test_entries_of_another_writer_delay_nothing(
    start: Start, traffic: Traffic, redis_settings: RedisSettings
) -> None:
    """Also one that looks like the marker of a resize: a dead letter each, with all its fields."""
    client = redis.Redis.from_url(redis_settings.url)
    partition = traffic.append("a").partition
    stream = f"{redis_settings.prefix}:partition:{partition}"
    foreign: list[dict[Any, Any]] = [
        {b"layout": b"99"},
        {b"foreign": b"thing"},
        {b"payload": b"{"},
        {b"payload": b'{"id": "1"}', b"version": b"7"},
    ]
    for fields in foreign:
        client.xadd(stream, fields)
    traffic.append("a")
    worker = start()
    wait_until(lambda: traffic.pending_and_unread() == 0, 20)
    assert worker.stop() == 0
    letters = [fields for _, fields in client.xrange(f"{{{stream}}}:dead")]
    assert [
        {name: value for name, value in letter.items() if name in fields}
        for letter, fields in zip(letters, foreign, strict=True)
    ] == foreign
    assert all(letter[b"reason"] for letter in letters)
    client.close()


def test_second_signal_ends_at_once_with_130(
    start: Start, traffic: Traffic, tmp_path: Path
) -> None:
    """What was in hand is left to the next owner."""
    worker = start(handler_timeout_seconds=0)
    traffic.append("a", "sleep 60")
    wait_until(lambda: bool(read_notes(tmp_path / "history")), 20)
    worker.process.send_signal(signal.SIGINT)
    worker.wait_until_said("worker.draining")
    worker.process.send_signal(signal.SIGINT)
    assert worker.process.wait(timeout=10) == 130
    assert traffic.pending_and_unread() == 1


@pytest.mark.parametrize(
    "stubborn",
    [
        ("loop:1", "support.worker_apps.handle_stubbornly > support.worker_apps.stay"),
        ("batch:1", "support.worker_apps.handle_batch_stubbornly > support.worker_apps.stay"),
        ("thread:1", "threading.py"),
    ],
)
@pytest.mark.parametrize("is_forced", [False, True])
def test_handler_that_ignores_the_end_ends_with_the_process(
    start: Start, traffic: Traffic, tmp_path: Path, stubborn: tuple[str, str], is_forced: bool
) -> None:
    """After the drain, or at once after a second signal; the log names it."""
    channel, named = stubborn
    worker = start(
        "support.worker_apps:stubborn",
        handler_timeout_seconds=0,
        drain_timeout_seconds=3600 if is_forced else 0.2,
    )
    traffic.append(channel)
    wait_until((tmp_path / "history").exists, 20)
    worker.process.send_signal(signal.SIGTERM)
    worker.wait_until_said("worker.draining")
    if is_forced:
        worker.process.send_signal(signal.SIGTERM)
    assert worker.process.wait(timeout=20) == (130 if is_forced else 0)
    (line,) = worker.said("worker.ended_by_force")
    (left,) = line["left"]
    assert named in left


def test_one_interrupt_drains_and_ends_with_130(start: Start) -> None:
    """As a shell expects after Ctrl-C."""
    worker = start()
    worker.wait_until_said("worker.started")
    worker.process.send_signal(signal.SIGINT)
    assert worker.process.wait(timeout=10) == 130
    assert worker.said("worker.stopped")


def test_metrics_and_health_are_served(start: Start, traffic: Traffic) -> None:
    """On the port of the settings, while it works."""
    port = free_port()
    worker = start(metrics_port=port, id="shown")
    for number in range(10):
        traffic.append(f"room:{number}")
    worker.wait_until_said("partition.acquired")
    wait_until(lambda: traffic.pending_and_unread() == 0, 20)
    base = f"http://127.0.0.1:{port}"
    with urllib.request.urlopen(f"{base}/health", timeout=10) as reply:
        health = json.load(reply)
    assert health["worker"] == "shown"
    assert health["partitions"] == health["assigned"] == list(range(8))
    with urllib.request.urlopen(f"{base}/metrics", timeout=10) as reply:
        text = reply.read().decode()
    acknowledged = [
        float(line.split()[-1])
        for line in text.splitlines()
        if line.startswith("rtm_worker_attempts_total") and 'outcome="ack"' in line
    ]
    assert sum(acknowledged) == 10
    assert worker.stop() == 0


def test_resources_live_as_long_as_the_worker(
    start: Start, traffic: Traffic, tmp_path: Path
) -> None:
    """Opened before the first message, closed after the last; batches run in a thread."""
    worker = start("support.worker_apps:rich")
    traffic.append("room:1")
    traffic.append("log:1")
    wait_until(lambda: traffic.pending_and_unread() == 0, 20)
    assert worker.stop() == 0
    lines = (tmp_path / "history").read_text("utf-8").splitlines()
    assert lines[0] == "opened"
    assert lines[-1] == "closed"
    assert sorted(lines[1:-1]) == ["batch 1", "handled  connection 1"]


@pytest.mark.parametrize("key", ["", "k" * 32])
def test_handlers_that_cannot_publish_are_told_of(
    start: Start, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the start, and not by a dead letter for each message."""
    monkeypatch.setenv("CENTRIFUGO_HTTP_API_KEY", key)
    worker = start("support.worker_apps:rich")
    worker.wait_until_said("worker.started")
    assert worker.stop() == 0
    told = [line["advice"][:23] for line in worker.said("gateway.key_missing")]
    assert told == ([] if key else ["handlers cannot publish"])


@pytest.mark.parametrize(
    ("app", "settings", "said"),
    [
        ("support.worker_apps:without_handlers", {}, "the app has no handler"),
        (
            "support.worker_apps:only_hooks",
            {},
            "hooks but no handler; hooks run in `rtm callback support.worker_apps:only_hooks`",
        ),
        ("support.worker_apps:unfit", {}, "decoded as object; if that is a resource"),
        ("support.worker_apps:broken", {}, "could not be opened: ConnectionError: no route"),
        ("support.fault_app:app", {"id": "9", "total_workers": 12}, "has no partition"),
        ("support.fault_app:app", {"id": "2", "total_workers": 2}, "must be this worker's number"),
        ("support.fault_app:app", {"metrics_port": "IN USE"}, "worker.metrics_port"),
    ],
)
def test_what_cannot_start_says_why_in_one_sentence_and_ends_with_3(
    start: Start, valkey: Any, app: str, settings: dict[str, Any], said: str
) -> None:
    """No traceback, nothing half started."""
    ports = {k: valkey.port if v == "IN USE" else v for k, v in settings.items()}
    worker = start(app, **ports)
    assert worker.process.wait(timeout=30) == 3
    text = worker.log_path.read_text("utf-8")
    assert said in text
    assert "Traceback" not in text
    assert not worker.said("worker.started")


def test_redis_that_is_not_there_is_named(start: Start) -> None:
    """After the time that the settings give it."""
    worker = start(url="redis://127.0.0.1:1")
    assert worker.process.wait(timeout=60) == 3
    assert "could not be reached" in worker.log_path.read_text("utf-8")
