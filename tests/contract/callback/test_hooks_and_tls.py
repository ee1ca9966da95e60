"""The service with hooks' resources, refreshes, a certificate, over HTTP."""

import json
import ssl

import pytest

from realtime_message import (
    App,
    ConnectEvent,
    ConnectReply,
    PublishEvent,
    RefreshEvent,
    RefreshReply,
)
from realtime_message.centrifugo.events import UserEvent
from realtime_message.errors import AppError, ConfigurationError, StartupError
from support import proxy_bodies as bodies
from support.callback_thread import CallbackThread
from support.certificates import make_certificate
from support.proxy_bodies import publish_body


def test_resources_are_open_while_hooks_are_called() -> None:
    """Opened before the first request, closed after the last one, only those that hooks take."""
    app, log = App(), []

    @app.resource
    async def pool():
        log.append("opened")
        yield "the pool"
        log.append("closed")

    @app.resource
    def unused():
        raise AssertionError("opened")

    @app.on_publish()
    async def look(event: PublishEvent, pool: str) -> None:
        log.append(pool)

    with CallbackThread(app) as service, service.connect() as wire:
        assert log == ["opened"]
        assert wire.call(publish_body()).json["result"]
        service.begin_stop()
        service.wait_stopped()
    assert log == ["opened", "the pool", "closed"]


def test_a_resource_that_cannot_be_opened() -> None:
    """The service does not start, and says which one."""
    app = App()

    @app.resource
    def pool():
        raise OSError("no database")

    @app.on_publish()
    async def look(event: PublishEvent, pool: str) -> None:
        """Take an event."""

    service = CallbackThread(app)
    with (
        pytest.raises(StartupError, match='"pool" could not be opened: OSError: no database'),
        service,
    ):
        pass


def test_a_hook_that_cannot_be_called() -> None:
    """The service does not start."""
    app = App()

    @app.on_publish()
    async def look(event: PublishEvent, nothing_like_it) -> None:
        """Take an event."""

    service = CallbackThread(app)
    with pytest.raises(AppError, match="nothing_like_it"), service:
        pass


def test_the_handshakes_headers_reach_the_connect_hook() -> None:
    """As the gateway passes them on, by names in lower case."""
    app = App()

    @app.on_connect
    async def by_cookie(event: ConnectEvent) -> ConnectReply | None:
        user = event.headers.get("cookie", "").removeprefix("session=")
        return ConnectReply(user=user) if user else None

    with CallbackThread(app) as service, service.connect() as wire:
        answer = wire.call(bodies.CONNECT, "/centrifugo/connect", Cookie="session=56")
        assert answer.json == {"result": {"user": "56"}}
        assert wire.call(bodies.CONNECT, "/centrifugo/connect").error_code == 401


@pytest.mark.parametrize(
    ("path", "body"),
    [("/centrifugo/refresh", bodies.REFRESH), ("/centrifugo/sub_refresh", bodies.SUB_REFRESH)],
)
def test_a_refresh_that_fails_is_no_end(path, body) -> None:
    """Its status is not 200: Centrifugo then keeps the connection and asks again later."""
    app = App()

    @app.on_refresh
    async def broken(event: UserEvent) -> RefreshReply:
        raise KeyError("boom")

    app.on_sub_refresh()(broken)
    with CallbackThread(app) as service, service.connect() as wire:
        assert wire.call(body, path).status == 503
        assert wire.call(b"rubbish", path).status == 400
    with CallbackThread() as service, service.connect() as wire:
        answer = wire.call(body, path)
        assert (answer.status, answer.json) == (200, {"result": {"expired": True}})


def test_a_call_of_a_method() -> None:
    """Without a hook there is no method."""
    with CallbackThread() as service, service.connect() as wire:
        answer = wire.call(bodies.RPC, "/centrifugo/rpc")
        assert (answer.status, answer.error_code) == (200, 404)


