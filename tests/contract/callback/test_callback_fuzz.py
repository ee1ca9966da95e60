"""Whatever arrives: an answer with a meaning or a closed connection, and the service lives on."""

import json
import socket

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from realtime_message.settings import ChannelRule
from support.callback_thread import CallbackThread, request
from support.proxy_bodies import CONNECT_FULL, PUBLISH, SUBSCRIBE_META, publish_body

EVENTS = ["connect", "subscribe", "publish"]
RULES = [
    ChannelRule(pattern="*", publish="anyone", subscribe="anyone"),
    ChannelRule(pattern="any:*", publish="anyone", payload="any"),
]
FUZZ = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["text", "id", "user", "token", "timestamp"]) | st.text(max_size=5),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)
bodies = st.fixed_dictionaries(
    {},
    optional={
        "client": st.just("C") | scalars,
        "user": st.sampled_from(["", "56"]) | scalars,
        "channel": st.sampled_from(["chat", "any:1", "user:56", "$p", "d#56"]) | scalars,
        "data": values,
        "b64data": st.sampled_from(["", "e30=", "eyJ0ZXh0IjoiYSJ9", "!"]) | scalars,
        "meta": st.dictionaries(st.just("name"), scalars) | scalars,
        "encoding": st.sampled_from(["json", "binary"]) | scalars,
        "name": scalars,
        "version": scalars,
        "channels": st.lists(scalars, max_size=3) | scalars,
        "labels": values,
    },
)


@st.composite
def damaged(draw, originals: list[bytes]) -> bytes:
    """A valid text with some bytes changed, cut out or put in."""
    data = bytearray(draw(st.sampled_from(originals)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(len(data) - 1, 0)))
        kind = draw(st.sampled_from(["change", "cut", "insert", "end"]))
        if kind == "change" and data:
            data[at] = draw(st.integers(0, 255))
        elif kind == "cut":
            del data[at : at + draw(st.integers(1, 10))]
        elif kind == "insert":
            data[at:at] = draw(st.binary(min_size=1, max_size=10))
        else:
            del data[at:]
    return bytes(data)


@pytest.fixture(scope="module", params=[True, False], ids=["below-asgi", "asgi"])
def service(request):
    with CallbackThread(is_hot=request.param, allow_anonymous=True, channels=RULES) as service:
        faults = []
        service.run(
            lambda: service.loop.set_exception_handler(lambda _, context: faults.append(context))
        )
        yield service
        assert not faults
        in_flight = {e: service.outcomes(e).get("in_flight", 0) for e in EVENTS}
        assert not any(in_flight.values()), in_flight


@pytest.fixture(scope="module")
def wire(service):
    with service.connect() as wire:
        yield wire


def check_reply(answer) -> None:
    """Status 200 with exactly one of result, error and disconnect; nothing in it is null."""
    assert answer.status == 200
    (kind,) = answer.json
    assert kind in {"result", "error", "disconnect"}
    content = answer.json[kind]
    if kind == "result":
        assert None not in content.values() or "data" in content
    else:
        assert 400 <= content["code"] < 2000
        assert content["message"]


@pytest.mark.parametrize("event", EVENTS)
@FUZZ
@given(body=bodies)
def test_events_of_any_form(wire, event, body) -> None:
    """Every field may be missing, or be of another type."""
    try:
        data = json.dumps(body).encode()
    except UnicodeEncodeError:
        return
    check_reply(wire.call(data, f"/centrifugo/{event}"))


@pytest.mark.parametrize("event", EVENTS)
@FUZZ
@given(body=damaged([PUBLISH, SUBSCRIBE_META, CONNECT_FULL, publish_body({"text": "é", "id": 7})]))
def test_damaged_bodies(wire, event, body) -> None:
    """Broken JSON and broken UTF-8."""
    check_reply(wire.call(body, f"/centrifugo/{event}"))


@FUZZ
@given(
    data=damaged(
        [request(publish_body()), request(publish_body()) * 3, b"GET /health HTTP/1.1\r\n\r\n"]
    )
    | st.binary(max_size=300),
    cuts=st.lists(st.integers(0, 900), max_size=4),
)
def test_damaged_http(service, data, cuts) -> None:
    """Whatever is on the wire, in whatever pieces: answers are whole, and others are served."""
    with service.connect() as wire:
        try:
            start = 0
            for cut in sorted(cuts):
                wire.send(data[start:cut])
                start = max(start, cut)
            wire.send(data[start:])
            wire.socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # refused before all of it was sent
        try:
            while True:
                answer = wire.answer()
                assert answer.status in {100, 200, 400, 404, 405, 413, 431}
                if answer.status != 100:
                    assert answer.json
        except (EOFError, ConnectionResetError):
            pass
    with service.connect() as wire:
        assert wire.call(publish_body()).json["result"]
