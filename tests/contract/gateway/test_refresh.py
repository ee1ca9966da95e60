"""Expiry of connections and subscriptions, and how both are kept alive.

Times are whole seconds in tokens and replies, so these tests wait for one or two of them.
"""

import time

import pytest

from realtime_message.centrifugo.tokens import make_connection_token, make_subscription_token
from support.gateway_callback import Answer
from support.gateway_client import Closed, unique
from support.gateway_rig import TOKEN_SECRET

QUICK = {
    "client": {
        "expired_close_delay": "100ms",
        "expired_sub_close_delay": "100ms",
        "presence_update_interval": "300ms",
    }
}
BY_CLIENT = pytest.mark.gateway(changes=QUICK)
BY_SERVER = pytest.mark.gateway(
    changes=QUICK,
    events=("connect", "subscribe", "publish", "refresh", "sub_refresh"),
)
CONNECTION_EXPIRED = (3005, "connection expired")


def token(user="56", ttl_seconds=None, **claims):
    return make_connection_token(TOKEN_SECRET, user, ttl_seconds=ttl_seconds, claims=claims)


def in_seconds(seconds):
    return int(time.time()) + seconds


def expiring(seconds, **result):
    """A script whose answers expire so long after the call; whole seconds, so up to one less."""
    return lambda _: Answer({"result": {**result, "expire_at": in_seconds(seconds)}})


@BY_CLIENT
async def test_connection_ends_when_nobody_refreshes_it(connect):
    """It is closed after its time and the grace period."""
    client = await connect(token=token(ttl_seconds=2))
    assert await client.closed() == CONNECTION_EXPIRED


@BY_CLIENT
async def test_new_token_prolongs_the_connection(connect):
    """The reply says how long; info and meta come from the new token."""
    client = await connect(token=token(ttl_seconds=100))
    reply = await client.request("refresh", token=token(ttl_seconds=500, info={"new": 1}))
    assert reply["refresh"]["expires"] is True
    assert reply["refresh"]["ttl"] > 400
    channel = unique()
    await client.request("subscribe", channel=channel)
    assert (await client.push("join"))["join"]["info"]["conn_info"] == {"new": 1}


@BY_CLIENT
async def test_token_without_end_is_accepted(connect):
    """The reply is empty then."""
    client = await connect(token=token(ttl_seconds=100))
    assert (await client.request("refresh", token=token()))["refresh"] == {}


@BY_CLIENT
@pytest.mark.parametrize(
    ("new", "close"),
    [
        ("garbage", (3500, "invalid token")),
        (token(user="57"), (3500, "invalid token")),
        (token(exp=1), CONNECTION_EXPIRED),
        (token(channels=["somewhere-else"]), (3010, "insufficient state")),
    ],
)
async def test_unfit_new_token_closes_the_connection(connect, new, close):
    """Broken, another user's, expired, or with other server-side subscriptions."""
    client = await connect(token=token(ttl_seconds=100))
    with pytest.raises(Closed) as caught:
        await client.request("refresh", token=new)
    assert (caught.value.code, caught.value.reason) == close


@BY_CLIENT
async def test_new_token_keeps_the_subscriptions_of_the_old(connect):
    """The same channels are fine, fewer are not."""
    channel = unique()
    client = await connect(token=token(ttl_seconds=100, channels=[channel]))
    reply = await client.request("refresh", token=token(ttl_seconds=100, channels=[channel]))
    assert "refresh" in reply
    with pytest.raises(Closed) as caught:
        await client.request("refresh", token=token(ttl_seconds=100))
    assert caught.value.code == 3010


@BY_CLIENT
async def test_connection_without_an_end_may_be_refreshed(connect):
    """Nothing expires, yet a valid token is taken."""
    client = await connect()
    assert "refresh" in await client.request("refresh", token=token(ttl_seconds=100))


@BY_CLIENT
async def test_subscription_is_kept_by_a_new_token(connect):
    """The reply says how long."""
    channel = unique("$private")
    client = await connect()
    old = make_subscription_token(TOKEN_SECRET, "56", channel, ttl_seconds=100)
    new = make_subscription_token(TOKEN_SECRET, "56", channel, ttl_seconds=500)
    await client.request("subscribe", channel=channel, token=old)
    reply = await client.request("sub_refresh", channel=channel, token=new)
    assert reply["sub_refresh"]["expires"] is True
    assert reply["sub_refresh"]["ttl"] > 400


@BY_CLIENT
async def test_subscription_refresh_that_does_not_fit(connect):
    """Not subscribed and no token are errors, a foreign token ends the connection."""
    channel = unique("$private")
    client = await connect()
    good = make_subscription_token(TOKEN_SECRET, "56", channel, ttl_seconds=100)
    reply = await client.request("sub_refresh", channel=channel, token=good)
    assert reply["error"]["code"] == 103
    await client.request("subscribe", channel=channel, token=good)
    reply = await client.request("sub_refresh", channel=channel)
    assert reply["error"]["code"] == 107
    with pytest.raises(Closed) as caught:
        await client.request("sub_refresh", channel=channel, token="garbage")
    assert (caught.value.code, caught.value.reason) == (3500, "invalid token")


