"""Connecting through the connect proxy."""

import time

import pytest

from support.gateway_callback import Answer
from support.gateway_client import Closed, RawClient, unique


async def connect_reply(rig, script, **command):
    """Connect with an answer of the callback; return the client and the reply's line."""
    rig.callback.scripts["connect"] = script if isinstance(script, Answer) else Answer(script)
    client = await RawClient.open(rig.url)
    await client.send({"id": 1, "connect": command})
    return client, await client.next()


async def test_reply_names_client_version_and_ping(connect):
    """The client id is a lower-case UUID; the ping interval is in seconds."""
    client = await connect()
    assert client.connected.keys() == {"client", "version", "ping", "pong"}
    assert (client.connected["ping"], client.connected["pong"]) == (25, True)
    assert len(client.id) == 36
    assert client.id == client.id.lower()


@pytest.mark.parametrize(
    ("result", "data"),
    [
        ({"user": ""}, ...),
        ({"data": {"motd": "hi"}}, {"motd": "hi"}),
        ({"user": "1", "data": None, "info": None, "meta": None}, None),
        ({"user": None, "expire_at": None, "channels": None, "subs": None}, ...),
        ({"b64data": "eyJhIjoxfQ=="}, {"a": 1}),
    ],
)
async def test_any_result_connects(rig, result, data):
    """Without a user the client is anonymous; `data: null` is null, its absence is absence."""
    client, reply = await connect_reply(rig, {"result": result})
    assert reply["connect"].get("data", ...) == data
    await client.close()


@pytest.mark.parametrize("body", [{}, None, {"detail": "x"}, {"result": None}])
async def test_no_result_means_no_credentials(rig, body):
    """Connect is the one event where `{}` does not permit."""
    rig.callback.scripts["connect"] = Answer(body)
    client = await RawClient.open(rig.url)
    await client.send({"id": 1, "connect": {}})
    assert await client.closed() == (3501, "bad request")


@pytest.mark.parametrize(
    "answer",
    [
        Answer(b""),
        Answer(b"{"),
        Answer(status=500),
        Answer(ending="close"),
        Answer({"result": {"user": 56}}),
        Answer({"result": {"expire_at": 1893456000.5}}),
        Answer({"result": {"channels": "news"}}),
        Answer({"result": {"subs": {"a": {"override": {"presence": True}}}}}),
        Answer({"result": {"b64info": "%"}}),
        Answer({"result": {"subs": {"a": {"b64data": "%"}}}}),
    ],
)
async def test_failed_call_is_a_temporary_error(rig, answer):
    """The client may connect again: its library does."""
    client, reply = await connect_reply(rig, answer)
    assert reply == {
        "id": 1,
        "error": {"code": 100, "message": "internal server error", "temporary": True},
    }
    await client.close()


async def test_error_and_disconnect_reach_the_client(rig):
    """An error is the reply; a disconnect is a close frame."""
    client, reply = await connect_reply(rig, {"error": {"code": 401, "message": "who?"}})
    assert reply["error"] == {"code": 401, "message": "who?"}
    await client.close()
    rig.callback.scripts["connect"] = Answer({"disconnect": {"code": 4501, "reason": "go"}})
    client = await RawClient.open(rig.url)
    await client.send({"id": 1, "connect": {}})
    assert await client.closed() == (4501, "go")


async def test_expiry_in_the_past_is_an_error(rig):
    """110, not a connection that ends at once."""
    client, reply = await connect_reply(rig, {"result": {"expire_at": int(time.time()) - 5}})
    assert reply["error"] == {"code": 110, "message": "expired"}
    await client.close()


async def test_unknown_channel_in_the_result_is_an_error(rig):
    """A server-side subscription needs an existing namespace."""
    for result in ({"channels": ["a::::b"]}, {"subs": {"a::::b": {}}}):
        client, reply = await connect_reply(rig, {"result": result})
        assert reply["error"]["code"] == 102
        await client.close()


