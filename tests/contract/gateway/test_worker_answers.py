"""What handlers answer through the server API, on both gateways."""

import pytest

from realtime_message.errors import ServerApiError
from realtime_message.worker.server_api import ServerApi
from support.gateway_callback import Answer
from support.gateway_client import unique
from support.gateway_rig import API_KEY


@pytest.fixture
async def answers(rig):
    """The worker's side."""
    answers = ServerApi(f"{rig.http_url}/api", API_KEY)
    yield answers
    await answers.close()


@pytest.fixture
async def client(connect, rig):
    """A client of a user of its own, subscribed to a channel of its own."""
    user, channel = unique("user"), unique("room")
    rig.callback.scripts["connect"] = Answer({"result": {"user": user}})
    client = await connect()
    client.user, client.channel = user, channel
    await client.request("subscribe", channel=channel)
    await client.push("join")
    return client


async def test_answer_reaches_the_subscribers_once(answers, client):
    """A redelivered message answers with the same key: it is published once."""
    key = unique("message")
    for _ in range(3):
        await answers.publish(client.channel, {"n": 1}, idempotency_key=f"{key}:1")
    await answers.publish(client.channel, {"n": 2}, idempotency_key=f"{key}:2")
    seen = [(await client.push("pub"))["pub"]["data"] for _ in range(2)]
    assert seen == [{"n": 1}, {"n": 2}]


async def test_broadcast_reaches_each_channel(answers, client):
    """The same data in several channels."""
    await answers.broadcast(
        [unique("other"), client.channel], {"all": True}, idempotency_key=unique("k")
    )
    assert (await client.push("pub"))["pub"]["data"] == {"all": True}


async def test_disconnect_closes_the_users_connections(answers, client):
    """With the code and reason of the handler."""
    await answers.disconnect(client.user, code=4500, reason="banned")
    assert await client.closed() == (4500, "banned")


async def test_wrong_key_and_refused_channel_are_told(rig, answers):
    """With what to do, and what the gateway said."""
    stranger = ServerApi(f"{rig.http_url}/api", "wrong")
    with pytest.raises(ServerApiError, match=r"set gateway\.api_key"):
        await stranger.publish("a", 1, idempotency_key="k")
    await stranger.close()
    with pytest.raises(ServerApiError, match=r"bad request \(code 107\)"):
        await answers.publish("", 1, idempotency_key="k")
