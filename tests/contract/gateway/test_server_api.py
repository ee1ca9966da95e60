"""The server API over HTTP."""

import base64
import time

import httpx
import pytest

from support.gateway_callback import Answer
from support.gateway_client import unique
from support.gateway_rig import API_KEY

BAD_REQUEST = {"error": {"code": 107, "message": "bad request"}}
UNKNOWN_CHANNEL = {"error": {"code": 102, "message": "unknown channel"}}


@pytest.fixture
async def channel():
    return unique("api")


@pytest.fixture
async def client(connect, channel, rig):
    """A client of a user of its own, subscribed to the channel."""
    user = unique("user")
    rig.callback.scripts["connect"] = Answer({"result": {"user": user, "info": {"n": "A"}}})
    client = await connect()
    client.user = user
    await client.request("subscribe", channel=channel)
    await client.push("join")
    return client


@pytest.mark.parametrize(
    ("headers", "query", "status"),
    [
        ({}, "", 401),
        ({"X-API-Key": "wrong"}, "", 401),
        ({"Authorization": "apikey wrong"}, "", 401),
        ({"Authorization": API_KEY}, "", 401),
        ({"X-API-Key": API_KEY}, "", 200),
        ({"Authorization": f"apikey {API_KEY}"}, "", 200),
        ({"Authorization": f"ApiKey   {API_KEY}"}, "", 200),
        ({}, f"?api_key={API_KEY}", 200),
        ({"X-API-Key": "wrong", "Authorization": f"apikey {API_KEY}"}, "", 401),
    ],
)
async def test_key_is_asked_for(rig, headers, query, status):
    """In either header or in the query; a refusal has no body."""
    async with httpx.AsyncClient() as http:
        answer = await http.post(f"{rig.http_url}/api/channels{query}", json={}, headers=headers)
    assert answer.status_code == status
    if status == 401:
        assert answer.content == b""


async def test_what_is_no_call_is_told_by_status(rig, api):
    """GET is 405, an unknown method 404, a body that does not fit 400."""
    async with httpx.AsyncClient(headers={"X-API-Key": API_KEY}) as http:
        assert (await http.get(f"{rig.http_url}/api/publish")).status_code == 405
    assert (await api("nonsense", {}))[0] == 404
    for body in ("", "{", "[]", '{"channel":5}', '"x"'):
        status, text = await api("publish", body)
        assert (status, text.strip()) == (400, "Bad Request"), body


async def test_publish_answers_with_the_position(api, client, channel):
    """Offset and epoch; the push has no info, since no client published."""
    status, answer = await api("publish", {"channel": channel, "data": {"m": 1}, "odd": 1})
    assert status == 200
    assert answer["result"].keys() == {"offset", "epoch"}
    assert answer["result"]["offset"] == 1
    pub = (await client.push("pub"))["pub"]
    assert pub == {"data": {"m": 1}, "offset": 1, "epoch": answer["result"]["epoch"]}


async def test_publish_keeps_the_senders_whitespace(api, client, channel):
    """Line breaks go, since they would end the line; other whitespace stays."""
    await api("publish", f'{{"channel":"{channel}","data":{{"m" :\n 1}}}}')
    assert '"data":{"m" : 1}' in await client.next_line()


@pytest.mark.parametrize("body", [{}, {"data": 1}, {"channel": "", "data": 1}, {"channel": "x"}])
async def test_publish_needs_channel_and_data(api, body):
    """Without one of them it is a bad request."""
    assert await api("publish", body) == (200, BAD_REQUEST)


async def test_publish_checks_the_namespace_but_not_the_name(api):
    """An unknown namespace is an error; any characters and any length are accepted."""
    assert await api("publish", {"channel": "a::::b", "data": 1}) == (200, UNKNOWN_CHANNEL)
    for name in ("caf\u00e9", "x" * 300):
        _, answer = await api("publish", {"channel": unique(name), "data": 1})
        assert "result" in answer


