"""The callback service behind the real Centrifugo, seen by the official Python client."""

import asyncio
import json
import signal
from functools import partial

import pytest
from centrifuge import Client, ReplyError, SubscriptionEventHandler

from realtime_message.centrifugo.tokens import make_connection_token
from support.callback_process import TOKEN_SECRET, CallbackProcesses
from support.centrifugo import Centrifugo, find_centrifugo
from support.held_link import HeldLink
from support.official_client import leave
from support.valkey_server import unique_prefix

SECRET = "the-secret-shared-with-the-gateway"
BINARY = find_centrifugo()

pytestmark = [
    pytest.mark.skipif(
        BINARY is None, reason="no Centrifugo: name it in RTM_CENTRIFUGO_BIN or put it on PATH"
    ),
    # The client library leaves its transport to the garbage collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


class Publications(SubscriptionEventHandler):
    """Keeps what a subscriber sees."""

    def __init__(self) -> None:
        self.seen: asyncio.Queue = asyncio.Queue()

    async def on_publication(self, ctx) -> None:
        await self.seen.put(ctx.pub.data)


@pytest.fixture
def prefix() -> str:
    return unique_prefix()


@pytest.fixture
def service(valkey, prefix):
    with CallbackProcesses(
        valkey.url, prefix, processes=2, environment={"RTM_CALLBACK__SECRET": SECRET}
    ) as service:
        yield service


def gateway_of(service, folder) -> Centrifugo:
    assert BINARY is not None
    return Centrifugo(
        BINARY,
        folder,
        callback_url=service.url,
        token_secret=TOKEN_SECRET,
        callback_secret=SECRET,
    )


@pytest.fixture
def gateway(service, tmp_path):
    with gateway_of(service, tmp_path) as gateway:
        yield gateway


@pytest.fixture
async def connected():
    """A function that connects a user to a gateway, with a token in the client's data."""
    clients = []

    async def connect(gateway: Centrifugo, user: str, **claims) -> Client:
        token = make_connection_token(TOKEN_SECRET, user, claims=claims)
        client = Client(gateway.url, data={"token": token})
        clients.append(client)
        await client.connect()
        await client.ready(20)
        return client

    yield connect
    for client in clients:
        await leave(client)


@pytest.fixture
def connect(gateway, connected):
    """The same for the one gateway."""
    return partial(connected, gateway)


@pytest.fixture
def stored_now(valkey, prefix):
    """A function that returns every message that is stored."""
    return lambda: stored(valkey, prefix)


def stored(valkey, prefix: str) -> list[dict]:
    client = valkey.client()
    return [
        json.loads(fields["payload"])
        for name in client.keys(f"{prefix}:partition:*")
        for _, fields in client.xrange(name)
    ]


async def test_a_message_is_stored_and_seen(connect, valkey, prefix) -> None:
    """Subscribers see the client's data with our fields; the entry is the same message."""
    sender, reader = await connect("56", meta={"name": "Ann"}), await connect("57")
    seen = Publications()
    subscription = reader.new_subscription("room:1", seen)
    await subscription.subscribe()
    await subscription.ready(20)
    data = {"text": "<b>hi</b>", "n": 12345678901234567890, "user": "forged", "id": "m1"}
    await sender.publish("room:1", data)
    async with asyncio.timeout(20):
        publication = await seen.seen.get()
    (message,) = stored(valkey, prefix)
    assert publication == {
        "text": "<b>hi</b>",
        "n": 12345678901234567890,
        "id": message["id"],
        "user": {"id": "56", "name": "Ann"},
        "timestamp": message["timestamp"],
        "clientMessageId": "m1",
    }
    assert (message["channel"], message["userId"], message["userName"]) == ("room:1", "56", "Ann")
    assert json.loads(message["raw"]) == data


async def test_a_resend_is_broadcast_and_stored_once(connect, valkey, prefix) -> None:
    """The second publish succeeds and is seen by nobody."""
    sender, reader = await connect("56"), await connect("57")
    seen = Publications()
    subscription = reader.new_subscription("room:1", seen)
    await subscription.subscribe()
    await subscription.ready(20)
    for data in ({"text": "a", "id": "m1"}, {"text": "a", "id": "m1"}, {"text": "b", "id": "m2"}):
        await sender.publish("room:1", data)
    async with asyncio.timeout(20):
        texts = [(await seen.seen.get())["text"] for _ in range(2)]
    assert texts == ["a", "b"]
    assert [m["text"] for m in sorted(stored(valkey, prefix), key=lambda m: m["text"])] == texts


@pytest.mark.parametrize(
    ("channel", "data", "code"),
    [
        ("user:57", {"text": "x"}, 403),
        ("$private", {"text": "x"}, 403),
        ("dm#57", {"text": "x"}, 403),
        ("x" * 300, {"text": "x"}, 414),
        ("a\nb", {"text": "x"}, 414),
        ("room:1", {"text": ""}, 400),
        ("room:1", {"other": 1}, 400),
        ("room:1", {"text": "x", "id": 1.5}, 400),
    ],
)
async def test_what_is_refused(connect, stored_now, channel, data, code) -> None:
    """The client gets our code and text, and nothing is stored."""
    client = await connect("56")
    with pytest.raises(ReplyError) as caught:
        await client.publish(channel, data)
    assert caught.value.code == code
    assert not caught.value.temporary
    assert stored_now() == []


async def test_personal_and_listed_channels_take_their_users(connect, valkey, prefix) -> None:
    """The same names, for those who may."""
    client = await connect("57")
    for channel in ("user:57", "dm#56,57"):
        await client.publish(channel, {"text": "x"})
    assert sorted(m["channel"] for m in stored(valkey, prefix)) == ["dm#56,57", "user:57"]


async def test_redis_that_is_gone_is_a_temporary_error(connect, valkey) -> None:
    """Frozen: the client hears of it from us, before Centrifugo's own time-out."""
    client = await connect("56")
    valkey.pause()
    try:
        with pytest.raises(ReplyError) as caught:
            await client.publish("room:1", {"text": "x"})
    finally:
        valkey.resume()
    assert caught.value.temporary
    assert caught.value.code in {503, 504}


async def test_a_callback_that_is_slower_than_the_gateway_waits(
    valkey, prefix, tmp_path, connected
) -> None:
    """A temporary error, though the message was stored; its resend succeeds, once for everyone."""
    patient = {
        "RTM_CALLBACK__SECRET": SECRET,
        "RTM_REDIS__COMMAND_TIMEOUT_SECONDS": "20",
        "RTM_CALLBACK__DEADLINE_SECONDS": "21",
    }
    with HeldLink(valkey.port) as link:
        url = f"redis://127.0.0.1:{link.port}"
        with (
            CallbackProcesses(url, prefix, environment=patient) as service,
            gateway_of(service, tmp_path) as gateway,
        ):
            client, reader = await connected(gateway, "56"), await connected(gateway, "57")
            seen = Publications()
            subscription = reader.new_subscription("room:1", seen)
            await subscription.subscribe()
            await subscription.ready(20)
            link.hold()
            with pytest.raises(ReplyError) as caught:
                await client.publish("room:1", {"text": "x", "id": "m1"})
            assert (caught.value.code, caught.value.temporary) == (100, True)
            link.release()
            await client.publish("room:1", {"text": "x", "id": "m1"})
            await client.publish("room:1", {"text": "after"})
            async with asyncio.timeout(20):
                publications = [await seen.seen.get(), await seen.seen.get()]
    ids = [message["id"] for message in stored(valkey, prefix)]
    assert len(ids) == 2
    assert [publication["text"] for publication in publications] == ["x", "after"]
    assert publications[0]["id"] in ids


async def test_a_rolling_replacement_is_not_noticed(service, connect, valkey, prefix) -> None:
    """All processes are replaced while clients publish: no client sees an error."""
    clients = [await connect(str(n)) for n in range(10)]
    is_rolled = asyncio.Event()
    published = 0

    async def publish(client: Client) -> None:
        nonlocal published
        while not is_rolled.is_set():
            await client.publish("room:1", {"text": "x"})
            published += 1

    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        for client in clients:
            group.create_task(publish(client))
        service.signal(signal.SIGHUP)
        await asyncio.to_thread(service.wait_for, "processes.rolled")
        is_rolled.set()
    assert published >= len(clients)
    assert len(stored(valkey, prefix)) == published