async def test_server_side_subscriptions_come_with_the_reply(rig):
    """`channels` and `subs`; then a join for each, and publications."""
    news, room = unique("news"), unique("room")
    result = {
        "user": "56",
        "info": {"n": "A"},
        "channels": [news],
        "subs": {
            room: {
                "data": {"sd": 1},
                "info": {"ci": 1},
                "override": {"presence": {"value": True}},
            }
        },
    }
    client, reply = await connect_reply(rig, {"result": result})
    subs = reply["connect"]["subs"]
    assert subs.keys() == {news, room}
    assert subs[news].keys() == {"recoverable", "epoch", "positioned"}
    assert subs[room]["data"] == {"sd": 1}
    joins = {}
    for _ in range(2):
        push = (await client.next())["push"]
        joins[push["channel"]] = push["join"]["info"]
    own = {"user": "56", "client": reply["connect"]["client"], "conn_info": {"n": "A"}}
    assert joins == {news: own, room: {**own, "chan_info": {"ci": 1}}}
    assert "publish" in await client.request("publish", channel=news, data=1)
    assert (await client.push("pub"))["channel"] == news
    await client.close()


async def test_server_side_subscription_cannot_be_made_again(rig):
    """Subscribing to it is an error; leaving it is possible."""
    channel = unique()
    client, _ = await connect_reply(rig, {"result": {"channels": [channel]}})
    reply = await client.request("subscribe", channel=channel)
    assert reply["error"] == {"code": 105, "message": "already subscribed"}
    await client.close()


async def test_channels_asked_for_are_the_callbacks_decision(rig):
    """What the client asks for in `subs` is only told to the callback."""
    client, reply = await connect_reply(
        rig, {"result": {"user": "1"}}, subs={unique(): {"recover": True}}
    )
    assert "subs" not in reply["connect"]
    await client.close()


async def test_server_side_subscription_recovers(connect, api, rig):
    """A position in the connect command recovers what was missed, for subscribed channels only."""
    channel = unique()
    for n in range(3):
        _, body = await api("publish", {"channel": channel, "data": n})
    epoch = body["result"]["epoch"]
    client, reply = await connect_reply(
        rig,
        {"result": {"channels": [channel]}},
        subs={channel: {"recover": True, "epoch": epoch, "offset": 1}},
    )
    sub = reply["connect"]["subs"][channel]
    assert [pub["data"] for pub in sub["publications"]] == [1, 2]
    assert sub["recovered"]
    assert sub["was_recovering"]
    assert sub["offset"] == 1
    await client.close()


@pytest.mark.gateway(changes={"client": {"stale_close_delay": "1s"}})
async def test_connection_that_does_not_connect_is_stale(open_socket, rig):
    """Neither a silent client nor a refused one may stay; the refused one is not heard any more."""
    silent = await open_socket()
    rig.callback.scripts["connect"] = [
        Answer({"error": {"code": 400, "message": "no"}}),
        Answer({"result": {}}),
    ]
    refused = await open_socket()
    await refused.send({"id": 1, "connect": {}})
    assert "error" in await refused.next()
    await refused.send({"id": 2, "connect": {}})
    await refused.send({"id": 3, "rpc": {"method": "m"}})
    assert await silent.closed() == (3502, "stale")
    with pytest.raises(Closed) as caught:
        await refused.next()
    assert (caught.value.code, caught.value.reason) == (3502, "stale")
    assert len(rig.callback.calls("connect")) == 1
    assert not rig.callback.calls("rpc")


async def test_second_connect_closes_the_connection(connect):
    """A client connects once."""
    client = await connect()
    await client.send({"id": 9, "connect": {}})
    assert await client.closed() == (3501, "bad request")


@pytest.mark.gateway(events=("subscribe", "publish"))
async def test_without_proxy_and_token_there_are_no_credentials(open_socket):
    """Nobody says who the client is, so it may not stay."""
    client = await open_socket()
    await client.send({"id": 1, "connect": {}})
    assert await client.closed() == (3501, "bad request")


@pytest.mark.gateway(
    events=("subscribe", "publish"),
    changes={"client": {"allow_anonymous_connect_without_token": True}},
)
async def test_anonymous_connections_where_they_are_allowed(connect, rig):
    """The user is the empty one then."""
    client = await connect()
    await client.request("publish", channel=unique(), data=1)
    assert rig.callback.calls("publish")[0].json["user"] == ""


@pytest.mark.gateway(changes={"client": {"user_connection_limit": 1}})
async def test_user_with_too_many_connections_is_closed(connect, open_socket):
    """The second connection of a user ends with 3504."""
    await connect()
    second = await open_socket()
    await second.send({"id": 1, "connect": {}})
    assert await second.closed() == (3504, "connection limit")