@BY_CLIENT
async def test_expired_subscription_token_is_answered_with_success(connect):
    """A peculiarity of Centrifugo v6: empty success, and the subscription stays."""
    channel = unique("$private")
    client = await connect()
    good = make_subscription_token(TOKEN_SECRET, "56", channel, ttl_seconds=100)
    expired = make_subscription_token(TOKEN_SECRET, "56", channel, claims={"exp": 1})
    await client.request("subscribe", channel=channel, token=good)
    reply = await client.request("sub_refresh", channel=channel, token=expired)
    assert reply["sub_refresh"] == {}
    await client.request("publish", channel=channel, data=1)
    assert (await client.push("pub"))["pub"]["data"] == 1


@BY_CLIENT
async def test_subscription_ends_when_nobody_refreshes_it(connect):
    """The client is unsubscribed with 2501 and stays connected."""
    channel = unique("$private")
    client = await connect()
    good = make_subscription_token(TOKEN_SECRET, "56", channel, ttl_seconds=2)
    await client.request("subscribe", channel=channel, token=good)
    push = await client.push("unsubscribe")
    assert push == {
        "channel": channel,
        "unsubscribe": {"code": 2501, "reason": "subscription expired"},
    }
    assert "rpc" in await client.request("rpc", method="m")


@BY_CLIENT
async def test_subscription_that_has_expired_already_is_refused(connect, rig):
    """The callback gave a time in the past."""
    rig.callback.scripts["subscribe"] = Answer({"result": {"expire_at": in_seconds(-5)}})
    client = await connect()
    reply = await client.request("subscribe", channel=unique())
    assert reply["error"] == {"code": 110, "message": "expired"}


@BY_SERVER
async def test_callback_is_asked_when_the_connection_expires(connect, rig):
    """The client is not told of the expiry; the callback's time prolongs it."""
    prolonged, ended = expiring(1, info={"new": 1}), Answer({"result": {"expired": True}})
    rig.callback.scripts["connect"] = expiring(1, user="56", meta={"m": 1})
    rig.callback.scripts["refresh"] = lambda call: (
        prolonged(call) if len(rig.callback.calls("refresh")) == 1 else ended
    )
    client = await connect()
    assert "expires" not in client.connected
    assert await client.closed() == CONNECTION_EXPIRED
    first, second = rig.callback.calls("refresh")
    expected = {
        "client": client.id,
        "transport": "websocket",
        "protocol": "json",
        "encoding": "json",
        "user": "56",
        "meta": {"m": 1},
    }
    assert first.json == second.json == expected


@BY_SERVER
async def test_anything_but_a_new_time_ends_the_connection(connect, rig):
    """Errors and disconnects are ignored: without a result the connection has expired."""
    answers = {
        "a": {},
        "b": None,
        "c": {"result": {}},
        "d": {"result": {"expired": True}},
        "e": {"error": {"code": 403, "message": "x"}},
        "f": {"disconnect": {"code": 4501, "reason": "x"}},
    }
    users = iter(answers)

    def permit_next_user(call):
        return expiring(1, user=next(users))(call)

    rig.callback.scripts["connect"] = permit_next_user
    rig.callback.scripts["refresh"] = lambda call: Answer(answers[call.json["user"]])
    clients = [await connect() for _ in answers]
    assert {await client.closed() for client in clients} == {CONNECTION_EXPIRED}
    assert {call.json["user"] for call in rig.callback.calls("refresh")} == answers.keys()


@BY_SERVER
async def test_failed_refresh_gives_more_time(connect, rig):
    """The connection stays and works; the callback is asked again a minute later."""
    rig.callback.scripts["connect"] = expiring(1)
    rig.callback.scripts["refresh"] = Answer(status=500)
    client = await connect()
    await rig.callback.wait_for("refresh")
    assert "publish" in await client.request("publish", channel=unique(), data=1)


@BY_SERVER
async def test_clients_refresh_is_unexpected_then(connect):
    """With the refresh proxy, a refresh command is a bad request."""
    client = await connect()
    await client.send({"id": 9, "refresh": {"token": token()}})
    assert await client.closed() == (3501, "bad request")


@BY_SERVER
async def test_callback_is_asked_when_a_subscription_expires(connect, rig):
    """It prolongs one subscription, and lets the others end; the connection stays."""
    kept, *ended = unique("kept"), unique("none"), unique("expired")
    answers = {
        kept: {"result": {"expire_at": in_seconds(100)}},
        ended[0]: {},
        ended[1]: {"result": {"expired": True}},
    }
    rig.callback.scripts["subscribe"] = expiring(2)
    rig.callback.scripts["sub_refresh"] = lambda call: Answer(answers[call.json["channel"]])
    client = await connect()
    for channel in answers:
        reply = await client.request("subscribe", channel=channel)
        assert "expires" not in reply["subscribe"]
    pushes = [await client.push("unsubscribe") for _ in ended]
    assert {push["channel"] for push in pushes} == set(ended)
    assert {push["unsubscribe"]["code"] for push in pushes} == {2501}
    calls = await rig.callback.wait_for("sub_refresh", 3)
    assert {call.json["channel"] for call in calls} == answers.keys()
    assert {call.json["user"] for call in calls} == {"56"}
    await client.request("publish", channel=kept, data=1)
    assert (await client.push("pub"))["channel"] == kept
