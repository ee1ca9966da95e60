"""History, and recovery of what a client missed."""

import asyncio

import pytest

from support.gateway_client import unique


@pytest.fixture
async def channel(api):
    """A channel with three publications: 0, 1, 2."""
    name = unique()
    for n in range(3):
        await api("publish", {"channel": name, "data": n})
    return name


@pytest.fixture
async def client(connect, channel):
    client = await connect()
    reply = await client.request("subscribe", channel=channel)
    client.epoch = reply["subscribe"]["epoch"]
    return client


def data_of(publications):
    return [publication["data"] for publication in publications]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, []),
        ({"limit": 0}, []),
        ({"limit": -1}, [0, 1, 2]),
        ({"limit": 2}, [0, 1]),
        ({"limit": 1, "reverse": True}, [2]),
        ({"limit": -1, "reverse": True}, [2, 1, 0]),
        ({"limit": 10, "since": {"offset": 1, "epoch": ""}}, [1, 2]),
        ({"limit": 1, "since": {"offset": 1, "epoch": ""}}, [1]),
        ({"limit": 10, "since": {"offset": 3, "epoch": ""}}, []),
        ({"limit": 10, "since": {"offset": 9, "epoch": ""}}, []),
        ({"limit": 10, "since": {"offset": 3, "epoch": ""}, "reverse": True}, [1, 0]),
    ],
)
async def test_history_is_read_from_either_end(client, channel, query, expected):
    """Limit, position and direction; the reply always has the channel's position."""
    reply = await client.request("history", channel=channel, **query)
    history = reply["history"]
    assert data_of(history["publications"]) == expected
    assert (history["epoch"], history["offset"]) == (client.epoch, 3)


async def test_position_of_another_epoch_is_unrecoverable(client, channel):
    """112, and the right epoch works."""
    since = {"offset": 1, "epoch": "other"}
    reply = await client.request("history", channel=channel, limit=10, since=since)
    assert reply["error"] == {"code": 112, "message": "unrecoverable position"}
    since = {"offset": 1, "epoch": client.epoch}
    reply = await client.request("history", channel=channel, limit=10, since=since)
    assert data_of(reply["history"]["publications"]) == [1, 2]


async def test_nothing_stands_before_the_first(client, channel):
    """Reading backwards from offset 0 is a bad request."""
    since = {"offset": 0, "epoch": client.epoch}
    reply = await client.request("history", channel=channel, limit=1, since=since, reverse=True)
    assert reply["error"]["code"] == 107


async def test_history_shows_the_publisher(client, channel):
    """A client's publication keeps its info; one of the server API has none."""
    await client.request("publish", channel=channel, data="mine")
    reply = await client.request("history", channel=channel, limit=2, reverse=True)
    newest, before = reply["history"]["publications"]
    assert newest["info"] == {"user": "56", "client": client.id}
    assert "info" not in before


async def test_empty_channel_has_a_position(connect):
    """A fresh epoch, offset 0 written out, an empty list written out."""
    channel = unique()
    client = await connect()
    epoch = (await client.request("subscribe", channel=channel))["subscribe"]["epoch"]
    reply = await client.request("history", channel=channel, limit=5)
    assert reply["history"] == {"publications": [], "epoch": epoch, "offset": 0}


@pytest.mark.gateway(
    changes={
        "channel": {"without_namespace": {"history_size": 5}},
        "client": {"history_max_publication_limit": 2, "recovery_max_publication_limit": 3},
    }
)
async def test_size_and_limits_bound_what_is_read(connect, api):
    """Old publications go; one answer holds at most the configured number."""
    channel = unique()
    client = await connect()
    await client.request("subscribe", channel=channel)
    for n in range(8):
        await api("publish", {"channel": channel, "data": n})
    for limit in (-1, 100):
        reply = await client.request("history", channel=channel, limit=limit)
        assert data_of(reply["history"]["publications"]) == [3, 4]
    _, answer = await api("history", {"channel": channel, "limit": 100})
    assert data_of(answer["result"]["publications"]) == [3, 4, 5, 6, 7]
    for offset, is_recovered in ((5, True), (4, False), (2, False)):
        other = await connect()
        reply = await other.request("subscribe", channel=channel, recover=True, offset=offset)
        assert reply["subscribe"].get("recovered", False) is is_recovered, offset


