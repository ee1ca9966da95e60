"""The official Python client of the server API, unchanged; only where it is installed."""

import pytest

from support.gateway_client import unique
from support.gateway_rig import API_KEY

cent = pytest.importorskip("cent", reason="PyPI's cent is not installed")


@pytest.fixture
async def client(rig):
    async with cent.AsyncClient(f"{rig.http_url}/api", API_KEY) as client:
        yield client


async def test_publish_broadcast_batch(client):
    """Positions come back, also from inside a batch."""
    channel, other = unique(), unique()
    first = await client.publish(cent.PublishRequest(channel=channel, data={"n": 1}))
    assert first.offset == 1
    sent = await client.broadcast(cent.BroadcastRequest(channels=[channel, other], data={"n": 2}))
    assert [one.result.offset for one in sent.responses] == [2, 1]
    batch = cent.BatchRequest(
        requests=[
            cent.PublishRequest(channel=channel, data=3),
            cent.PresenceStatsRequest(channel=channel),
        ]
    )
    replies = (await client.batch(batch)).replies
    assert (replies[0].offset, replies[1].num_clients) == (3, 0)


async def test_reading_calls(client, connect):
    """Presence, history, channels and info have the forms that the client expects."""
    channel = unique()
    subscriber = await connect()
    await subscriber.request("subscribe", channel=channel)
    await client.publish(cent.PublishRequest(channel=channel, data={"n": 1}))
    presence = await client.presence(cent.PresenceRequest(channel=channel))
    assert presence.presence.keys() == {subscriber.id}
    history = await client.history(cent.HistoryRequest(channel=channel, limit=5))
    assert [publication.data for publication in history.publications] == [{"n": 1}]
    await client.history_remove(cent.HistoryRemoveRequest(channel=channel))
    listed = await client.channels(cent.ChannelsRequest(pattern=channel))
    assert listed.channels[channel].num_clients == 1
    assert len((await client.info(cent.InfoRequest())).nodes) == 1


async def test_calls_about_users_and_errors(client, connect):
    """Subscribe, unsubscribe, refresh and disconnect; an error is the client's exception."""
    channel = unique()
    subscriber = await connect()
    await client.subscribe(cent.SubscribeRequest(user="56", client=subscriber.id, channel=channel))
    assert (await subscriber.push("subscribe"))["channel"] == channel
    await client.unsubscribe(
        cent.UnsubscribeRequest(user="56", client=subscriber.id, channel=channel)
    )
    assert (await subscriber.push("unsubscribe"))["channel"] == channel
    with pytest.raises(cent.CentApiResponseError, match="unknown channel"):
        await client.publish(cent.PublishRequest(channel="a::::b", data=1))
    await client.disconnect(cent.DisconnectRequest(user="56", client=subscriber.id))
    assert (await subscriber.closed())[0] == 3503
