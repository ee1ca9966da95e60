"""Subscribing and leaving: who may, and what the parties are told."""

import pytest

from realtime_message.centrifugo.tokens import make_connection_token
from support.gateway_client import unique
from support.gateway_rig import TOKEN_SECRET

PERMISSION_DENIED = {"code": 103, "message": "permission denied"}
NOT_AVAILABLE = {"code": 108, "message": "not available"}


async def test_subscribe_reply_gives_the_position(connect, api):
    """Epoch always, the offset once there is one; a join follows."""
    channel = unique()
    client = await connect()
    await client.send({"id": 2, "subscribe": {"channel": channel}})
    reply = (await client.next())["subscribe"]
    assert reply.keys() == {"recoverable", "epoch", "positioned"}
    join = (await client.next())["push"]
    assert join == {"channel": channel, "join": {"info": {"user": "56", "client": client.id}}}
    await api("publish", {"channel": channel, "data": 1})
    other = await connect()
    later = (await other.request("subscribe", channel=channel))["subscribe"]
    assert (later["epoch"], later["offset"]) == (reply["epoch"], 1)


async def test_second_subscription_to_a_channel_is_refused(connect, rig):
    """The callback is asked once."""
    channel = unique()
    client = await connect()
    assert "subscribe" in await client.request("subscribe", channel=channel)
    reply = await client.request("subscribe", channel=channel)
    assert reply["error"] == {"code": 105, "message": "already subscribed"}
    assert len(rig.callback.calls("subscribe")) == 1


async def test_unsubscribe_ends_pushes_and_tells_others(connect):
    """The leave goes to the others only; leaving what one is not in succeeds."""
    channel = unique()
    stays, goes = await connect(), await connect()
    for client in (stays, goes):
        await client.request("subscribe", channel=channel)
    await goes.push("join")
    assert (await goes.request("unsubscribe", channel=channel))["unsubscribe"] == {}
    leave = await stays.push("leave")
    assert leave == {"channel": channel, "leave": {"info": {"user": "56", "client": goes.id}}}
    await stays.request("publish", channel=channel, data=1)
    assert (await goes.request("unsubscribe", channel=channel))["unsubscribe"] == {}
    assert "subscribe" in await goes.request("subscribe", channel=channel)


async def test_departure_of_a_connection_tells_others(connect):
    """A connection that ends leaves its channels and their presence."""
    channel = unique()
    stays, goes = await connect(), await connect()
    for client in (stays, goes):
        await client.request("subscribe", channel=channel)
    await goes.close()
    assert (await stays.push("leave"))["leave"]["info"]["client"] == goes.id
    reply = await stays.request("presence", channel=channel)
    assert reply["presence"]["presence"].keys() == {stays.id}


async def test_user_limited_channel_is_decided_by_its_name(connect, rig):
    """The users in the name may subscribe, nobody is asked; others may not."""
    client = await connect()
    base = unique("dm")
    for name in (f"{base}#56", f"{base}#57,56"):
        assert "subscribe" in await client.request("subscribe", channel=name)
    for name in (f"{base}#57", f"{base}#", f"{base}#5"):
        reply = await client.request("subscribe", channel=name)
        assert reply["error"] == PERMISSION_DENIED
    assert not rig.callback.calls("subscribe")


@pytest.mark.gateway(
    changes={"channel": {"without_namespace": {"allow_user_limited_channels": False}}}
)
async def test_user_limited_names_are_ordinary_where_the_feature_is_off(connect, rig):
    """The callback decides then."""
    client = await connect()
    assert "subscribe" in await client.request("subscribe", channel=unique() + "#57")
    assert len(rig.callback.calls("subscribe")) == 1


@pytest.mark.gateway(changes={"client": {"channel_limit": 2}})
async def test_channel_limit_counts_every_subscription(connect, open_socket, rig):
    """One too many is an error; too many at once, from the server's side, end the connection."""
    client = await connect()
    for _ in range(2):
        assert "subscribe" in await client.request("subscribe", channel=unique())
    reply = await client.request("subscribe", channel=unique())
    assert reply["error"] == {"code": 106, "message": "limit exceeded"}
    many = make_connection_token(
        TOKEN_SECRET, "1", claims={"channels": [unique() for _ in range(3)]}
    )
    other = await open_socket()
    await other.send({"id": 1, "connect": {"token": many}})
    assert await other.closed() == (3505, "channel limit")


@pytest.mark.parametrize(
    ("wish", "absent"),
    [({"recoverable": True}, "x"), ({"positioned": True}, "x"), ({"join_leave": True}, "x")],
)
@pytest.mark.gateway(
    changes={
        "channel": {
            "without_namespace": {
                "force_recovery": False,
                "force_push_join_leave": False,
            }
        }
    }
)
async def test_wishes_of_the_client_do_not_count_with_a_proxy(connect, wish, absent):
    """Only the configuration and the callback's override decide."""
    client = await connect()
    reply = await client.request("subscribe", channel=unique(), **wish)
    assert reply["subscribe"] == {}


WITHOUT_PROXY = {
    "channel": {
        "without_namespace": {
            "subscribe_proxy_enabled": False,
            "publish_proxy_enabled": False,
            "force_recovery": False,
            "force_push_join_leave": False,
            "allow_subscribe_for_client": True,
            "allow_publish_for_subscriber": True,
            "allow_presence_for_anonymous": False,
        }
    }
}


