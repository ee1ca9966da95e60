"""The callback service lives through anything, and no 200 is without a meaning."""

import base64
import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_message.settings import ChannelRule
from support.callback_thread import CallbackThread, Wire, request
from support.fuzzing import (
    FUZZ,
    FUZZ_SECONDS,
    PATIENCE_SECONDS,
    damage,
    damaged,
    growth_bytes,
    json_texts,
    search,
    send_and_end,
)
from support.proxy_bodies import CONNECT_FULL, PUBLISH, SUBSCRIBE_META, publish_body

pytestmark = pytest.mark.timeout(120 + 4 * FUZZ_SECONDS)

EVENTS = ["connect", "refresh", "subscribe", "publish", "sub_refresh", "rpc"]
RULES = [
    ChannelRule(pattern="*", publish="anyone", subscribe="anyone"),
    ChannelRule(pattern="any:*", publish="anyone", payload="any"),
]
STATUSES = {100, 200, 400, 401, 404, 405, 413, 431, 503}

quoted = json_texts | st.binary(max_size=30).map(
    lambda data: '"' + base64.b64encode(data).decode() + '"'
)


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """The text of a proxy event's body, each value of any JSON, right or broken."""
    fields = {"client": '"C"', "user": '"56"', "channel": '"chat"', "data": '{"text":"a"}'}
    names = [*fields, "b64data", "encoding", "meta", "method", "version", "labels", "transport"]
    for name in draw(st.lists(st.sampled_from(names), max_size=3)):
        fields[name] = draw(quoted)
    text = "{" + ",".join(f'"{name}":{value}' for name, value in fields.items()) + "}"
    body = text.encode("utf-8", "surrogatepass")
    # Bytes that are no text, or half a pair, in the place of an ordinary letter of any string.
    bad = draw(st.sampled_from([b"", b"", b"", b"\xff", b"\xed\xa0\xbd", b"\\ud83d", b"\\udc00"]))
    return body.replace(b"a", bad or b"a", 1)


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """A request that may be right, wrong in one of the known ways, or smuggling another."""
    method = draw(st.sampled_from(["POST", "POST", "GET", "PUT", "OPTIONS", "POST ", "P\x00ST"]))
    target = draw(
        st.sampled_from([f"/centrifugo/{event}" for event in EVENTS])
        | st.sampled_from(["/health", "/health/ready", "/metrics", "*", "/", "http://x/", "/%ff"])
    )
    version = draw(st.sampled_from(["HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "HTTP/9", ""]))
    body = draw(bodies())
    length = draw(st.sampled_from([len(body), 0, len(body) + 5, len(body) - 1, 10**30, -1, "0x5"]))
    headers = draw(
        st.lists(
            st.sampled_from(
                [
                    f"Content-Length: {length}",
                    "Transfer-Encoding: chunked",
                    "Transfer-Encoding: gzip, chunked",
                    "Expect: 100-continue",
                    "Connection: close",
                    "Connection: Upgrade",
                    "Upgrade: h2c",
                    "Upgrade: websocket",
                    "X-Long: " + "x" * 70_000,
                    "X-Callback-Secret: \u00ff",
                    ": nothing",
                    "no colon",
                    " folded",
                ]
            ),
            max_size=3,
        )
    )
    lines = [f"{method} {target} {version}", "Host: x", f"Content-Length: {length}", *headers]
    if draw(st.booleans()):
        lines.remove(f"Content-Length: {length}")
    end = draw(st.sampled_from(["\r\n", "\r\n", "\r\n", "\n", "\r"]))
    return (end.join(lines) + end * 2).encode("latin-1") + body


@pytest.fixture(scope="module", params=[True, False], ids=["below-asgi", "asgi"])
def service(request):
    """A service; nothing of it is in flight, and its loop has complained of nothing, at the end."""
    with CallbackThread(is_hot=request.param, allow_anonymous=True, channels=RULES) as service:
        faults = []
        service.run(
            lambda: service.loop.set_exception_handler(lambda _, context: faults.append(context))
        )
        yield service
        assert not faults
        in_flight = {e: service.outcomes(e).get("in_flight", 0) for e in EVENTS}
        assert not any(in_flight.values()), in_flight


def check_meaning(event: str, body: bytes) -> None:
    """A 200 holds exactly one of result, error and disconnect, of the right form."""
    (kind, content), *more = json.loads(body).items()
    assert not more, body
    assert kind in {"result", "error", "disconnect"}
    if kind == "error":
        assert 400 <= content["code"] <= 1999, (event, body)
        assert content["message"]
    elif kind == "disconnect":
        assert 4000 <= content["code"] <= 4999, (event, body)


def check_answers(received: bytes) -> None:
    """Whatever came back is whole HTTP answers with known statuses."""
    while received:
        head, end, rest = received.partition(b"\r\n\r\n")
        assert end, received
        lines = head.split(b"\r\n")
        version, status, *_ = lines[0].split(b" ")
        assert version == b"HTTP/1.1", received
        assert int(status) in STATUSES, received
        sizes = [int(line[15:]) for line in lines if line.lower().startswith(b"content-length:")]
        length = sizes[0] if sizes else 0
        body, received = rest[:length], rest[length:]
        if body.startswith(b"{"):
            json.loads(body)


def is_well(service: CallbackThread) -> None:
    """Others are served as ever."""
    with service.connect() as wire:
        assert wire.call(publish_body()).json["result"]


@pytest.mark.parametrize("event", EVENTS)
def test_bodies(service, event) -> None:
    """Any JSON, base64 and bytes: status 200 has a meaning, and the connection lives on."""
    with service.connect() as wire:

        @FUZZ
        @given(bodies() | damaged([PUBLISH, SUBSCRIBE_META, CONNECT_FULL]) | st.binary(max_size=99))
        def check(body: bytes) -> None:
            answer = wire.call(body, f"/centrifugo/{event}")
            assert answer.status in {200, 400, 503}, answer
            if answer.status == 200:
                check_meaning(event, answer.body)

        search(check)
    is_well(service)


def test_both_ways_answer_alike() -> None:
    """The route below ASGI and the ASGI application give a body the same meaning."""

    def meaning(wire: Wire, body: bytes) -> object:
        answer = wire.call(body).json
        return answer["error"] if "error" in answer else list(answer)

    with (
        CallbackThread(is_hot=True, allow_anonymous=True, channels=RULES) as below,
        CallbackThread(is_hot=False, allow_anonymous=True, channels=RULES) as above,
        below.connect() as one,
        above.connect() as other,
    ):

        @FUZZ
        @given(bodies() | damaged([PUBLISH, publish_body({"text": "é", "id": 7})]))
        def check(body: bytes) -> None:
            assert meaning(one, body) == meaning(other, body)

        search(check)


def test_requests(service) -> None:
    """Requests of every form, several on a connection, in any pieces: no hang, no half answer."""

    @FUZZ
    @given(
        st.lists(requests() | damaged([request(publish_body())]), min_size=1, max_size=3),
        st.lists(st.integers(0, 400), max_size=3),
    )
    def check(sent: list[bytes], cuts: list[int]) -> None:
        data = b"".join(sent)
        places = [0, *sorted(cut for cut in cuts if cut < len(data)), len(data)]
        pieces = [data[a:b] for a, b in pairwise(places)]
        with service.connect() as wire:
            wire.socket.settimeout(PATIENCE_SECONDS)
            received = send_and_end(wire.socket, *pieces)
        check_answers(received)
        is_well(service)

    search(check)


def test_memory_does_not_grow(service) -> None:
    """Thousands of right and damaged requests leave nothing behind."""
    originals = [PUBLISH, SUBSCRIBE_META, CONNECT_FULL, publish_body({"text": "a"})]
    wires = [service.connect()]

    def step(rng) -> None:
        original = rng.choice(originals)
        wires[0].call(rng.choice([original, damage(rng, original)]), "/centrifugo/publish")
        if rng.random() < 0.1:
            # A new connection, after one that ends in the middle of a request.
            with service.connect() as cut:
                whole = request(original)
                cut.send(damage(rng, whole[: rng.randrange(len(whole))]))
            wires.pop().socket.close()
            wires.append(service.connect())
        # The stand-in for Redis keeps what it gets.
        service.appender.entries.clear()
        service.appender.durabilities.clear()
        service.appender._kept.clear()

    python, process = growth_bytes(step, 1500)
    wires[0].socket.close()
    assert python < 400_000, f"{python} bytes over 1500 requests"
    assert process < 24_000_000, f"{process} bytes over 1500 requests"