async def test_publish_options(api, client, channel):
    """Null data, tags, no history, repeated keys and old versions."""
    _, answer = await api("publish", {"channel": channel, "data": None, "tags": {"t": "1"}})
    pub = (await client.push("pub"))["pub"]
    assert (pub["data"], pub["tags"]) == (None, {"t": "1"})
    _, answer = await api("publish", {"channel": channel, "data": 1, "skip_history": True})
    assert answer == {"result": {}}
    assert "offset" not in (await client.push("pub"))["pub"]
    first = await api("publish", {"channel": channel, "data": 2, "idempotency_key": "k"})
    again = await api("publish", {"channel": channel, "data": 3, "idempotency_key": "k"})
    assert first == again
    await api("publish", {"channel": channel, "data": 4, "version": 7})
    _, answer = await api("publish", {"channel": channel, "data": 5, "version": 6})
    assert answer["result"]["offset"] == 3
    await api("publish", {"channel": channel, "data": "end"})
    assert [(await client.push("pub"))["pub"]["data"] for _ in range(3)] == [2, 4, "end"]


async def test_base64_data(api, client, channel):
    """JSON in base64 is published as JSON; broken base64 is a bad request."""
    encoded = base64.b64encode(b'{"a":1}').decode()
    await api("publish", {"channel": channel, "b64data": encoded})
    assert (await client.push("pub"))["pub"]["data"] == {"a": 1}
    assert await api("publish", {"channel": channel, "b64data": "%"}) == (200, BAD_REQUEST)


async def test_data_that_is_no_json_ends_json_clients(api, client, channel):
    """They could not receive it."""
    encoded = base64.b64encode(b"\x00\x01").decode()
    await api("publish", {"channel": channel, "b64data": encoded})
    assert await client.closed() == (3506, "inappropriate protocol")


async def test_broadcast_has_one_answer_per_channel(api, client, channel):
    """A bad channel does not keep the others from getting it."""
    body = {"channels": [channel, "a::::b", ""], "data": 1}
    _, answer = await api("broadcast", body)
    first, second, third = answer["result"]["responses"]
    assert first["result"]["offset"] == 1
    assert second == UNKNOWN_CHANNEL
    assert third == BAD_REQUEST
    assert (await client.push("pub"))["pub"]["data"] == 1
    assert await api("broadcast", {"channels": [], "data": 1}) == (200, BAD_REQUEST)


async def test_batch_runs_commands_in_order(api, channel):
    """Replies have no `result` around them; what is unknown has an error in its place."""
    commands = [
        {"publish": {"channel": channel, "data": 1}},
        {"broadcast": {"channels": [channel], "data": 2}},
        {"presence_stats": {"channel": channel}},
        {"publish": {"channel": "", "data": 1}},
        {"nonsense": {}},
        None,
    ]
    _, answer = await api("batch", {"commands": commands})
    replies = answer["replies"]
    assert replies[0]["publish"]["offset"] == 1
    assert replies[1]["broadcast"]["responses"][0]["result"]["offset"] == 2
    assert replies[2] == {"presence_stats": {"num_clients": 0, "num_users": 0}}
    assert replies[3] == BAD_REQUEST
    assert replies[4] == {"error": {"code": 104, "message": "not found"}}
    assert replies[5] == BAD_REQUEST


async def test_batch_that_does_not_fit_does_nothing(api, channel):
    """One command that cannot be read refuses all of them: the caller may send the batch again."""
    commands = [{"publish": {"channel": channel, "data": 1}}, {"publish": {"channel": 5}}]
    assert await api("batch", {"commands": commands}) == (400, "Bad Request\n")
    _, answer = await api("history", {"channel": channel, "limit": 1})
    assert answer["result"]["publications"] == []
    _, answer = await api("batch", {"commands": [{"publish": None, "presence": None}]})
    assert answer == {"replies": [{"error": {"code": 104, "message": "not found"}}]}


