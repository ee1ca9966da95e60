"""Connect, subscribe, health and metrics over HTTP."""

import json

import pytest
from prometheus_client.parser import text_string_to_metric_families

from realtime_message.centrifugo.events import EventKind
from realtime_message.centrifugo.tokens import make_connection_token
from realtime_message.errors import StreamsFullError, StreamsUnavailableError
from support import proxy_bodies as bodies
from support.callback_thread import TOKEN_SECRET, CallbackThread
from support.proxy_bodies import publish_body

SECRET = "the-secret-shared-with-the-gateway"


@pytest.fixture
def service():
    with CallbackThread(allow_anonymous=True) as service:
        yield service


def get(service, path: str, method: str = "GET", headers: str = ""):
    with service.connect() as wire:
        wire.send(f"{method} {path} HTTP/1.1\r\nHost: x\r\n{headers}\r\n".encode())
        return wire.answer()


def test_connect_and_subscribe(service) -> None:
    """Both are answered on one connection, beside publishes."""
    token = make_connection_token(TOKEN_SECRET, "56")
    connect = json.dumps({"client": "C1", "data": {"token": token}}).encode()
    with service.connect() as wire:
        assert wire.call(connect, "/centrifugo/connect").json == {"result": {"user": "56"}}
        assert wire.call(bodies.CONNECT, "/centrifugo/connect").json == {"result": {"user": ""}}
        assert wire.call(publish_body()).json["result"]["data"]
        assert wire.call(bodies.SUBSCRIBE, "/centrifugo/subscribe").json == {"result": {}}
        assert wire.call(b"rubbish", "/centrifugo/subscribe").error_code == 400
        assert wire.call(publish_body()).json["result"]["data"]
    assert service.outcomes(EventKind.connect) == {"received": 2, "accepted": 2}
    assert service.outcomes(EventKind.subscribe) == {"received": 2, "accepted": 1, "rejected": 1}


@pytest.mark.parametrize("event", ["connect", "subscribe", "publish"])
def test_every_event_needs_the_secret(event) -> None:
    """A stranger gets status 401 whatever it asks."""
    with CallbackThread(secret=SECRET) as service, service.connect() as wire:
        assert wire.call(bodies.SUBSCRIBE, f"/centrifugo/{event}").status == 401


def test_alive(service) -> None:
    """Health says that the process runs, also to HEAD, whatever Redis does."""
    service.appender.failure = StreamsUnavailableError("gone")
    answer = get(service, "/health")
    assert (answer.status, answer.json) == (200, {"status": "alive"})


def test_ready(service) -> None:
    """Ready means that an append would succeed now; if not, it says why."""
    answer = get(service, "/health/ready")
    assert (answer.status, answer.json) == (200, {"status": "ready"})
    for failure in (StreamsUnavailableError("no Redis"), StreamsFullError("OOM")):
        service.appender.failure = failure
        answer = get(service, "/health/ready")
        assert (answer.status, answer.json) == (503, {"message": f"not ready: {failure}"})
    service.appender.failure = None
    assert get(service, "/health/ready").status == 200


def test_metrics(service) -> None:
    """Prometheus reads them, and they add up."""
    with service.connect() as wire:
        for data in ({"text": "x"}, {"text": "x", "id": 1}, {"text": "x", "id": 1}, {"text": ""}):
            wire.call(publish_body(data))
        service.appender.failure = StreamsUnavailableError("gone")
        wire.call(publish_body())
    answer = get(service, "/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    samples = {
        (s.name, s.labels.get("event"), s.labels.get("outcome") or s.labels.get("code")): s.value
        for family in text_string_to_metric_families(answer.body.decode())
        for s in family.samples
    }
    assert samples["rtm_callback_received_total", "publish", None] == 5
    assert samples["rtm_callback_answered_total", "publish", "appended"] == 2
    assert samples["rtm_callback_answered_total", "publish", "duplicate"] == 1
    assert samples["rtm_callback_answered_total", "publish", "rejected"] == 1
    assert samples["rtm_callback_answered_total", "publish", "failed"] == 1
    assert samples["rtm_callback_in_flight", "publish", None] == 0
    assert samples["rtm_callback_errors_total", None, "400"] == 1
    assert samples["rtm_callback_errors_total", None, "503"] == 1
    assert samples["rtm_callback_duration_seconds_count", "publish", None] == 5


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("POST", "/centrifugo/unknown", 404),
        ("POST", "/centrifugo/publish/", 404),
        ("GET", "/centrifugo/publish", 405),
        ("PUT", "/centrifugo/publish", 405),
        ("POST", "/health", 405),
    ],
)
def test_other_paths_and_methods(service, method, path, status) -> None:
    """A clear status with a sentence in JSON: nothing that Centrifugo could take for a reply."""
    answer = get(service, path, method, "Content-Length: 0\r\n")
    assert answer.status == status
    assert answer.json["message"]
    assert service.outcomes() == {}
