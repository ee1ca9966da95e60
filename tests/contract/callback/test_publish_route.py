"""The publish route over HTTP: one suite for both ways in, below ASGI and by ASGI."""

import asyncio
import contextlib
import json
import socket

import pytest

from realtime_message import App, PublishEvent, Refuse
from realtime_message.errors import StreamsUnavailableError
from support.callback_thread import TOKEN_SECRET, CallbackThread, request
from support.proxy_bodies import publish_body

SECRET = "the-secret-shared-with-the-gateway"

WAYS = {
    "below-asgi": {"is_hot": True, "has_uvloop": True},
    "below-asgi-asyncio": {"is_hot": True, "has_uvloop": False},
    "asgi": {"is_hot": False, "has_uvloop": True},
}


@pytest.fixture(params=WAYS)
def way(request):
    return WAYS[request.param]


@pytest.fixture
def service(way):
    with CallbackThread(**way) as service:
        yield service


def test_a_publish_is_appended_and_answered(service) -> None:
    """The answer is JSON, complete, and keeps the connection open for the next one."""
    with service.connect() as wire:
        for number in range(3):
            answer = wire.call(publish_body({"text": f"m{number}"}))
            assert answer.status == 200
            assert answer.headers["content-type"] == "application/json"
            assert not answer.closes
            assert answer.json["result"]["data"]["text"] == f"m{number}"
    assert [m.text for m in service.appender.messages] == ["m0", "m1", "m2"]
    assert service.outcomes() == {"received": 3, "appended": 3}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", 400),
        (b"null", 400),
        (b"{not json", 400),
        (b"\xff\xfe\x00", 400),
        (publish_body({"text": ""}), 400),
        (publish_body(b'{"text":"\\ud800"}'), 400),
        (publish_body(b"[" * 5000 + b"]" * 5000), 400),
        (publish_body(channel="x" * 10_000), 414),
        (publish_body(user=""), 403),
    ],
)
def test_a_bad_request_is_an_error_reply(service, body, code) -> None:
    """Status 200 with an error that says why; the connection goes on."""
    with service.connect() as wire:
        answer = wire.call(body)
        assert (answer.status, answer.error_code, answer.closes) == (200, code, False)
        assert wire.call(publish_body()).json["result"]
    assert service.outcomes() == {"received": 2, "rejected": 1, "appended": 1}


def test_a_failed_append_is_a_temporary_error(service) -> None:
    """Never a 200 without an error."""
    service.appender.failure = StreamsUnavailableError("gone")
    with service.connect() as wire:
        answer = wire.call(publish_body())
    assert answer.json["error"] == {
        "code": 503,
        "message": "the message could not be stored; try again",
        "temporary": True,
    }
    assert service.outcomes() == {"received": 1, "failed": 1}


def test_a_body_in_pieces(service) -> None:
    """However the bytes arrive, also one at a time, they are one request."""
    data = request(publish_body({"text": "in pieces"}))
    with service.connect() as wire:
        for index in range(len(data)):
            wire.send(data[index : index + 1])
        assert wire.answer().json["result"]["data"]["text"] == "in pieces"


def test_a_chunked_body(service) -> None:
    """Transfer-Encoding: chunked is HTTP as well."""
    body = publish_body({"text": "chunked"})
    chunks = [body[i : i + 7] for i in range(0, len(body), 7)]
    coded = b"".join(b"%x\r\n%b\r\n" % (len(c), c) for c in chunks) + b"0\r\n\r\n"
    with service.connect() as wire:
        wire.send(
            b"POST /centrifugo/publish HTTP/1.1\r\nHost: x\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n" + coded
        )
        assert wire.answer().json["result"]["data"]["text"] == "chunked"
        assert wire.call(publish_body()).status == 200


def test_a_request_without_a_length_has_no_body(service) -> None:
    """That is what HTTP says; the reply names what is missing."""
    with service.connect() as wire:
        wire.send(b"POST /centrifugo/publish HTTP/1.1\r\nHost: x\r\n\r\n")
        assert wire.answer().error_code == 400
        assert wire.call(publish_body()).status == 200


