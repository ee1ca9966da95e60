"""Bytes that are no text, and half of a surrogate pair: the payload is invalid for everyone."""

import base64
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime_message import App, ConnectEvent, RpcEvent, RpcReply, SubscribeEvent
from realtime_message.settings import ChannelRule
from support.callback_thread import CallbackThread

RULES = [
    ChannelRule(pattern="*", publish="anyone", subscribe="anyone"),
    ChannelRule(pattern="any:*", publish="anyone", subscribe="anyone", payload="any"),
]
HEAD = b'{"client":"C","user":"56","method":"echo","channel":"%b",'

#: What no JSON string may hold: not UTF-8, UTF-8 of a surrogate, escaped halves of a pair.
BAD = [b"\xff", b"\xc3", b"\xed\xa0\xbd", b"\\ud83d", b"\\udc00\\ud800", b"\\ud83dx"]

DATA = [
    b'{"text":"a%b"}',
    b'{"text":"a","other":"%b"}',
    b'{"text":"a","%b":1}',
    b'{"text":"a","id":"%b"}',
    b'{"text":"a","deep":[{"%b":[]}]}',
    b'{"text":"a","token":"%b"}',
    b'["%b"]',
    b'"%b"',
]


def make_app() -> App:
    """Hooks that look at the data."""
    app = App()

    @app.on_rpc("echo")
    async def echo(event: RpcEvent) -> RpcReply:
        return RpcReply(data=event.data)

    @app.on_subscribe("*")
    def look(event: SubscribeEvent) -> None:
        assert event.data

    @app.on_connect
    async def greet(event: ConnectEvent) -> None:
        assert event.data

    return app


@pytest.fixture(scope="module", params=[True, False], ids=["below-asgi", "asgi"])
def service(request):
    with CallbackThread(
        make_app(), is_hot=request.param, allow_anonymous=True, channels=RULES
    ) as service:
        yield service


@pytest.fixture(scope="module")
def wire(service):
    with service.connect() as wire:
        yield wire


def forms(data: bytes, channel: bytes) -> list[bytes]:
    """Return the event with data as JSON, and in base64."""
    head = HEAD % channel
    return [head + b'"data":' + data + b"}", head + b'"b64data":"' + base64.b64encode(data) + b'"}']


def check_refused(wire, body: bytes, event: str) -> None:
    answer = wire.call(body, f"/centrifugo/{event}")
    assert answer.status == 200
    error = answer.json["error"]
    assert (error["code"], error.get("temporary", False)) == (400, False), error
    assert "Traceback" not in error["message"]
    assert "codec" not in error["message"]


@pytest.mark.parametrize("channel", [b"chat:a", b"any:1"])
@pytest.mark.parametrize("event", ["publish", "rpc", "subscribe", "connect"])
@pytest.mark.parametrize("bad", BAD)
def test_text_that_is_none_is_refused_for_good(service, wire, event, bad, channel) -> None:
    """In every place of the data, as JSON and in base64; nothing of it is stored."""
    for data in DATA:
        for body in forms(data % bad, channel):
            check_refused(wire, body, event)
    assert not service.appender.entries


@pytest.mark.parametrize(
    ("event", "field"),
    [
        *((event, field) for event in ("publish", "subscribe") for field in ("user", "channel")),
        ("rpc", "method"),
        ("rpc", "client"),
        ("publish", "b64data"),
        ("connect", "name"),
    ],
)
def test_fields_of_the_event_likewise(wire, event, field) -> None:
    """What comes from the gateway itself is looked at in the same way."""
    fields = {"client": "C", "user": "56", "channel": "chat:a", "data": {"text": "a"}}
    for bad in BAD:
        body = json.dumps(fields | {field: "@"}).encode().replace(b'"@"', b'"' + bad + b'"')
        check_refused(wire, body, event)


@given(
    before=st.text(st.characters(codec="ascii", exclude_characters='"\\', min_codepoint=32)),
    bad=st.sampled_from(BAD),
    place=st.sampled_from(DATA),
    channel=st.sampled_from([b"chat:a", b"any:1"]),
)
@settings(max_examples=150, deadline=None)
def test_wherever_it_stands(wire, before, bad, place, channel) -> None:
    """Behind any other text, the two forms have one answer."""
    data = place % (before.encode() + bad)
    for body in forms(data, channel):
        check_refused(wire, body, "publish")


def test_pairs_that_are_whole_are_text(service, wire) -> None:
    """Escaped or as UTF-8, subscribers get the bytes that were sent."""
    for text in (b"\\ud83d\\ude00", "\U0001f600".encode()):
        for body in forms(b'{"text":"%b"}' % text, b"chat:a"):
            assert text in wire.call(body).body
    assert len(service.appender.entries) == 4
    service.appender.entries.clear()
