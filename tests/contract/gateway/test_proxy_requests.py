"""What the callback service receives, byte for byte."""

import base64
import json

import pytest

from support.gateway_callback import Answer
from support.gateway_client import RawClient, unique
from support.gateway_rig import CALLBACK_SECRET

META = {"result": {"user": "56", "meta": {"tenant": "t1"}}}


def head(client):
    return f'"client":"{client.id}","transport":"websocket","protocol":"json","encoding":"json"'


async def test_connect_request_without_anything(connect, rig):
    """Empty fields are left out; there is no user yet."""
    client = await connect()
    assert rig.callback.calls("connect")[0].body.decode() == "{" + head(client) + "}"


async def test_connect_request_with_everything(connect, rig):
    """Data, name, version and the channels asked for, in this order."""
    client = await connect(
        data={"k": 1},
        name="js",
        version="1.2",
        subs={"want:1": {}, "w2": {}},
        headers={"X-No": "1"},
    )
    body = rig.callback.calls("connect")[0].body.decode()
    start = "{" + head(client) + ',"data":{"k":1},"name":"js","version":"1.2","channels":'
    assert body.startswith(start)
    assert set(json.loads(body)["channels"]) == {"want:1", "w2"}


async def test_events_of_a_connected_client(connect, rig):
    """User, channel or method, data and the connection's meta; each in its place."""
    rig.callback.scripts["connect"] = Answer(META)
    client = await connect()
    channel = unique()
    await client.request("subscribe", channel=channel, data={"q": 1}, recover=True, token="")
    await client.request("publish", channel=channel, data={"a": 1})
    await client.request("rpc", method="echo", data={"z": 1})
    bodies = {
        event: rig.callback.calls(event)[0].body.decode()
        for event in ("subscribe", "publish", "rpc")
    }
    meta = '"meta":{"tenant":"t1"}'
    start = "{" + head(client) + ',"user":"56",'
    assert bodies["subscribe"] == f'{start}"channel":"{channel}",{meta},"data":{{"q":1}}}}'
    assert bodies["publish"] == f'{start}"channel":"{channel}","data":{{"a":1}},{meta}}}'
    assert bodies["rpc"] == f'{start}"method":"echo","data":{{"z":1}},{meta}}}'


async def test_anonymous_user_is_stated_and_empty_rpc_is_short(connect, rig):
    """`user` is always there, also empty; an rpc without anything has nothing more."""
    rig.callback.scripts["connect"] = Answer({"result": {"user": ""}})
    client = await connect()
    await client.request("rpc")
    assert rig.callback.calls("rpc")[0].body.decode() == "{" + head(client) + ',"user":""}'


async def test_payload_is_compacted_and_escaped(connect, rig):
    """Whitespace goes, `<`, `>`, `&` and line separators are escaped, numbers keep their text."""
    client = await connect()
    data = '{ "a" : "<b>&\u2028\\u00e9\u00e9" , "n" : 12345678901234567890.10, "e": [ ] }'
    await client.send(f'{{"id":2,"publish":{{"channel":"{unique()}","data":{data}}}}}')
    await client.reply(2)
    body = rig.callback.calls("publish")[0].body.decode()
    text = "\\u003cb\\u003e\\u0026\\u2028\\u00e9\u00e9"
    expected = f'"data":{{"a":"{text}","n":12345678901234567890.10,"e":[]}}'
    assert expected in body


@pytest.mark.gateway(
    changes={
        "client": {"proxy": {"connect": {"binary_encoding": True}}},
        "channel": {
            "proxy": {"publish": {"binary_encoding": True}, "subscribe": {"binary_encoding": True}}
        },
    }
)
async def test_binary_encoding_sends_base64(connect, rig):
    """The client's bytes travel unchanged then."""
    client = await connect(data={"k": 1})
    channel = unique()
    await client.send(f'{{"id":2,"publish":{{"channel":"{channel}","data":{{"a" : 1}}}}}}')
    await client.reply(2)
    await client.request("subscribe", channel=channel)
    connect_call = rig.callback.calls("connect")[0].json
    assert connect_call["encoding"] == "binary"
    assert json.loads(base64.b64decode(connect_call["b64data"])) == {"k": 1}
    publish = rig.callback.calls("publish")[0].json
    assert base64.b64decode(publish["b64data"]) == b'{"a" : 1}'
    assert "b64data" not in rig.callback.calls("subscribe")[0].json


