"""Connection tokens and subscription tokens."""

import time

import jwt
import pytest

from realtime_message.centrifugo.tokens import make_connection_token, make_subscription_token
from support.gateway_client import Closed, RawClient, unique
from support.gateway_rig import TOKEN_SECRET


def token(user="56", ttl_seconds=None, **claims):
    return make_connection_token(TOKEN_SECRET, user, ttl_seconds=ttl_seconds, claims=claims)


def subscription_token(channel, user="56", ttl_seconds=None, **claims):
    return make_subscription_token(
        TOKEN_SECRET, user, channel, ttl_seconds=ttl_seconds, claims=claims
    )


async def test_token_replaces_the_connect_proxy(connect, rig):
    """With a token the callback is not asked who connects; the token's claims are used."""
    client = await connect(token=token("77", info={"n": "B"}, meta={"t": 1}))
    assert not rig.callback.calls("connect")
    channel = unique()
    await client.request("subscribe", channel=channel)
    join = await client.push("join")
    assert join["join"]["info"] == {"user": "77", "client": client.id, "conn_info": {"n": "B"}}
    call = rig.callback.calls("subscribe")[0].json
    assert (call["user"], call["meta"]) == ("77", {"t": 1})


async def test_empty_token_means_the_connect_proxy(connect, rig):
    """An empty text is no token."""
    await connect(token="")
    assert len(rig.callback.calls("connect")) == 1


@pytest.mark.parametrize(
    "bad",
    [
        "garbage",
        "a.b.c",
        make_connection_token("another-secret-" * 5, "56"),
        make_subscription_token(TOKEN_SECRET, "56", "ch"),
        jwt.encode({"sub": 56}, TOKEN_SECRET),
        jwt.encode({"sub": "56", "info": {}, "channels": 1}, TOKEN_SECRET),
    ],
)
async def test_invalid_token_closes_the_connection(open_socket, bad):
    """Not an error: a new attempt with the same token would be pointless."""
    client = await open_socket()
    await client.send({"id": 1, "connect": {"token": bad}})
    assert await client.closed() == (3500, "invalid token")


@pytest.mark.parametrize("claims", [{"exp": 1}, {"nbf": 4_000_000_000}])
async def test_expired_token_is_an_error(open_socket, claims):
    """The client can fetch a new one; a token that is not valid yet counts as expired."""
    client = await open_socket()
    reply = await client.request("connect", token=token(**claims))
    assert reply["error"] == {"code": 109, "message": "token expired"}


async def test_token_without_sub_is_anonymous(connect, rig):
    """The user is the empty one."""
    client = await connect(token=jwt.encode({}, TOKEN_SECRET))
    await client.request("publish", channel=unique(), data=1)
    assert rig.callback.calls("publish")[0].json["user"] == ""


@pytest.mark.gateway(changes={"client": {"disallow_anonymous_connection_tokens": True}})
async def test_anonymous_tokens_can_be_forbidden(open_socket):
    """Then the connection is closed."""
    client = await open_socket()
    await client.send({"id": 1, "connect": {"token": jwt.encode({}, TOKEN_SECRET)}})
    assert await client.closed() == (3507, "permission denied")


async def test_validity_is_told_when_the_client_refreshes(connect):
    """Without refresh proxy, the reply says how long the token is good."""
    client = await connect(token=token(ttl_seconds=100))
    assert client.connected["expires"] is True
    assert 95 <= client.connected["ttl"] <= 100


async def test_token_brings_server_side_subscriptions(connect):
    """`channels` and `subs` claims subscribe; options and data come from `subs`."""
    first, second = unique(), unique()
    client = await connect(token=token(channels=[first]))
    assert client.connected["subs"].keys() == {first}
    claims = {
        second: {
            "data": {"d": 1},
            "info": {"i": 1},
            "override": {"force_recovery": {"value": False}},
        }
    }
    client = await connect(token=token(subs=claims))
    assert client.connected["subs"] == {second: {"data": {"d": 1}}}
    join = await client.push("join")
    assert join["join"]["info"]["chan_info"] == {"i": 1}
    client = await connect(token=token(subs={first: None}))
    assert client.connected["subs"].keys() == {first}


async def test_token_with_an_unknown_channel_is_an_error(open_socket):
    """A server-side subscription needs an existing namespace."""
    client = await open_socket()
    reply = await client.request("connect", token=token(channels=["a::::b"]))
    assert reply["error"]["code"] == 102