def test_requests_sent_ahead_are_answered_in_order(service) -> None:
    """More of them than are queued at once, good and bad ones mixed."""
    count = 100
    bodies = [
        publish_body({"text": f"m{n}"}) if n % 3 else publish_body({"text": ""})
        for n in range(count)
    ]
    with service.connect() as wire:
        wire.send(b"".join(request(body) for body in bodies))
        for number in range(count):
            reply = wire.answer().json
            if number % 3:
                assert reply["result"]["data"]["text"] == f"m{number}"
            else:
                assert reply["error"]["code"] == 400
    assert [m.text for m in service.appender.messages] == [f"m{n}" for n in range(count) if n % 3]


def test_requests_sent_ahead_wait_for_the_one_before(service) -> None:
    """An answer that takes its time is not overtaken by one that could be given at once."""
    service.appender.is_holding = True
    with service.connect() as wire:
        wire.send(request(publish_body({"text": "slow"})) + request(publish_body({"text": ""})))
        service.wait_until(lambda: service.appender.held == 1)
        service.run(service.appender.release)
        assert wire.answer().json["result"]["data"]["text"] == "slow"
        assert wire.answer().error_code == 400


def test_a_connection_that_the_client_wants_closed(service) -> None:
    """The answer says so, and then it is closed."""
    with service.connect() as wire:
        answer = wire.call(publish_body(), Connection="close")
        assert answer.json["result"]
        assert answer.closes
        assert wire.is_closed()


def test_http_1_0_gets_an_answer_and_a_close(service) -> None:
    """Also when it asks to keep the connection: only 1.1 does that without being told."""
    body = publish_body()
    for wish in (b"", b"Connection: keep-alive\r\n"):
        with service.connect() as wire:
            wire.send(
                b"POST /centrifugo/publish HTTP/1.0\r\n"
                + wish
                + b"Content-Length: %d\r\n\r\n" % len(body)
                + body
            )
            assert wire.answer().json["result"]
            assert wire.is_closed()


def test_a_client_that_waits_before_it_sends_the_body(service) -> None:
    """Expect: 100-continue is answered before the body comes."""
    body = publish_body({"text": "waited"})
    with service.connect() as wire:
        wire.send(
            b"POST /centrifugo/publish HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
            b"Content-Length: %d\r\n\r\n" % len(body)
        )
        assert wire.answer().status == 100
        wire.send(body)
        assert wire.answer().json["result"]["data"]["text"] == "waited"


def test_a_body_that_is_too_large(way) -> None:
    """The client gets the reason in a reply; the connection goes on."""
    with CallbackThread(max_body_bytes=2000, **way) as service, service.connect() as wire:
        answer = wire.call(publish_body({"text": "x" * 3000}))
        assert (answer.status, answer.error_code) == (200, 413)
        assert "larger than 2000 bytes" in answer.json["error"]["message"]
        assert wire.call(publish_body()).json["result"]
        assert service.outcomes() == {"received": 2, "rejected": 1, "appended": 1}


def test_a_body_that_is_far_too_large(way) -> None:
    """It is not read to its end: status 413, and the connection is closed."""
    with CallbackThread(max_body_bytes=2000, **way) as service, service.connect() as wire:
        wire.send(
            b"POST /centrifugo/publish HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n"
        )
        wire.send(b"x" * 40_000)
        answer = wire.answer()
        assert (answer.status, answer.closes) == (413, True)
        assert answer.headers["content-type"] == "application/json"
        assert wire.is_closed()
        assert service.outcomes() == {}


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"GET\r\n\r\n",
        b"POST /centrifugo/publish HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"POST /centrifugo/publish HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"POST /centrifugo/publish HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST /centrifugo/publish HTTP/1.1\r\nbad header\r\n\r\n",
        b"POST /centrifugo/publish HTTP/9.9\r\n\r\n",
    ],
)
def test_what_is_not_http(service, data) -> None:
    """One sentence in JSON with status 400, then the connection is closed."""
    with service.connect() as wire:
        wire.send(data)
        answer = wire.answer()
        assert (answer.status, answer.closes) == (400, True)
        assert answer.json["message"].startswith("this is not HTTP/1.1: ")
        assert wire.is_closed()
    assert service.appender.entries == []


def test_rubbish_behind_a_request_does_not_overtake_its_answer(service) -> None:
    """The answer that is due comes first, and is the last."""
    service.appender.is_holding = True
    with service.connect() as wire:
        wire.send(request(publish_body({"text": "due"})) + b"rubbish\r\n\r\n")
        service.wait_until(lambda: service.appender.held == 1)
        service.run(service.appender.release)
        assert wire.answer().json["result"]["data"]["text"] == "due"
        assert wire.is_closed()


