"""What the callback service may change with the `result` of its answers."""

import base64

import pytest

from support.gateway_callback import Answer
from support.gateway_client import unique


@pytest.fixture
async def channel():
    return unique()


@pytest.fixture
async def client(connect, channel):
    client = await connect()
    await client.request("subscribe", channel=channel)
    await client.push("join")
    return client


async def published(client, rig, channel, result, data="client's"):
    rig.callback.scripts["publish"] = Answer(
        result if isinstance(result, bytes) else {"result": result}
    )
    assert (await client.request("publish", channel=channel, data=data)) is not None


async def test_data_replaces_the_clients_byte_for_byte(client, rig, channel):
    """The callback's bytes are broadcast verbatim, whitespace and `<` kept."""
    data = b'{"repl": "<b>" , "n":12345678901234567890}'
    await published(client, rig, channel, b'{"result":{"data":' + data + b"}}")
    line = await client.next_line()
    assert f'"data":{data.decode()},"info"' in line


@pytest.mark.parametrize("data", [None, "str", 1, [1]])
async def test_data_may_be_any_value_null_included(client, rig, channel, data):
    """`null` is a value like any other: it is broadcast."""
    await published(client, rig, channel, {"data": data})
    assert (await client.push("pub"))["pub"]["data"] == data


async def test_base64_data_replaces_the_clients(client, rig, channel):
    """b64data is used when there is no data."""
    encoded = base64.b64encode(b'{"x":1}').decode()
    await published(client, rig, channel, {"b64data": encoded})
    assert (await client.push("pub"))["pub"]["data"] == {"x": 1}
    await published(client, rig, channel, {"data": 2, "b64data": encoded})
    assert (await client.push("pub"))["pub"]["data"] == 2


async def test_broken_base64_is_a_temporary_error(client, rig, channel):
    """Nothing is published then."""
    rig.callback.scripts["publish"] = Answer({"result": {"b64data": "%%%"}})
    reply = await client.request("publish", channel=channel, data=1)
    assert reply["error"]["code"] == 100


NO_JSON = base64.b64encode(b"hello").decode()


async def test_publication_that_is_no_json_reaches_nobody(client, connect, rig, channel):
    """It is published, and ends the connection of each subscriber: they all speak JSON."""
    publisher = await connect()
    rig.callback.scripts["publish"] = Answer({"result": {"b64data": NO_JSON}})
    assert "publish" in await publisher.request("publish", channel=channel, data=1)
    assert await client.closed() == (3506, "inappropriate protocol")


@pytest.mark.parametrize(
    ("event", "command"), [("rpc", {"method": "m"}), ("subscribe", {"channel": "no-json"})]
)
async def test_reply_that_is_no_json_ends_the_connection(connect, rig, event, command):
    """The client could not read it."""
    rig.callback.scripts[event] = Answer({"result": {"b64data": NO_JSON}})
    client = await connect()
    await client.send({"id": 2, event: command})
    assert await client.closed() == (3506, "inappropriate protocol")


async def test_connect_reply_that_is_no_json_ends_the_connection(open_socket, rig):
    """Nobody can connect then."""
    rig.callback.scripts["connect"] = Answer({"result": {"user": "56", "b64data": NO_JSON}})
    client = await open_socket()
    await client.send({"id": 1, "connect": {}})
    assert await client.closed() == (3506, "inappropriate protocol")


async def test_skip_history_publishes_without_an_offset(client, rig, channel):
    """Subscribers get it, history does not."""
    await published(client, rig, channel, {"skip_history": True})
    pub = (await client.push("pub"))["pub"]
    assert "offset" not in pub
    history = await client.request("history", channel=channel, limit=10)
    assert history["history"]["publications"] == []
    assert history["history"]["offset"] == 0


async def test_tags_travel_with_the_publication(client, rig, channel):
    """Tags are in the push and in history."""
    await published(client, rig, channel, {"tags": {"k": "v"}})
    assert (await client.push("pub"))["pub"]["tags"] == {"k": "v"}
    history = await client.request("history", channel=channel, limit=1)
    assert history["history"]["publications"][0]["tags"] == {"k": "v"}


async def test_repeated_idempotency_key_is_dropped_silently(client, rig, channel):
    """The publisher sees success both times, subscribers one publication."""
    rig.callback.scripts["publish"] = Answer({"result": {"idempotency_key": "same"}})
    for _ in range(2):
        reply = await client.request("publish", channel=channel, data="once")
        assert reply["publish"] == {}
    rig.callback.scripts["publish"] = Answer()
    await client.request("publish", channel=channel, data="next")
    assert [(await client.push("pub"))["pub"]["data"] for _ in range(2)] == ["once", "next"]