@pytest.mark.gateway(changes={"channel": {"without_namespace": {"subscribe_proxy_enabled": False}}})
async def test_client_may_ask_for_channels_named_for_its_user(connect):
    """With a token, `subs` of the connect command subscribe to what the client could by itself."""
    mine, other, plain = f"{unique()}#56", f"{unique()}#57", unique()
    client = await connect(token=token(), subs={mine: {}, other: {}, plain: {}})
    assert client.connected["subs"].keys() == {mine}


async def test_client_that_asks_for_an_unknown_channel_is_closed(open_socket):
    """A namespace that does not exist is a bad request here."""
    client = await open_socket()
    await client.send({"id": 1, "connect": {"token": token(), "subs": {"a::::b": {}}}})
    assert await client.closed() == (3501, "bad request")


async def test_private_channel_needs_a_token(connect, rig):
    """`$name` without a token, or with a broken one, is refused without a call."""
    client = await connect()
    channel = unique("$private")
    for bad in ("", "garbage", make_subscription_token("another-secret-" * 5, "56", channel)):
        reply = await client.request("subscribe", channel=channel, token=bad)
        assert reply["error"] == {"code": 103, "message": "permission denied"}
    good = subscription_token(channel, data={"d": 1}, info={"i": 1})
    reply = await client.request("subscribe", channel=channel, token=good)
    assert reply["subscribe"]["data"] == {"d": 1}
    assert (await client.push("join"))["join"]["info"]["chan_info"] == {"i": 1}
    assert not rig.callback.calls("subscribe")


async def test_token_opens_any_channel_without_a_call(connect, rig):
    """A token replaces the subscribe proxy also where it would not be needed."""
    client = await connect()
    channel = unique()
    reply = await client.request("subscribe", channel=channel, token=subscription_token(channel))
    assert "subscribe" in reply
    assert not rig.callback.calls("subscribe")


async def test_expired_subscription_token_is_an_error(connect):
    """The client can fetch a new one."""
    client = await connect()
    channel = unique("$private")
    expired = subscription_token(channel, exp=1)
    reply = await client.request("subscribe", channel=channel, token=expired)
    assert reply["error"]["code"] == 109


@pytest.mark.parametrize("wrong", ["channel", "user", "client"])
async def test_foreign_subscription_token_closes_the_connection(connect, wrong):
    """A token for another channel, user or connection is not a mistake but an attempt."""
    client = await connect()
    channel = unique("$private")
    foreign = {
        "channel": subscription_token(unique("$other")),
        "user": subscription_token(channel, user="57"),
        "client": subscription_token(channel, client="somebody-else"),
    }[wrong]
    with pytest.raises(Closed) as caught:
        await client.request("subscribe", channel=channel, token=foreign)
    assert (caught.value.code, caught.value.reason) == (3500, "invalid token")


async def test_subscription_validity_is_told(connect):
    """Without sub_refresh proxy, the reply says how long the token is good."""
    client = await connect()
    channel = unique("$private")
    good = subscription_token(channel, ttl_seconds=100)
    reply = await client.request("subscribe", channel=channel, token=good)
    assert reply["subscribe"]["expires"] is True
    assert 95 <= reply["subscribe"]["ttl"] <= 100


@pytest.mark.gateway(
    changes={
        "client": {
            "subscription_token": {"enabled": True, "hmac_secret_key": "for-subscriptions-" * 4}
        }
    }
)
async def test_subscription_tokens_may_have_a_key_of_their_own(connect):
    """Then the connection tokens' key opens no channel."""
    client = await connect(token=token())
    channel = unique("$private")
    reply = await client.request("subscribe", channel=channel, token=subscription_token(channel))
    assert reply["error"]["code"] == 103
    own = make_subscription_token("for-subscriptions-" * 4, "56", channel)
    assert "subscribe" in await client.request("subscribe", channel=channel, token=own)


async def test_expire_at_decides_over_exp(rig):
    """`expire_at` 0 means that the connection never expires, though the token does."""
    client = await RawClient.connect(rig.url, token=token(ttl_seconds=100, expire_at=0))
    assert "expires" not in client.connected
    await client.close()
    later = int(time.time()) + 500
    client = await RawClient.connect(rig.url, token=token(ttl_seconds=100, expire_at=later))
    assert client.connected["ttl"] > 400
    await client.close()
