"""The official Python client, unchanged."""

import asyncio

import pytest
from centrifuge import (
    CentrifugeError,
    Client,
    ClientEventHandler,
    ClientState,
    SubscriptionEventHandler,
    SubscriptionState,
)

from realtime_message.centrifugo.tokens import make_connection_token, make_subscription_token
from support.gateway_callback import Answer
from support.gateway_client import unique
from support.gateway_rig import TOKEN_SECRET
from support.official_client import leave

DEADLINE_SECONDS = 10


class Events(SubscriptionEventHandler, ClientEventHandler):
    """Everything that happens to a client or a subscription, in a queue by name."""

    def __init__(self):
        self._queues = {}

    def queue(self, name):
        return self._queues.setdefault(name, asyncio.Queue())

    async def next(self, name):
        async with asyncio.timeout(DEADLINE_SECONDS):
            return await self.queue(name).get()

    async def on_publication(self, ctx):
        self.queue("publication").put_nowait(ctx)

    async def on_join(self, ctx):
        self.queue("join").put_nowait(ctx)

    async def on_leave(self, ctx):
        self.queue("leave").put_nowait(ctx)

    async def on_subscribed(self, ctx):
        self.queue("subscribed").put_nowait(ctx)

    async def on_unsubscribed(self, ctx):
        self.queue("unsubscribed").put_nowait(ctx)

    async def on_connecting(self, ctx):
        self.queue("connecting").put_nowait(ctx)

    async def on_connected(self, ctx):
        self.queue("connected").put_nowait(ctx)

    async def on_disconnected(self, ctx):
        self.queue("disconnected").put_nowait(ctx)


@pytest.fixture
async def make_client(rig):
    """Return a function that makes a client of the SDK, connected, and its events."""
    clients = []

    async def make(**options):
        events = Events()
        client = Client(rig.url, events=events, min_reconnect_delay=0.05, **options)
        clients.append(client)
        await client.connect()
        await client.ready(DEADLINE_SECONDS)
        return client, events

    yield make
    for client in clients:
        await leave(client)


async def subscribe(client, channel, **options):
    events = Events()
    subscription = client.new_subscription(channel, events=events, **options)
    await subscription.subscribe()
    await subscription.ready(DEADLINE_SECONDS)
    return subscription, events


async def test_publish_subscribe_presence_history(make_client):
    """The everyday calls of the client."""
    channel = unique()
    client, _ = await make_client()
    other, _ = await make_client()
    subscription, events = await subscribe(client, channel)
    await subscribe(other, channel)
    assert (await events.next("join")).info.user == "56"
    await other.publish(channel, {"text": "hello"})
    publication = (await events.next("publication")).pub
    assert publication.data == {"text": "hello"}
    assert publication.info.user == "56"
    assert len((await subscription.presence()).clients) == 2
    stats = await subscription.presence_stats()
    assert (stats.num_clients, stats.num_users) == (2, 1)
    history = await subscription.history(limit=10)
    assert [pub.data for pub in history.publications] == [{"text": "hello"}]
    await subscription.unsubscribe()
    assert subscription.state is SubscriptionState.UNSUBSCRIBED


async def test_rpc_and_errors(make_client, rig):
    """A result, and the callback's error with its code."""
    client, _ = await make_client()
    rig.callback.scripts["rpc"] = [
        Answer({"result": {"data": {"answer": 42}}}),
        Answer({"error": {"code": 404, "message": "no such method"}}),
    ]
    assert (await client.rpc("ask", {})).data == {"answer": 42}
    with pytest.raises(CentrifugeError, match="no such method"):
        await client.rpc("ask", {})


async def test_tokens(make_client):
    """A connection token, and a subscription token that the client fetches."""
    channel = unique("$private")
    client, _ = await make_client(token=make_connection_token(TOKEN_SECRET, "77"))

    async def get_token(_):
        return make_subscription_token(TOKEN_SECRET, "77", channel)

    _, events = await subscribe(client, channel, get_token=get_token)
    await client.publish(channel, 1)
    assert (await events.next("publication")).pub.info.user == "77"


async def test_reconnect_recovers_what_was_missed(make_client, api):
    """After a disconnect that invites to come back, missed publications arrive in order."""
    channel = unique()
    user = unique("user")
    client, client_events = await make_client(token=make_connection_token(TOKEN_SECRET, user))
    subscription, events = await subscribe(client, channel)
    await api("publish", {"channel": channel, "data": 0})
    assert (await events.next("publication")).pub.data == 0
    await client_events.next("connected")
    await api("disconnect", {"user": user, "disconnect": {"code": 4000, "reason": "again"}})
    await client_events.next("connecting")
    for n in (1, 2):
        await api("publish", {"channel": channel, "data": n})
    assert [(await events.next("publication")).pub.data for _ in range(2)] == [1, 2]
    await client.ready(DEADLINE_SECONDS)
    assert subscription.state is SubscriptionState.SUBSCRIBED


async def test_terminal_disconnect_is_final(make_client, api):
    """Codes from 4500 on tell the client not to come back."""
    user = unique("user")
    client, events = await make_client(token=make_connection_token(TOKEN_SECRET, user))
    await api("disconnect", {"user": user, "disconnect": {"code": 4501, "reason": "banned"}})
    assert (await events.next("disconnected")).code == 4501
    assert client.state is ClientState.DISCONNECTED


async def test_server_side_unsubscribe(make_client, api):
    """The client learns that the server ended its subscription."""
    channel = unique()
    user = unique("user")
    client, _ = await make_client(token=make_connection_token(TOKEN_SECRET, user))
    _, events = await subscribe(client, channel)
    await api("unsubscribe", {"user": user, "channel": channel})
    assert (await events.next("unsubscribed")).code == 2000


@pytest.mark.gateway(changes={"client": {"ping_interval": "800ms", "pong_timeout": "600ms"}})
async def test_client_stays_connected_over_pings(make_client):
    """It answers pings by itself."""
    client, events = await make_client()
    await asyncio.sleep(1.5)  # a ping comes within 0.8 s, its pong would be missed by then
    assert client.state is ClientState.CONNECTED
    assert events.queue("disconnected").empty()