async def test_version_travels_with_the_publication(client, rig, channel, api):
    """It is in the push and in the client's history; the server API does not show it."""
    await published(client, rig, channel, {"version": 7})
    assert (await client.push("pub"))["pub"]["version"] == 7
    history = await client.request("history", channel=channel, limit=1)
    assert history["history"]["publications"][0]["version"] == 7
    _, answer = await api("history", {"channel": channel, "limit": 1})
    assert "version" not in answer["result"]["publications"][0]


async def test_expiry_below_zero_is_none(connect, rig, api):
    """In the callback's answer and in a call of the server API."""
    user = unique("user")
    rig.callback.scripts["connect"] = Answer({"result": {"user": user}})
    rig.callback.scripts["subscribe"] = Answer({"result": {"expire_at": -1}})
    client = await connect()
    assert "subscribe" in await client.request("subscribe", channel=unique())
    body = {"user": user, "channel": unique(), "expire_at": -1}
    assert await api("subscribe", body) == (200, {"result": {}})
    assert (await client.push("subscribe"))["channel"] == body["channel"]


async def test_old_version_is_dropped_silently(client, rig, channel):
    """A version that is not newer than the last does not reach subscribers."""
    for version, epoch, data in ((2, "e", "two"), (1, "e", "one"), (1, "f", "other series")):
        await published(
            client, rig, channel, {"version": version, "version_epoch": epoch}, data=data
        )
    assert [(await client.push("pub"))["pub"]["data"] for _ in range(2)] == ["two", "other series"]


async def test_subscribe_result_reaches_client_and_others(connect, rig):
    """`data` comes with the reply, `info` with presence, join and leave."""
    channel = unique()
    rig.callback.scripts["connect"] = Answer({"result": {"user": "56", "info": {"n": "A"}}})
    rig.callback.scripts["subscribe"] = Answer({"result": {"data": {"d": 1}, "info": {"i": 1}}})
    client = await connect()
    reply = await client.request("subscribe", channel=channel)
    assert reply["subscribe"]["data"] == {"d": 1}
    info = {"user": "56", "client": client.id, "conn_info": {"n": "A"}, "chan_info": {"i": 1}}
    assert (await client.push("join"))["join"]["info"] == info
    presence = await client.request("presence", channel=channel)
    assert presence["presence"]["presence"] == {client.id: info}
    await client.request("publish", channel=channel, data=1)
    assert (await client.push("pub"))["pub"]["info"] == info


async def test_null_payloads_of_subscribe_are_values(connect, rig):
    """`data: null` and `info: null` are shown as null."""
    rig.callback.scripts["subscribe"] = Answer({"result": {"data": None, "info": None}})
    client = await connect()
    reply = await client.request("subscribe", channel=unique())
    assert reply["subscribe"]["data"] is None
    info = (await client.push("join"))["join"]["info"]
    assert "chan_info" in info
    assert info["chan_info"] is None


@pytest.mark.parametrize(
    ("override", "present", "absent"),
    [
        ({"force_recovery": {"value": False}}, set(), {"recoverable", "positioned", "epoch"}),
        (
            {"force_recovery": {"value": False}, "force_positioning": {"value": True}},
            {"positioned", "epoch"},
            {"recoverable"},
        ),
    ],
)
async def test_override_changes_one_subscription(connect, rig, override, present, absent):
    """The result's `override` replaces options of the namespace."""
    rig.callback.scripts["subscribe"] = Answer({"result": {"override": override}})
    client = await connect()
    reply = (await client.request("subscribe", channel=unique()))["subscribe"]
    assert present <= reply.keys()
    assert not absent & reply.keys()


async def test_override_can_take_presence_and_join_away(connect, rig):
    """Then nobody hears of the subscription."""
    channel = unique()
    rig.callback.scripts["subscribe"] = [
        Answer(),
        Answer(
            {"result": {"override": {"presence": {"value": False}, "join_leave": {"value": False}}}}
        ),
    ]
    watcher, hidden = await connect(), await connect()
    await watcher.request("subscribe", channel=channel)
    await watcher.push("join")
    await hidden.request("subscribe", channel=channel)
    await hidden.request("unsubscribe", channel=channel)
    stats = await watcher.request("presence_stats", channel=channel)
    assert stats["presence_stats"] == {"num_clients": 1, "num_users": 1}
    await watcher.request("publish", channel=channel, data=1)
    assert "pub" in (await watcher.next())["push"]


async def test_rpc_returns_the_callbacks_data(connect, rig):
    """Data comes back verbatim; null is null, nothing is nothing."""
    client = await connect()
    for body, expected in (
        ({"result": {"data": {"echo": 1}}}, {"data": {"echo": 1}}),
        ({"result": {"data": None}}, {"data": None}),
        ({"result": {}}, {}),
        ({"result": {"b64data": base64.b64encode(b"[1]").decode()}}, {"data": [1]}),
    ):
        rig.callback.scripts["rpc"] = Answer(body)
        assert (await client.request("rpc", method="m"))["rpc"] == expected
