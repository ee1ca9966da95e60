"""A head that was parsed before is recognised only where the parser would say the same."""

import httptools
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from realtime_message.callback import protocol
from realtime_message.callback.known_head import KnownHead
from support.callback_thread import CallbackThread, request
from support.proxy_bodies import publish_body

# A busy machine is no fault of what is tested.
untimed = settings(deadline=None)


class Parsed:
    """What the HTTP parser finds in some bytes."""

    def __init__(self, data: bytes) -> None:
        self.targets: list[bytes] = []
        self.headers: list[tuple[bytes, bytes]] = []
        self.body = b""
        self.complete = 0
        parser = httptools.HttpRequestParser(self)
        parser.feed_data(data)
        self.method = parser.get_method()
        self.keeps_alive = parser.should_keep_alive()

    def on_message_begin(self) -> None:
        self.targets.append(b"")

    def on_url(self, url: bytes) -> None:
        self.targets[-1] += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name, value))

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.complete += 1

    @property
    def others(self) -> list[tuple[bytes, bytes]]:
        """The headers without the length."""
        return [(n, v) for n, v in self.headers if n.lower() != b"content-length"]


BODY = publish_body({"text": "hello"})
REQUEST = request(BODY, headers={"X-Callback-Secret": "s3cret"})


def learned(data: bytes = REQUEST, size: int = len(BODY)) -> KnownHead:
    head = KnownHead.learn(data, size)
    assert head is not None
    return head


@pytest.mark.parametrize("body", [b"x", b"x" * 10, BODY, b"x" * 100_000, b"\r\n\r\n", b"0"])
def test_the_same_head_with_another_length(body) -> None:
    """The body is all that is behind it."""
    assert learned().body_of(request(body, headers={"X-Callback-Secret": "s3cret"})) == body


@pytest.mark.parametrize(
    "data",
    [
        b"",
        REQUEST[:50],
        REQUEST[:-1],
        REQUEST + b"x",
        REQUEST + REQUEST,
        REQUEST.replace(b"s3cret", b"s3creT"),
        REQUEST.replace(b"s3cret", b"other!"),
        REQUEST.replace(b"X-Callback-Secret", b"X-Callback-secret"),
        REQUEST.replace(b"Accept-Encoding: gzip", b"Connection: close"),
        REQUEST.replace(b"HTTP/1.1", b"HTTP/1.0"),
        REQUEST.replace(b"Content-Length: ", b"Content-Length: +"),
        REQUEST.replace(b"Content-Length: ", b"Content-Length: -"),
        REQUEST.replace(b"Content-Length: ", b"Content-Length:  "),
        REQUEST.replace(b"/publish", b"/connect"),
        b"\r\n" + REQUEST,
    ],
)
def test_anything_else(data) -> None:
    """What differs in a byte is left to the parser."""
    assert data != REQUEST
    assert learned().body_of(data) is None


@pytest.mark.parametrize(
    "data",
    [
        b"POST / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nX: y\r\n Content-Length: 5\r\n\r\nhello",
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello!",
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhell",
    ],
)
def test_heads_of_no_usual_form_are_not_learned(data) -> None:
    """Exactly one plain length, and a body of that length."""
    assert KnownHead.learn(data, 5) is None


@st.composite
def similar(draw) -> bytes:
    """The request, damaged or lengthened in a few places."""
    data = bytearray(REQUEST)
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(data) - 1))
        piece = draw(
            st.sampled_from([b"0", b"9", b" ", b"\r\n", b"Content-Length: 5\r\n", b"\x00"])
            | st.binary(max_size=3)
        )
        data[at : at + draw(st.integers(0, 3))] = piece
    return bytes(data)


@st.composite
def other_lengths(draw) -> bytes:
    """The request with other digits and another body."""
    digits = draw(st.text("0123456789", max_size=11)).encode()
    body = draw(st.binary(max_size=30))
    head = REQUEST.partition(b"\r\n\r\n")[0].replace(b"%d" % len(BODY), digits)
    if draw(st.booleans()):
        head = head.replace(digits, b"%d" % len(body), 1)
    return head + b"\r\n\r\n" + body


@untimed
@given(data=similar() | other_lengths())
@example(data=REQUEST)
@example(data=request(b"", headers={"X-Callback-Secret": "s3cret"}))
def test_what_is_recognised_means_what_the_parser_says(data) -> None:
    """One whole request with the same method, target and headers, and the same body."""
    body = learned().body_of(data)
    if body is None:
        return
    known, parsed = Parsed(REQUEST), Parsed(data)
    assert (parsed.complete, parsed.body, parsed.keeps_alive) == (1, body, True)
    assert (parsed.method, parsed.targets, parsed.others) == (
        known.method,
        known.targets,
        known.others,
    )


def test_a_connection_learns_and_still_sees_every_difference() -> None:
    """Between recognised requests: a wrong secret, another route, a body in two pieces."""
    with CallbackThread(secret="s3cret") as service:
        good = {"X-Callback-Secret": "s3cret"}
        with service.connect() as wire:
            for number in range(5):
                assert wire.call(publish_body({"text": f"m{number}"}), **good).json["result"]
            wire.send(REQUEST[:100])
            service.wait_until(lambda: True)
            wire.send(REQUEST[100:])
            assert wire.answer().json["result"]
            wire.send(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
            assert wire.answer().json == {"status": "alive"}
            assert wire.call(BODY, **good).json["result"]
            assert wire.call(BODY, **good).json["result"]
            assert wire.call(publish_body(channel="x" * 300), **good).error_code == 414
            answer = wire.call(BODY, **{"X-Callback-Secret": "s3creT"})
            assert answer.status == 401
            assert wire.is_closed()
        assert len(service.appender.entries) == 8


def test_a_connection_of_many_heads_stops_learning() -> None:
    """Where every client's headers are passed on, remembering heads would be in vain."""
    with CallbackThread() as service, service.connect() as wire:
        for number in range(protocol.MAX_LEARNINGS * 2):
            assert wire.call(BODY, Cookie=f"c={number}").json["result"]
        (connection,) = service.serving.server.protocols
        assert connection._learnings_left == 0
        assert wire.call(BODY, Cookie="c=0").json["result"]


def test_a_secret_is_not_learned_before_it_was_compared() -> None:
    """A request that waits for another has not been authenticated."""
    with CallbackThread(secret="s3cret") as service, service.connect() as wire:
        service.appender.is_holding = True
        wire.send(REQUEST)
        service.wait_until(lambda: service.appender.held == 1)
        wrong = REQUEST.replace(b"s3cret", b"wrong!")
        for _ in range(3):
            wire.send(wrong)
            service.wait_until(lambda: True)
        service.appender.is_holding = False
        service.run(service.appender.release)
        assert wire.answer().json["result"]
        assert wire.answer().status == 401
        assert wire.is_closed()
        assert len(service.appender.entries) == 1
