"""Pings and pongs, slow clients, and the handshake."""

import asyncio
import json

import pytest
from websockets.exceptions import InvalidStatus

from support.gateway_callback import Answer
from support.gateway_client import RawClient, unique

QUICK_PINGS = pytest.mark.gateway(
    changes={"client": {"ping_interval": "800ms", "pong_timeout": "600ms"}}
)


@QUICK_PINGS
async def test_pong_keeps_the_connection(connect):
    """The server sends `{}`, and `{}` answers it, time after time."""
    client = await connect()
    for _ in range(2):
        assert await client.next() == {}
        await client.send("{}")
    assert "rpc" in await client.request("rpc", method="m")


@QUICK_PINGS
async def test_missing_pong_ends_the_connection(connect):
    """A client that does not answer is given up, even if it sends other commands."""
    client = await connect()
    assert await client.next() == {}
    await client.send({"id": 2, "rpc": {"method": "m"}})
    assert await client.closed() == (3012, "no pong")


@QUICK_PINGS
async def test_second_pong_is_one_too_many(connect):
    """Exactly one pong per ping."""
    client = await connect()
    assert await client.next() == {}
    await client.send("{}")
    await client.send("{}")
    assert await client.closed() == (3501, "bad request")


@QUICK_PINGS
async def test_pong_waits_behind_a_slow_call(connect, rig):
    """While the callback takes longer than the pong may, the connection is given up."""
    rig.callback.scripts["rpc"] = Answer(delay_seconds=0.9)
    client = await connect()
    assert await client.next() == {}
    await client.send({"id": 2, "rpc": {"method": "m"}})
    await client.send("{}")
    assert await client.closed() == (3012, "no pong")


async def test_unasked_pong_ends_the_connection(connect):
    """A pong without a ping is a bad request."""
    client = await connect()
    await client.send("{}")
    assert await client.closed() == (3501, "bad request")


@pytest.mark.gateway(changes={"client": {"queue_max_size": 200_000}})
async def test_client_that_does_not_read_is_given_up(connect, api, rig):
    """It cannot hold back the others; its connection ends and they are told."""
    channel = unique()
    watcher = await connect()
    await watcher.request("subscribe", channel=channel)
    slow = await RawClient.connect(rig.url)
    await slow.request("subscribe", channel=channel)
    slow.socket.transport.pause_reading()
    data = "x" * 50_000
    async with asyncio.timeout(10):
        while True:
            await api("publish", {"channel": channel, "data": data})
            _, answer = await api("presence_stats", {"channel": channel})
            if answer["result"]["num_clients"] == 1:
                break
    push = await watcher.push("leave")
    assert push["leave"]["info"]["client"] == slow.id
    slow.socket.transport.abort()


async def test_subprotocol_is_echoed(rig):
    """`centrifuge-json` is chosen when it is offered; no subprotocol is fine too."""
    client = await RawClient.open(rig.url, subprotocols=["centrifuge-json"])
    assert client.socket.subprotocol == "centrifuge-json"
    await client.close()
    client = await RawClient.open(rig.url)
    assert client.socket.subprotocol is None
    await client.close()


async def test_compression_is_not_negotiated(rig):
    """permessage-deflate is off by default."""
    client = await RawClient.open(
        rig.url, additional_headers={"Sec-WebSocket-Extensions": "permessage-deflate"}
    )
    assert "Sec-WebSocket-Extensions" not in client.socket.response.headers
    await client.close()


@pytest.mark.gateway(
    changes={"client": {"allowed_origins": ["https://*.example.com", "http://localhost:3000"]}}
)
async def test_origin_must_be_allowed(rig):
    """Patterns match whatever the case; without an Origin header everybody may connect."""
    for origin, is_allowed in (
        ("https://app.example.com", True),
        ("HTTPS://APP.EXAMPLE.COM", True),
        ("http://localhost:3000", True),
        ("https://example.com", False),
        ("https://evil.com", False),
        ("null", False),
        (None, True),
    ):
        options = {"origin": origin} if origin else {}
        if is_allowed:
            await (await RawClient.open(rig.url, **options)).close()
        else:
            with pytest.raises(InvalidStatus) as caught:
                await RawClient.open(rig.url, **options)
            assert caught.value.response.status_code == 403, origin


async def test_no_origin_is_allowed_by_default(rig):
    """The generated configuration lets in only clients without an Origin header."""
    with pytest.raises(InvalidStatus) as caught:
        await RawClient.open(rig.url, origin="https://app.example.com")
    assert caught.value.response.status_code == 403


async def test_fragments_make_one_message(connect):
    """A command may come in several WebSocket frames, with a ping between them."""
    client = await connect()

    async def parts():
        yield '{"id":2,'
        await client.socket.ping()
        yield '"rpc":{"method":"m"}}'

    await client.socket.send(parts())
    assert await client.next() == {"id": 2, "rpc": {}}


async def test_native_ping_is_answered(connect):
    """WebSocket's own ping frames work beside the protocol's pings."""
    client = await connect()
    async with asyncio.timeout(5):
        await (await client.socket.ping())


async def test_many_lines_arrive_whole(connect):
    """A thousand publications of one frame come back, none lost, none split."""
    channel = unique()
    client = await connect()
    await client.request("subscribe", channel=channel)
    commands = [
        json.dumps({"id": n, "publish": {"channel": channel, "data": n}}) for n in range(100, 1100)
    ]
    for start in range(0, 1000, 250):
        await client.send(*commands[start : start + 250])
    for expected in range(100, 1100):
        assert (await client.push("pub"))["pub"]["data"] == expected