@pytest.mark.parametrize("is_hot", [True, False])
def test_too_many_messages(is_hot) -> None:
    """A temporary error with its own code; others are served."""
    with (
        CallbackThread(is_hot=is_hot, user_rate_per_second=0.001, user_burst=2) as service,
        service.connect() as wire,
    ):
        codes = [wire.call(publish_body()).json.get("error", {}).get("code") for _ in range(3)]
        assert codes == [None, None, 429]
        assert wire.call(publish_body(user="57")).json["result"]
        assert service.outcomes() == {"received": 4, "appended": 3, "rejected": 1}


@pytest.mark.parametrize("is_hot", [True, False])
def test_a_proxy_in_front_is_not_this_machine(is_hot) -> None:
    """Without a secret, a request that was forwarded is refused, unless the proxy is trusted."""
    with CallbackThread(is_hot=is_hot) as service, service.connect() as wire:
        answer = wire.call(publish_body(), **{"X-Forwarded-For": "127.0.0.1"})
        assert answer.status == 401
        assert "callback.trusted_proxies" in answer.json["message"]
    with CallbackThread(is_hot=is_hot, trusted_proxies=["127.0.0.1"]) as service:
        for forwarded_for, status in (("127.0.0.1", 200), ("10.0.0.1", 401)):
            with service.connect() as wire:
                answer = wire.call(publish_body(), **{"X-Forwarded-For": forwarded_for})
                assert answer.status == status


def test_hooks_that_the_gateway_never_calls_are_told_of(capfd) -> None:
    """The configuration decides about which events the gateway asks: both have to agree."""
    app = App()

    @app.on_refresh
    def prolong(event: RefreshEvent) -> None:
        """Never called: the event is off by default."""

    with CallbackThread(app):
        pass
    told = "".join(capfd.readouterr())
    assert "hook.never_called" in told
    assert "gateway.events does not hold refresh" in told
    with CallbackThread():
        pass
    assert "hook." not in "".join(capfd.readouterr())


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate for localhost and its key, made on the spot."""
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.mark.parametrize("is_hot", [True, False])
@pytest.mark.parametrize("has_uvloop", [True, False])
def test_https(certificate, is_hot, has_uvloop) -> None:
    """The same answers, over TLS, and HTTP/1.1 is what is agreed on."""
    cert, key = certificate
    with CallbackThread(
        is_hot=is_hot, has_uvloop=has_uvloop, tls_certificate=str(cert), tls_key=str(key)
    ) as service:
        assert service.serving.url.startswith("https://127.0.0.1:")
        context = ssl.create_default_context(cafile=str(cert))
        context.set_alpn_protocols(["h2", "http/1.1"])
        with service.connect() as wire:
            wire.socket = context.wrap_socket(wire.socket, server_hostname="localhost")
            assert wire.socket.selected_alpn_protocol() == "http/1.1"
            for number in range(3):
                answer = wire.call(publish_body({"text": f"m{number}"}))
                assert answer.json["result"]["data"]["text"] == f"m{number}"
            assert wire.call(bodies.SUBSCRIBE, "/centrifugo/subscribe").json == {"result": {}}


def test_certificates_that_cannot_be_used(certificate, tmp_path) -> None:
    """Each mistake has its sentence."""
    cert, key = (str(file) for file in certificate)
    empty = tmp_path / "empty.pem"
    empty.write_text("")
    for files, text in (
        ({"tls_certificate": cert}, "callback.tls_key is missing"),
        ({"tls_key": key}, "callback.tls_certificate is missing"),
        ({"tls_certificate": "/no/such.pem", "tls_key": key}, "/no/such.pem .*No such file"),
        ({"tls_certificate": cert, "tls_key": str(empty)}, "cannot be used"),
        ({"tls_certificate": key, "tls_key": cert}, "cannot be used"),
    ):
        service = CallbackThread(**files)
        with pytest.raises(ConfigurationError, match=text), service:
            pass


def test_events_in_json_are_what_they_were() -> None:
    """The route of each event exists."""
    with CallbackThread(allow_anonymous=True) as service, service.connect() as wire:
        for event in ("connect", "refresh", "subscribe", "sub_refresh", "publish", "rpc"):
            assert wire.call(publish_body(), f"/centrifugo/{event}").status == 200
            assert json.loads(wire.call(publish_body(), f"/centrifugo/{event}").body)