async def test_presence_shows_clients(api, client, channel):
    """By client id, with the connection's info; an empty channel is an empty object."""
    info = {"user": client.user, "client": client.id, "conn_info": {"n": "A"}}
    _, answer = await api("presence", {"channel": channel})
    assert answer == {"result": {"presence": {client.id: info}}}
    _, answer = await api("presence_stats", {"channel": channel})
    assert answer == {"result": {"num_clients": 1, "num_users": 1}}
    assert await api("presence", {"channel": unique()}) == (200, {"result": {"presence": {}}})
    assert await api("presence", {}) == (200, BAD_REQUEST)


async def test_history_and_its_removal(api, channel):
    """Publications with a limit, the position always; removal keeps the position."""
    for n in range(3):
        await api("publish", {"channel": channel, "data": {"m": n}})
    _, answer = await api("history", {"channel": channel, "limit": 2, "reverse": True})
    epoch = answer["result"]["epoch"]
    assert answer["result"] == {
        "publications": [{"data": {"m": 2}, "offset": 3}, {"data": {"m": 1}, "offset": 2}],
        "epoch": epoch,
        "offset": 3,
    }
    since = {"offset": 1, "epoch": "other"}
    _, answer = await api("history", {"channel": channel, "limit": 1, "since": since})
    assert answer["error"]["code"] == 112
    assert await api("history_remove", {"channel": channel}) == (200, {"result": {}})
    _, answer = await api("history", {"channel": channel, "limit": 10})
    assert answer["result"] == {"publications": [], "epoch": epoch, "offset": 3}


async def test_channels_lists_those_with_subscribers(api, client, channel):
    """All of them, or those that match a pattern."""
    expected = {channel: {"num_clients": 1}}
    _, answer = await api("channels", {"pattern": channel[:-3] + "*"})
    assert answer == {"result": {"channels": expected}}
    _, answer = await api("channels", {})
    assert answer["result"]["channels"].items() >= expected.items()


async def test_info_describes_the_node(api):
    """One node with a name, a version and counters."""
    _, answer = await api("info", {})
    (node,) = answer["result"]["nodes"]
    assert {"uid", "name", "version", "num_clients", "num_users", "num_channels"} <= node.keys()


async def test_subscribe_and_unsubscribe_a_user(api, client, channel, rig):
    """The client is told; the callback is not asked; leaving works like any leaving."""
    other = unique("srv")
    body = {"user": client.user, "channel": other, "data": {"d": 1}, "info": {"i": 1}}
    assert await api("subscribe", body) == (200, {"result": {}})
    push = await client.push("subscribe")
    assert push["channel"] == other
    assert push["subscribe"].keys() == {"recoverable", "epoch", "positioned", "data"}
    assert (await client.push("join"))["join"]["info"]["chan_info"] == {"i": 1}
    assert len(rig.callback.calls("subscribe")) == 1
    await api("publish", {"channel": other, "data": 1})
    assert (await client.push("pub"))["channel"] == other
    assert await api("unsubscribe", {"user": client.user, "channel": other}) == (
        200,
        {"result": {}},
    )
    assert await client.next() == {
        "push": {
            "channel": other,
            "unsubscribe": {"code": 2000, "reason": "server unsubscribe"},
        }
    }
    for name in (unique(), ""):
        await api("unsubscribe", {"user": client.user, "channel": name})
        push = await client.push("unsubscribe")
        assert push.get("channel", "") == name


