"""Publishing: what the publisher, the subscribers and the callback service see."""

import json

import pytest

from support.gateway_callback import Answer
from support.gateway_client import unique


async def subscribed(connect, channel, **command):
    client = await connect(**command)
    reply = await client.request("subscribe", channel=channel)
    assert "subscribe" in reply, reply
    await client.push("join")
    return client


async def test_publication_reaches_subscribers_byte_for_byte(connect):
    """Subscribers get the client's bytes, whitespace and escapes included, with the publisher."""
    channel = unique()
    subscriber = await subscribed(connect, channel)
    publisher = await connect()
    data = '{"a" : 1,   "l":"<\\u0041", "n":12345678901234567890}'
    await publisher.send(f'{{"id":2,"publish":{{"channel":"{channel}","data":{data}}}}}')
    assert await publisher.reply(2) == {"id": 2, "publish": {}}
    line = await subscriber.next_line()
    assert f'"data":{data},"info"' in line
    push = json.loads(line)["push"]
    assert push["channel"] == channel
    assert push["pub"]["info"] == {"user": "56", "client": publisher.id}


async def test_first_publication_carries_the_epoch(connect):
    """Offset 1 comes with the stream's epoch, later ones with the offset alone."""
    channel = unique()
    client = await connect()
    reply = await client.request("subscribe", channel=channel)
    epoch = reply["subscribe"]["epoch"]
    for offset in (1, 2):
        await client.request("publish", channel=channel, data={})
        pub = (await client.push("pub"))["pub"]
        assert pub["offset"] == offset
        assert pub.get("epoch") == (epoch if offset == 1 else None)


async def test_own_publication_precedes_the_reply(connect, rig):
    """A subscribed publisher gets its push before its reply, with the memory engine."""
    channel = unique()
    client = await subscribed(connect, channel)
    await client.send({"id": 9, "publish": {"channel": channel, "data": 1}})
    assert "push" in await client.next()
    assert await client.next() == {"id": 9, "publish": {}}


async def test_publisher_need_not_be_subscribed(connect, rig):
    """The callback decides; being subscribed is not asked for."""
    channel = unique()
    subscriber = await subscribed(connect, channel)
    publisher = await connect()
    assert (await publisher.request("publish", channel=channel, data=1))["publish"] == {}
    assert (await subscriber.push("pub"))["pub"]["data"] == 1
    assert rig.callback.calls("publish")[0].json["channel"] == channel


@pytest.mark.parametrize("data", [{"a": 1}, [1, 2], "text", 5, None, True])
async def test_any_json_value_may_be_published(connect, data):
    """Objects, lists, texts, numbers and null are broadcast as they are."""
    channel = unique()
    client = await subscribed(connect, channel)
    assert "publish" in await client.request("publish", channel=channel, data=data)
    assert (await client.push("pub"))["pub"]["data"] == data


async def test_publish_without_data_is_refused_without_a_call(connect, rig):
    """No data at all is a bad request; the callback is not asked."""
    client = await connect()
    reply = await client.request("publish", channel=unique())
    assert reply["error"] == {"code": 107, "message": "bad request"}
    assert not rig.callback.calls("publish")


async def test_names_beyond_ascii_are_refused_without_a_call(connect, rig):
    """Subscribe and publish answer 107; the callback is not asked."""
    client = await connect()
    for method, fields in (("subscribe", {}), ("publish", {"data": 1})):
        reply = await client.request(method, channel="caf\u00e9", **fields)
        assert reply["error"]["code"] == 107
        assert not rig.callback.calls(method)


async def test_length_of_a_name_limits_subscribe_only(connect, rig):
    """256 characters are too long to subscribe to, yet may be published to."""
    client = await connect()
    name = "x" * 256
    assert (await client.request("subscribe", channel=name))["error"]["code"] == 107
    assert "publish" in await client.request("publish", channel=name, data=1)
    assert len(rig.callback.calls("publish")) == 1


async def test_control_characters_in_a_name_are_accepted(connect):
    """A line break or NUL in a channel name is no reason to refuse it."""
    client = await connect()
    for name in ("a\nb", "a\0b"):
        assert "subscribe" in await client.request("subscribe", channel=unique(name))


@pytest.mark.parametrize(
    "name", ["a:b:c", "room:1", "news", ":x", "a::b", "::::", "x&y", "*", "a/b?c", "a b"]
)
async def test_any_name_follows_the_one_rule(connect, rig, name):
    """With the generated boundary, every name reaches the callback without a namespace."""
    client = await connect()
    reply = await client.request("publish", channel=name, data=1)
    assert "publish" in reply
    assert rig.callback.calls("publish")[0].json["channel"] == name


async def test_name_with_the_boundary_needs_a_namespace(connect, rig):
    """Only a name that holds the boundary itself is an unknown channel."""
    client = await connect()
    for method, fields in (("subscribe", {}), ("publish", {"data": 1})):
        reply = await client.request(method, channel="a::::b", **fields)
        assert reply["error"] == {"code": 102, "message": "unknown channel"}
        assert not rig.callback.calls(method)


@pytest.mark.parametrize("name", ["$private", "dm#57", "$a#57"])
async def test_publish_to_guarded_names_is_the_callbacks_decision(connect, rig, name):
    """Private and user-limited names guard subscribing only."""
    client = await connect()
    assert "publish" in await client.request("publish", channel=name, data=1)
    rig.callback.scripts["publish"] = Answer({"error": {"code": 403, "message": "no"}})
    assert (await client.request("publish", channel=name, data=1))["error"]["code"] == 403


async def test_publications_of_one_frame_stay_in_order(connect):
    """A hundred publications in a frame are answered and broadcast in their order."""
    channel = unique()
    client = await subscribed(connect, channel)
    await client.send(
        *({"id": n, "publish": {"channel": channel, "data": n}} for n in range(100, 200))
    )
    replies, pushes = [], []
    while len(replies) < 100 or len(pushes) < 100:
        line = await client.next()
        if "push" in line:
            pushes.append(line["push"]["pub"]["data"])
        else:
            replies.append(line["id"])
    assert replies == pushes == list(range(100, 200))


async def test_publication_of_a_client_that_left_is_still_broadcast(connect, rig):
    """The call runs to its end, and what it allowed is published, though the client is gone."""
    channel = unique()
    subscriber = await subscribed(connect, channel)
    rig.callback.scripts["publish"] = Answer(delay_seconds=0.3)
    publisher = await connect()
    await publisher.send({"id": 2, "publish": {"channel": channel, "data": "last words"}})
    await rig.callback.wait_for("publish")
    await publisher.close()
    assert (await subscriber.push("pub"))["pub"]["data"] == "last words"