@pytest.mark.gateway(changes=WITHOUT_PROXY)
async def test_channel_options_decide_without_a_proxy(connect, rig):
    """Subscribing is allowed to users, publishing to subscribers; nobody is asked."""
    channel = unique()
    client = await connect()
    reply = await client.request("publish", channel=channel, data=1)
    assert reply["error"] == PERMISSION_DENIED
    assert (await client.request("subscribe", channel=channel))["subscribe"] == {}
    assert "publish" in await client.request("publish", channel=channel, data=1)
    anonymous = await connect(token=make_connection_token(TOKEN_SECRET, ""))
    reply = await anonymous.request("subscribe", channel=channel)
    assert reply["error"] == PERMISSION_DENIED
    assert not rig.callback.calls("subscribe") + rig.callback.calls("publish")


@pytest.mark.gateway(changes=WITHOUT_PROXY)
async def test_wishes_of_the_client_count_without_a_proxy(connect):
    """A client that may read history may recover; one that may see presence hears of joins."""
    client = await connect()
    channel = unique()
    reply = await client.request(
        "subscribe", channel=channel, recoverable=True, positioned=True, join_leave=True
    )
    assert reply["subscribe"].keys() == {"recoverable", "positioned", "epoch"}
    assert (await client.push("join"))["join"]["info"]["client"] == client.id


@pytest.mark.gateway(changes=WITHOUT_PROXY)
async def test_client_may_ask_for_open_channels_when_it_connects(connect):
    """With a token, `subs` of the connect command subscribes to channels open to users."""
    channel = unique()
    client = await connect(token=make_connection_token(TOKEN_SECRET, "1"), subs={channel: {}})
    assert client.connected["subs"] == {channel: {}}


NOTHING_ALLOWED = {
    "channel": {
        "without_namespace": {
            "subscribe_proxy_enabled": False,
            "publish_proxy_enabled": False,
            "presence": False,
            "history_size": 0,
            "history_ttl": "0s",
            "force_recovery": False,
            "join_leave": False,
        }
    },
}


@pytest.mark.gateway(changes=NOTHING_ALLOWED, events=("connect",))
async def test_what_is_off_is_refused(connect):
    """Without proxies and permissions: 103 for subscribe and publish, 108 for what is off."""
    client = await connect()
    channel = unique()
    for method, fields, error in (
        ("subscribe", {}, PERMISSION_DENIED),
        ("publish", {"data": 1}, PERMISSION_DENIED),
        ("presence", {}, NOT_AVAILABLE),
        ("presence_stats", {}, NOT_AVAILABLE),
        ("history", {}, NOT_AVAILABLE),
    ):
        reply = await client.request(method, channel=channel, **fields)
        assert reply["error"] == error
    assert (await client.request("rpc", method="m"))["error"] == NOT_AVAILABLE


async def test_presence_and_history_are_for_subscribers(connect):
    """They are on, but a client that is not in the channel may not see them."""
    client = await connect()
    for method in ("presence", "presence_stats", "history"):
        reply = await client.request(method, channel=unique())
        assert reply["error"] == PERMISSION_DENIED
        reply = await client.request(method, channel="a::::b")
        assert reply["error"]["code"] == 102


NAMESPACES = {
    "channel": {
        "namespace_boundary": ":",
        "namespaces": [
            {"name": "open", "allow_subscribe_for_client": True},
            {"name": "digits", "allow_subscribe_for_client": True, "channel_regex": "^[0-9]+$"},
            {
                "name": "objects",
                "allow_publish_for_client": True,
                "publication_data_format": "json_object",
            },
        ],
    },
    "rpc": {"namespace_boundary": ":", "namespaces": [{"name": "quiet"}]},
}


@pytest.mark.gateway(changes=NAMESPACES)
async def test_namespaces_have_rules_of_their_own(connect):
    """The part before the boundary chooses; an unknown one is an unknown channel or method."""
    client = await connect()
    for channel, code in (
        (unique("open:x"), None),
        (unique("unknown:x"), 102),
        ("digits:12", None),
        ("digits:x", 107),
        (unique(), None),
    ):
        reply = await client.request("subscribe", channel=channel)
        assert reply.get("error", {}).get("code") == code, channel
    for data, code in (({}, None), ([], 107), (1, 107)):
        reply = await client.request("publish", channel=unique("objects:x"), data=data)
        assert reply.get("error", {}).get("code") == code, data
    for method, code in (("m", None), ("quiet:m", 108), ("unknown:m", 104)):
        reply = await client.request("rpc", method=method)
        assert reply.get("error", {}).get("code") == code, method


@pytest.mark.parametrize("fields", [{"type": 1}, {"tf": {"key": "a", "cmp": "eq", "val": "b"}}])
async def test_kinds_of_subscription_that_are_off_are_refused(connect, fields):
    """Map subscriptions and filters by tag need options that no namespace here has."""
    client = await connect()
    reply = await client.request("subscribe", channel=unique(), **fields)
    assert reply["error"]["code"] in (103, 107, 108)


async def test_delta_is_quietly_not_used(connect):
    """A known kind of delta is ignored, an unknown one closes the connection."""
    client = await connect()
    reply = await client.request("subscribe", channel=unique(), delta="fossil")
    assert "delta" not in reply["subscribe"]
    await client.send({"id": 9, "subscribe": {"channel": unique(), "delta": "odd"}})
    assert await client.closed() == (3501, "bad request")