def test_a_head_without_end(service) -> None:
    """It is cut off before it eats the memory."""
    with service.connect() as wire:
        wire.send(b"POST /centrifugo/publish HTTP/1.1\r\n")
        for _ in range(2000):
            try:
                wire.send(b"X-Padding: " + b"x" * 1000 + b"\r\n")
            except (ConnectionResetError, BrokenPipeError):
                break
        try:
            answer = wire.answer()
        except (EOFError, ConnectionResetError):
            return
        assert answer.status == 431


def test_a_client_that_is_gone_before_the_answer(service) -> None:
    """What was begun is finished and counted; nothing else is disturbed."""
    service.appender.is_holding = True
    with service.connect() as wire:
        wire.post(publish_body({"text": "orphan"}))
        service.wait_until(lambda: service.appender.held == 1)
    service.wait_until(lambda: len(service.serving.server.protocols) == 0)
    service.appender.is_holding = False
    service.run(service.appender.release)
    with service.connect() as wire:
        assert wire.call(publish_body()).json["result"]
    assert service.outcomes() == {"received": 2, "appended": 2}


def test_a_client_that_is_gone_within_its_request(service) -> None:
    """Half a request is none."""
    with service.connect() as wire:
        wire.send(request(publish_body())[:-10])
        service.wait_until(lambda: len(service.serving.server.protocols) == 1)
    service.wait_until(lambda: len(service.serving.server.protocols) == 0)
    assert service.outcomes() == {}


def test_no_confirmation_within_the_deadline(way) -> None:
    """A temporary error in time, and the connection goes on; the late outcome disturbs nobody."""
    with CallbackThread(deadline_seconds=0.1, **way) as service, service.connect() as wire:
        service.appender.is_holding = True
        answer = wire.call(publish_body({"text": "late"}))
        assert (answer.status, answer.error_code) == (200, 504)
        service.appender.is_holding = False
        service.run(service.appender.release)
        assert wire.call(publish_body({"text": "next"})).json["result"]["data"]["text"] == "next"
        assert service.outcomes() == {"received": 2, "failed": 1, "appended": 1}


def test_more_in_flight_than_allowed(way) -> None:
    """Overload is a temporary error at once."""
    with CallbackThread(max_in_flight=2, **way) as service:
        service.appender.is_holding = True
        wires = [service.connect() for _ in range(2)]
        for wire in wires:
            wire.post(publish_body())
        service.wait_until(lambda: service.appender.held == 2)
        with service.connect() as third:
            answer = third.call(publish_body())
        assert answer.json["error"]["code"] == 503
        assert answer.json["error"]["temporary"] is True
        service.run(service.appender.release)
        for wire in wires:
            with wire:
                assert wire.answer().json["result"]


def test_a_hook_is_called(way) -> None:
    """An async and a plain one, on their channels."""
    app = App()

    @app.on_publish("async")
    async def refuse(event: PublishEvent) -> None:
        raise Refuse(1000, f"no, {event.user}")

    @app.on_publish("plain")
    def refuse_too(event: PublishEvent) -> None:
        raise Refuse(1001, "no")

    with CallbackThread(app, **way) as service, service.connect() as wire:
        assert wire.call(publish_body(channel="async")).json["error"] == {
            "code": 1000,
            "message": "no, 56",
        }
        assert wire.call(publish_body(channel="plain")).error_code == 1001
        assert wire.call(publish_body(channel="other")).json["result"]


def test_a_hook_cannot_overtake_on_its_connection(way) -> None:
    """Requests sent ahead are begun one after the other, so they are stored in their order."""
    app = App()

    @app.on_publish("slow")
    def slow(event: PublishEvent) -> None:
        return None

    with CallbackThread(app, **way) as service, service.connect() as wire:
        channels = ["slow", "fast", "slow", "fast"]
        wire.send(b"".join(request(publish_body(channel=c)) for c in channels))
        for _ in channels:
            assert wire.answer().json["result"]
        assert [m.channel for m in service.appender.messages] == channels


