"""Stopping loses no request: connections are closed by an answer that says so."""

import time

import pytest

from realtime_message import App
from realtime_message.callback import server
from support.callback_thread import CallbackThread
from support.proxy_bodies import SUBSCRIBE, publish_body

WAYS = {"below-asgi": True, "asgi": False}


@pytest.fixture(params=WAYS)
def is_hot(request):
    return WAYS[request.param]


@pytest.fixture
def quickly(monkeypatch):
    """A drain that takes little time for quiet."""
    monkeypatch.setattr(server, "QUIET_SECONDS", 0.2)


def test_what_is_in_flight_is_finished(is_hot, quickly) -> None:
    """Its answer says that the connection closes, and closes it."""
    with CallbackThread(is_hot=is_hot) as service, service.connect() as wire:
        service.appender.is_holding = True
        wire.post(publish_body())
        service.wait_until(lambda: service.appender.held == 1)
        service.begin_stop()
        service.wait_until(lambda: service.serving.server.is_draining)
        service.run(service.appender.release)
        answer = wire.answer()
        assert answer.json["result"]
        assert answer.closes
        assert wire.is_closed()
        service.wait_stopped()


def test_a_connection_without_a_request_is_closed_by_its_next_answer(is_hot, quickly) -> None:
    """It is not closed while it waits, as long as others are being worked on."""
    with CallbackThread(is_hot=is_hot) as service:
        service.appender.is_holding = True
        busy, waiting = service.connect(), service.connect()
        with busy, waiting:
            busy.post(publish_body())
            service.wait_until(lambda: service.appender.held == 1)
            assert waiting.call(SUBSCRIBE, "/centrifugo/subscribe").json == {"result": {}}
            service.begin_stop()
            service.wait_until(lambda: service.serving.server.is_draining)
            # Longer than the quiet that ends a drain: one request is still in flight.
            until = time.monotonic() + 0.5
            service.wait_until(lambda: time.monotonic() > until)
            assert len(service.serving.server.protocols) == 2
            waiting.post(publish_body())
            service.wait_until(lambda: service.appender.held == 2)
            service.run(service.appender.release)
            for wire in (busy, waiting):
                answer = wire.answer()
                assert answer.json["result"]
                assert answer.closes
                assert wire.is_closed()
            service.wait_stopped()


def test_connections_that_stay_idle_are_closed_at_the_end(is_hot, quickly) -> None:
    """When nothing comes in any more, they are closed, and the drain is over."""
    with CallbackThread(is_hot=is_hot) as service, service.connect() as wire:
        wire.call(publish_body())
        service.begin_stop()
        assert wire.is_closed()
        service.wait_stopped()


def test_nobody_new_is_let_in(is_hot, quickly) -> None:
    """A drain takes no connections."""
    with CallbackThread(is_hot=is_hot) as service, service.connect() as wire:
        wire.call(publish_body())
        service.begin_stop()
        service.wait_until(lambda: service.serving.server.is_draining)
        with pytest.raises(ConnectionRefusedError):
            service.connect()


def test_readiness_says_that_it_is_draining(quickly) -> None:
    """A load balancer is told before the port closes its connections."""
    with CallbackThread() as service, service.connect() as wire:
        wire.call(publish_body())
        service.begin_stop()
        service.wait_until(lambda: service.serving.server.is_draining)
        wire.send(b"GET /health/ready HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = wire.answer()
        assert (answer.status, answer.closes) == (503, True)
        assert "draining" in answer.json["message"]


def test_a_drain_has_an_end(is_hot) -> None:
    """What is still in flight after drain_timeout_seconds is cut off."""
    app = App()

    @app.on_publish()
    async def hang(event) -> None:
        await service.appender.hang()

    with (
        CallbackThread(
            app, is_hot=is_hot, drain_timeout_seconds=0.2, deadline_seconds=60
        ) as service,
        service.connect() as wire,
    ):
        wire.post(publish_body())
        service.wait_until(lambda: len(service.serving.in_flight) == 1)
        service.begin_stop()
        assert wire.is_closed()
        service.wait_stopped()


def test_idle_connections_are_closed_after_their_time(is_hot) -> None:
    """keep_alive_seconds bounds how long a connection nobody uses is kept."""
    with CallbackThread(is_hot=is_hot, keep_alive_seconds=0.1) as service:
        idle, never_used = service.connect(), service.connect()
        with idle, never_used:
            idle.call(publish_body())
            assert idle.is_closed()
            assert never_used.is_closed()
