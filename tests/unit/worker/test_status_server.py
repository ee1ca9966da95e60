"""/metrics and /health of a worker."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from realtime_message.errors import PortInUseError
from realtime_message.streams.contracts import Entry
from realtime_message.telemetry.worker_metrics import Loss, Outcome, WorkerMetrics
from realtime_message.worker.status_server import StatusServer


class Served:
    """A server, and what it shows."""

    def __init__(self) -> None:
        self.metrics = WorkerMetrics(lambda: {3: 17})
        self.health: tuple[bool, dict[str, Any]] = (True, {"worker": "w"})
        self.server = StatusServer("127.0.0.1", 0, self.metrics, lambda: self.health)

    def get(self, path: str) -> tuple[int, str]:
        url = f"http://127.0.0.1:{self.server.port}{path}"
        try:
            with urllib.request.urlopen(url, timeout=10) as reply:
                return reply.status, reply.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()


@pytest.fixture
def served() -> Iterator[Served]:
    """A running server."""
    served = Served()
    yield served
    served.server.close()


def test_metrics_are_shown_with_closed_labels(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every number has its line."""
    for entry_id, outcome, took_seconds, ended_at in (
        ("1000-0", Outcome.ack, 0.004, 1.02),
        ("1000-1", Outcome.retry, 0.3, 2.5),
    ):
        monkeypatch.setattr("realtime_message.telemetry.worker_metrics.time", lambda t=ended_at: t)
        delivery = SimpleNamespace(held=SimpleNamespace(number=3), entry=Entry(entry_id, b""))
        served.metrics.attempt_done(delivery, outcome, took_seconds)
    served.metrics.losses[Loss.expired] += 1
    served.metrics.count_incident("group_restored")
    status, text = served.get("/metrics")
    assert status == 200
    for line in (
        'rtm_worker_attempts_total{outcome="ack",partition="3"} 1.0',
        'rtm_worker_attempts_total{outcome="retry",partition="3"} 1.0',
        'rtm_worker_in_hand{partition="3"} 17.0',
        "rtm_worker_partitions 1.0",
        'rtm_worker_lost_total{reason="expired"} 1.0',
        'rtm_worker_incidents_total{kind="group_restored"} 1.0',
        'rtm_worker_handling_seconds_bucket{le="0.005"} 1.0',
        'rtm_worker_handling_seconds_bucket{le="+Inf"} 2.0',
        "rtm_worker_age_seconds_sum 1.52",
    ):
        assert line in text.replace('partition="3",outcome="ack"', 'outcome="ack",partition="3"')


def test_health_follows_the_worker(served: Served) -> None:
    """200 when all is well, 503 when not, with the reason's figures."""
    assert served.get("/health") == (200, '{"worker":"w"}')
    served.health = (False, {"blocked_seconds": 12.0})
    status, text = served.get("/health?probe=1")
    assert (status, json.loads(text)) == (503, {"blocked_seconds": 12.0})


def test_other_paths_say_what_there_is(served: Served) -> None:
    """A mistyped path is helped."""
    status, text = served.get("/")
    assert status == 404
    assert "/metrics" in text


def test_port_in_use_is_named(served: Served) -> None:
    """With what to do."""
    with pytest.raises(PortInUseError, match=r"worker\.metrics_port"):
        StatusServer("127.0.0.1", served.server.port, served.metrics, lambda: (True, {}))