@pytest.mark.parametrize("name", ["X-Callback-Secret", "x-callback-secret", "X-CALLBACK-SECRET"])
def test_the_shared_secret_opens(way, name) -> None:
    """The current one and the previous one, whatever the case of the header's name."""
    with (
        CallbackThread(secret=SECRET, previous_secret="old one", **way) as service,
        service.connect() as wire,
    ):
        assert wire.call(publish_body(), **{name: SECRET}).json["result"]
        assert wire.call(publish_body(), **{name: "old one"}).json["result"]


@pytest.mark.parametrize(
    "value", [None, "", "wrong", SECRET + "x", SECRET[:-1], "\xe9", TOKEN_SECRET]
)
def test_without_the_shared_secret_nothing_opens(way, value) -> None:
    """Status 401 with a sentence, nothing stored, counted as a stranger and not as received."""
    headers = {} if value is None else {"X-Callback-Secret": value}
    with CallbackThread(secret=SECRET, **way) as service, service.connect() as wire:
        body = publish_body()
        head = request(b"", headers={**headers, "Content-Length": str(len(body))})
        wire.send(head.decode().encode("latin-1") + body)
        answer = wire.answer()
        assert answer.status == 401
        assert "callback.secret must agree" in answer.json["message"]
        assert SECRET not in answer.body.decode()
        assert service.appender.entries == []
        assert service.outcomes() == {}
        with service.connect() as other:
            other.send(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b"rtm_callback_unauthenticated_total 1.0" in other.answer().body


def test_other_forms_of_the_target(service) -> None:
    """A query or an absolute target changes nothing but the way in."""
    with service.connect() as wire:
        for target in ("/centrifugo/publish?x=1", "http://x/centrifugo/publish"):
            assert wire.call(publish_body(), target).json["result"]
            assert wire.call(publish_body()).json["result"]
    assert service.outcomes() == {"received": 4, "appended": 4}


def test_another_request_behind_a_publish_is_not_answered_before_it(service) -> None:
    """Either in order, or the connection closes after the first answer, which says so."""
    service.appender.is_holding = True
    with service.connect() as wire:
        wire.send(request(publish_body()) + b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        service.wait_until(lambda: service.appender.held == 1)
        service.run(service.appender.release)
        first = wire.answer()
        assert first.json["result"]
        if first.closes:
            assert wire.is_closed()
        else:
            assert wire.answer().json == {"status": "alive"}


def test_a_publish_behind_another_request_is_not_answered_before_it(way) -> None:
    """As above, the other way round; a publish that is not answered is not stored either."""
    app = App()
    held = []

    @app.on_subscribe()
    async def wait(event) -> None:
        held.append(asyncio.Event())
        await held[-1].wait()

    with CallbackThread(app, **way) as service, service.connect() as wire:
        wire.send(request(publish_body(b"{}"), "/centrifugo/subscribe") + request(publish_body()))
        service.wait_until(lambda: len(held) == 1)
        service.run(held[0].set)
        first = wire.answer()
        assert first.json == {"result": {}}
        if first.closes:
            assert wire.is_closed()
            assert service.appender.entries == []
        else:
            assert wire.answer().json["result"]["data"]


def test_an_offer_of_another_protocol_is_not_taken(service) -> None:
    """Upgrade: h2c is refused, or passed over; it never becomes permission."""
    with service.connect() as wire:
        wire.post(publish_body(), headers={"Connection": "Upgrade", "Upgrade": "h2c"})
        answer = wire.answer()
        assert answer.status == 400 or "error" in answer.json
    assert service.appender.entries == []


@pytest.mark.parametrize("has_uvloop", [True, False])
def test_a_client_that_does_not_read_is_not_read_either(has_uvloop) -> None:
    """Its answers do not pile up without end, and it gets every one of them in the end."""
    text = "x" * 4000
    data = request(publish_body({"text": text}))
    count = 6000
    with CallbackThread(has_uvloop=has_uvloop) as service, service.connect() as wire:
        # Else the kernel takes megabytes each way, as many as it likes.
        for buffer in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            wire.socket.setsockopt(socket.SOL_SOCKET, buffer, 65_536)
        wire.socket.settimeout(0.5)
        sent = 0
        with contextlib.suppress(TimeoutError):
            while sent < count:
                wire.send(data)
                sent += 1
        assert sent < count, "the service read everything although nobody read its answers"
        wire.socket.settimeout(20)
        for _ in range(sent):
            assert json.loads(wire.answer().body)["result"]["data"]["text"] == text