async def recover(connect, channel, epoch, offset, **fields):
    client = await connect()
    reply = await client.request(
        "subscribe", channel=channel, recover=True, epoch=epoch, offset=offset, **fields
    )
    return reply.get("subscribe", reply)


async def test_missed_publications_come_with_the_reply(connect, client, channel, rig):
    """The reply's offset is the one asked from; the callback is asked as for any subscription."""
    reply = await recover(connect, channel, client.epoch, 1)
    assert data_of(reply.pop("publications")) == [1, 2]
    assert reply == {
        "recoverable": True,
        "epoch": client.epoch,
        "recovered": True,
        "offset": 1,
        "positioned": True,
        "was_recovering": True,
    }
    call = rig.callback.calls("subscribe")[-1].json
    assert not {"recover", "epoch", "offset"} & call.keys()


async def test_nothing_missed_is_recovered_too(connect, client, channel):
    """At the channel's position there is nothing to send."""
    reply = await recover(connect, channel, client.epoch, 3)
    assert reply["recovered"] is True
    assert "publications" not in reply


async def test_unknown_position_recovers_everything_that_is_kept(connect, client, channel):
    """Epoch empty and offset 0: all three are there."""
    reply = await recover(connect, channel, "", 0)
    assert data_of(reply["publications"]) == [0, 1, 2]
    assert reply["recovered"] is True
    assert "offset" not in reply


@pytest.mark.parametrize(("epoch", "offset"), [("other", 1), (None, 9)])
async def test_lost_position_is_said(connect, client, channel, epoch, offset):
    """Without `recovered` the client knows that it must load its state anew."""
    reply = await recover(connect, channel, epoch or client.epoch, offset)
    assert reply == {
        "recoverable": True,
        "epoch": client.epoch,
        "offset": 3,
        "positioned": True,
        "was_recovering": True,
    }


async def test_client_may_ask_to_be_refused_instead(connect, client, channel):
    """With flag 2 a position that cannot be recovered is an error."""
    reply = await recover(connect, channel, "other", 1, flag=2)
    assert reply["error"]["code"] == 112
    reply = await recover(connect, channel, client.epoch, 9, flag=2)
    assert reply["error"]["code"] == 112
    reply = await recover(connect, channel, client.epoch, 2, flag=2)
    assert data_of(reply["publications"]) == [2]


@pytest.mark.gateway(changes={"channel": {"without_namespace": {"force_recovery": False}}})
async def test_recovery_in_a_channel_without_it(connect, api):
    """The wish is noted and that is all."""
    channel = unique()
    await api("publish", {"channel": channel, "data": 1})
    client = await connect()
    reply = await client.request("subscribe", channel=channel, recover=True, offset=0)
    assert reply["subscribe"] == {"was_recovering": True}


async def test_pushes_go_on_after_recovery(connect, client, channel, api):
    """Nothing is lost or doubled between the recovered and the new publications."""
    other = await connect()
    await other.request("subscribe", channel=channel, recover=True, offset=1, epoch=client.epoch)
    await api("publish", {"channel": channel, "data": "new"})
    pub = (await other.push("pub"))["pub"]
    assert (pub["data"], pub["offset"]) == ("new", 4)


@pytest.mark.gateway(
    changes={"channel": {"without_namespace": {"history_ttl": "1s", "history_meta_ttl": "3s"}}}
)
async def test_history_expires_before_its_position(connect, api):
    """After the TTL nothing is left to recover, but the position is known still."""
    channel = unique()
    _, answer = await api("publish", {"channel": channel, "data": 1})
    epoch = answer["result"]["epoch"]
    # Waiting is the point here: expiry is counted in whole seconds.
    for _ in range(100):
        _, answer = await api("history", {"channel": channel, "limit": 10})
        if not answer["result"].get("publications"):
            break
        await asyncio.sleep(0.05)
    assert answer["result"]["epoch"] == epoch
    assert answer["result"]["offset"] == 1
    client = await connect()
    reply = await client.request("subscribe", channel=channel, recover=True, epoch=epoch)
    assert "recovered" not in reply["subscribe"]