async def test_request_line_and_framing(connect, rig):
    """POST with a length and a JSON content type; connections are kept alive."""
    client = await connect()
    for _ in range(3):
        await client.request("publish", channel=unique(), data=1)
    calls = rig.callback.calls("publish")
    assert {call.method for call in calls} == {"POST"}
    assert {call.peer_port for call in calls} == {calls[0].peer_port}
    for call in calls:
        assert call.header("Content-Type") == "application/json"
        assert call.header("Content-Length") == str(len(call.body))
        assert call.header("Host") == f"127.0.0.1:{rig.callback.port}"


async def test_closed_idle_connection_is_replaced(connect, rig):
    """An answer with `Connection: close` costs nothing but a new connection."""
    client = await connect()
    rig.callback.scripts["publish"] = Answer(headers={"Connection": "close"})
    for _ in range(3):
        assert "publish" in await client.request("publish", channel=unique(), data=1)


async def test_headers_are_forwarded_on_connect_alone(connect, rig):
    """The requests of all clients' publishes are alike then, which makes them cheap."""
    heads = []
    for agent in ("browser/1", "browser/2"):
        client = await RawClient.open(rig.url, user_agent_header=agent)
        await client.request("connect", headers={"X-Emulated": "e1"})
        await client.request("publish", channel=unique(), data=1)
        heads.append(rig.callback.calls("publish")[-1].headers)
        await client.close()
    assert [call.header("User-Agent") for call in rig.callback.calls("connect")] == [
        "browser/1",
        "browser/2",
    ]
    first, second = ([(n, v) for n, v in head if n.lower() != "content-length"] for head in heads)
    assert first == second
    assert "X-Callback-Secret".lower() in [name.lower() for name, _ in first]


@pytest.mark.gateway(
    changes={
        "channel": {
            "proxy": {
                "publish": {
                    "http_headers": ["Cookie", "X-Real-Ip", "User-Agent"],
                    "emulated_headers": ["X-Emulated"],
                }
            }
        }
    }
)
async def test_handshake_headers_are_forwarded_by_name(connect, rig):
    """Listed headers reach the event, others none; a forged secret is overridden."""
    client = await RawClient.open(
        rig.url,
        additional_headers={
            "Cookie": "a=1; b=2",
            "X-Real-Ip": "10.1.2.3",
            "X-Other": "no",
            "X-Callback-Secret": "forged",
        },
        user_agent_header="browser/1",
    )
    await client.request("connect", headers={"X-Callback-Secret": "forged", "X-Emulated": "e1"})
    await client.request("publish", channel=unique(), data=1)
    for call in (rig.callback.calls("connect")[0], rig.callback.calls("publish")[0]):
        assert call.header("Cookie") == "a=1; b=2"
        assert call.header("X-Real-Ip") == "10.1.2.3"
        assert call.header("User-Agent") == "browser/1"
        assert call.header("X-Other") is None
        assert call.header("X-Emulated") == "e1"
        assert [v for n, v in call.headers if n.lower() == "x-callback-secret"] == [CALLBACK_SECRET]
    await client.close()


async def test_handshake_wins_over_emulated_headers(connect, rig):
    """A header that both the handshake and the connect command carry comes from the handshake."""
    for real, expected in (("real", "real"), (None, "emulated")):
        rig.callback.reset()
        headers = {"Authorization": real} if real else {}
        client = await RawClient.open(rig.url, additional_headers=headers)
        await client.request("connect", headers={"authorization": "emulated"})
        assert rig.callback.calls("connect")[0].header("Authorization") == expected
        await client.close()


async def test_line_break_in_an_emulated_header_is_not_sent(open_socket, rig):
    """A client cannot write headers of its own into the request."""
    client = await open_socket()
    reply = await client.request("connect", headers={"X-Emulated": "a\r\nX-Evil: 1"})
    assert reply["error"]["code"] == 100
    assert not rig.callback.calls("connect")