async def test_unsubscribe_while_the_client_subscribes(api, connect, rig):
    """Whoever is thrown out while the callback is asked does not come in after all."""
    user, channel = unique("user"), unique()
    rig.callback.scripts["connect"] = Answer({"result": {"user": user}})
    rig.callback.scripts["subscribe"] = Answer(delay_seconds=0.3)
    client = await connect()
    await client.send({"id": 2, "subscribe": {"channel": channel}})
    await rig.callback.wait_for("subscribe")
    await api("unsubscribe", {"user": user, "channel": channel})
    assert "subscribe" in await client.reply(2)
    assert (await client.push("unsubscribe"))["unsubscribe"]["code"] == 2000
    _, answer = await api("presence_stats", {"channel": channel})
    assert answer["result"]["num_clients"] == 0


async def test_null_counts_as_absent(api, client, channel):
    """In what stands inside a call as well."""
    since = {"offset": None, "epoch": None}
    assert (await api("history", {"channel": channel, "since": since}))[0] == 200
    body = {"user": client.user, "disconnect": {"code": 4100, "reason": None}}
    assert await api("disconnect", body) == (200, {"result": {}})
    assert await client.closed() == (4100, "")


async def test_session_that_does_not_exist_is_nobodys(api, client, channel):
    """WebSocket connections have none; a call that names one leaves them alone."""
    whom = {"user": client.user, "session": "other"}
    for method in ("subscribe", "unsubscribe", "refresh", "disconnect"):
        body = {**whom, "channel": channel, "expired": True}
        assert await api(method, body) == (200, {"result": {}})
    await api("publish", {"channel": channel, "data": "still here"})
    assert (await client.next())["push"]["pub"]["data"] == "still here"


@pytest.mark.parametrize("method", ["subscribe", "unsubscribe", "disconnect", "refresh"])
async def test_nobody_there_is_success(api, method):
    """No such user, client or channel is no error."""
    body = {"user": unique("nobody"), "channel": unique(), "client": "none"}
    assert await api(method, body) == (200, {"result": {}})


async def test_disconnect_a_user(api, client, connect):
    """All connections but those in the whitelist, or one of them; with code and reason if given."""
    second = await connect()
    await api("disconnect", {"user": client.user, "whitelist": [client.id]})
    assert await second.closed() == (3503, "force disconnect")
    third = await connect()
    body = {
        "user": client.user,
        "client": third.id,
        "disconnect": {"code": 4100, "reason": "custom"},
    }
    await api("disconnect", body)
    assert await third.closed() == (4100, "custom")
    assert "rpc" in await client.request("rpc", method="m")


async def test_refresh_a_user(api, client):
    """A new time is told to the client; `expired`, or a time that has passed, ends it."""
    await api("refresh", {"user": client.user, "expire_at": int(time.time()) + 100})
    refresh = (await client.push("refresh"))["refresh"]
    assert refresh["expires"] is True
    assert 95 <= refresh["ttl"] <= 100
    await api("refresh", {"user": client.user})
    assert (await client.push("refresh"))["refresh"] == {}
    await api("refresh", {"user": client.user, "expired": True})
    assert await client.closed() == (3005, "connection expired")


async def test_rpc_is_not_there(api):
    """The open-source server has no methods of its own."""
    _, answer = await api("rpc", {"method": "x"})
    assert answer == {"error": {"code": 104, "message": "not found"}}


async def test_transport_error_mode_uses_the_status(api, channel):
    """With the header, an error has a status of its own and no wrapping."""
    headers = {"X-Centrifugo-Error-Mode": "transport"}
    for body, status, error in (
        ({"channel": "a::::b", "data": 1}, 404, UNKNOWN_CHANNEL["error"]),
        ({}, 400, BAD_REQUEST["error"]),
    ):
        assert await api("publish", body, headers=headers) == (status, error)
    status, answer = await api("publish", {"channel": channel, "data": 1}, headers=headers)
    assert (status, answer["result"]["offset"]) == (200, 1)


async def test_callback_is_never_asked(api, client, channel, rig):
    """The server API is trusted."""
    before = len(rig.callback.calls("publish"))
    await api("publish", {"channel": channel, "data": 1})
    assert len(rig.callback.calls("publish")) == before
