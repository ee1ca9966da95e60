"""What Centrifugo sends is understood, and what it might send one day is too."""

import pytest

from realtime_message.centrifugo.events import (
    ConnectEvent,
    MalformedEventError,
    PublishEvent,
    RefreshEvent,
    RpcEvent,
    SubRefreshEvent,
    SubscribeEvent,
    event_decoder,
)
from support import proxy_bodies as bodies


def test_connect_with_nothing_but_the_client() -> None:
    """A bare connect event has empty defaults for all that was left out."""
    event = event_decoder(ConnectEvent)(bodies.CONNECT)
    assert (event.client, event.transport, event.protocol, event.encoding) == (
        "C1",
        "websocket",
        "json",
        "json",
    )
    assert (event.data, event.data_bytes, event.name, event.version, event.channels) == (
        None,
        b"",
        "",
        "",
        [],
    )


def test_connect_with_everything() -> None:
    """Data, name, version and wanted channels arrive."""
    event = event_decoder(ConnectEvent)(bodies.CONNECT_FULL)
    assert (event.data, event.name, event.version, event.channels) == (
        {"k": 1},
        "js",
        "1.2",
        ["want:1", "w2"],
    )


@pytest.mark.parametrize(
    ("kind", "body", "data"),
    [
        (ConnectEvent, bodies.CONNECT_BINARY, {"k": 1}),
        (SubscribeEvent, bodies.SUBSCRIBE_BINARY, {"q": 1}),
    ],
)
def test_data_in_base64_is_the_same_data(kind, body, data) -> None:
    """With binary_encoding on, the data comes as base64 and reads the same."""
    event = event_decoder(kind)(body)
    assert (event.encoding, event.data) == ("binary", data)


def test_subscribe_and_publish_carry_user_channel_and_meta() -> None:
    """What the decision needs is there."""
    subscribe = event_decoder(SubscribeEvent)(bodies.SUBSCRIBE_META)
    publish = event_decoder(PublishEvent)(bodies.PUBLISH)
    assert (subscribe.user, subscribe.channel, subscribe.meta, subscribe.token) == (
        "56",
        "chat:index",
        {"tenant": "t1"},
        "",
    )
    assert (publish.user, publish.channel, publish.meta, publish.data_bytes) == (
        "56",
        "chat:index",
        {"tenant": "t1"},
        b'{"a":1}',
    )


def test_refresh_sub_refresh_and_rpc() -> None:
    """The other three events are understood as they come."""
    assert event_decoder(RefreshEvent)(bodies.REFRESH).user == "56"
    assert event_decoder(SubRefreshEvent)(bodies.SUB_REFRESH).channel == "s1"
    rpc = event_decoder(RpcEvent)(bodies.RPC)
    assert (rpc.method, rpc.data) == ("echo", {"z": 1})
    empty = event_decoder(RpcEvent)(bodies.RPC_EMPTY)
    assert (empty.method, empty.data) == ("", None)


def test_unknown_fields_and_values_are_tolerated() -> None:
    """A newer Centrifugo may add fields, transports and protocols."""
    body = (
        b'{"client":"C","transport":"quic","protocol":"cbor","encoding":"zip","user":"1",'
        b'"channel":"c","data":null,"labels":{"a":"b"},"trace":[1,{"x":null}]}'
    )
    event = event_decoder(PublishEvent)(body)
    assert (event.transport, event.protocol, event.encoding) == ("quic", "cbor", "zip")
    assert (event.data, event.data_bytes) == (None, b"null")


def test_data_keeps_its_bytes() -> None:
    """Numbers keep all their digits, and nothing is decoded that nobody asked for."""
    raw = b'{"n":12345678901234567890123,"f":1.0,"e":"\\u003cb\\u003e"}'
    event = event_decoder(PublishEvent)(b'{"client":"C","channel":"c","data":' + raw + b"}")
    assert event.data_bytes == raw
    assert event.data["n"] == 12345678901234567890123


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"x"',
        b"{",
        b"{}",
        b'{"client":1,"channel":"c"}',
        b'{"client":"C"}',
        b'{"client":"C","channel":["c"]}',
        b'{"client":"C","channel":"c","user":56}',
        b'{"client":"C","channel":"c","meta":"x"}',
        b'{"client":"C","channel":"c","data":{"a":1}} trailing',
        b'{"client":"C","channel":"c","data":{"a":"\\ud800"}}',
        b'{"client":"\xff","channel":"c"}',
        b'{"client":"C","channel":"c","data":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
)
def test_what_is_no_event_says_why(body) -> None:
    """Whatever arrives, the answer is one error with a text, never another exception."""
    with pytest.raises(MalformedEventError, match="the body is no PublishEvent: "):
        event_decoder(PublishEvent)(body)


@pytest.mark.parametrize("b64data", ["!", "eyJ", "é", "eyJrIjoxfQ==x"])
def test_broken_base64_says_so(b64data) -> None:
    """Base64 that is not base64 is told apart from data that is not JSON."""
    event = ConnectEvent(client="C", b64data=b64data)
    with pytest.raises(MalformedEventError, match="b64data is not base64"):
        _ = event.data_bytes


def test_base64_of_no_json_says_so() -> None:
    """The bytes are there for who wants them; as data they are refused."""
    event = ConnectEvent(client="C", b64data="AAEC")
    assert event.data_bytes == b"\x00\x01\x02"
    with pytest.raises(MalformedEventError, match="the data is not JSON"):
        _ = event.data
