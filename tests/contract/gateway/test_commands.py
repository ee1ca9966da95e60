"""Frames and commands: what is read, what is refused, what ends the connection."""

import json

import pytest

from support.gateway_callback import Answer
from support.gateway_client import Closed, unique

BAD_REQUEST = (3501, "bad request")

BAD_FRAMES = [
    "",
    "{bad",
    "[1]",
    "null",
    "{}",
    "1",
    '{"id":2}',
    '{"id":2,"nonsense":{}}',
    '{"subscribe":{"channel":"a"}}',
    '{"id":0,"subscribe":{"channel":"a"}}',
    '{"id":-1,"subscribe":{"channel":"a"}}',
    '{"id":"2","subscribe":{"channel":"a"}}',
    '{"id":4294967296,"subscribe":{"channel":"a"}}',
    '{"id":2,"subscribe":null}',
    '{"id":2,"subscribe":[]}',
    '{"id":2,"subscribe":{"channel":5}}',
    '{"id":2,"subscribe":{"channel":""}}',
    '{"id":2,"subscribe":{}}',
    '{"id":2,"publish":{"data":1}}',
    '{"id":2,"unsubscribe":{}}',
    '{"id":2,"presence":{}}',
    '{"id":2,"presence_stats":{"channel":""}}',
    '{"id":2,"history":{}}',
    '{"id":2,"history":{"channel":"a","limit":"x"}}',
    '{"id":2,"sub_refresh":{}}',
    '{"id":2,"refresh":{}}',
    '{"id":2,"refresh":{"token":""}}',
    '{"id":2,"ping":{}}',
    '{"id":2,"publish":{"channel":"a","data":{bad}}}',
]


@pytest.mark.parametrize("frame", BAD_FRAMES)
async def test_bad_frame_closes_the_connection(connect, frame):
    """What cannot be understood ends the connection for good."""
    client = await connect()
    await client.send(frame)
    assert await client.closed() == BAD_REQUEST


@pytest.mark.parametrize(
    "frame", ["", "{}", "{bad", '{"id":1,"subscribe":{"channel":"a"}}', '{"id":1,"rpc":{}}', "null"]
)
async def test_anything_before_connect_closes_the_connection(open_socket, frame):
    """The first command is connect."""
    client = await open_socket()
    await client.send(frame)
    assert await client.closed() == BAD_REQUEST


async def test_message_without_reply_is_not_available(connect):
    """`send` has nowhere to go."""
    client = await connect()
    await client.send({"send": {"data": 1}})
    assert await client.closed() == (3508, "not available")


async def test_highest_id_and_unknown_fields_are_accepted(connect):
    """Ids have 32 bits; what is not known is ignored."""
    client = await connect()
    await client.send(
        {"id": 4294967295, "odd": 1, "rpc": {"method": "m", "odd": {"x": []}}, "trace": "t"}
    )
    assert await client.next() == {"id": 4294967295, "rpc": {}}


async def test_null_fields_count_as_absent(connect):
    """A client library that writes null for what it does not set is understood."""
    channel = unique()
    client = await connect(token=None, data=None, subs={"x": None}, name=None, headers=None)
    await client.send(
        {
            "id": 2,
            "connect": None,
            "subscribe": {
                "channel": channel,
                "token": None,
                "recover": None,
                "epoch": None,
                "offset": None,
                "delta": None,
                "flag": None,
            },
        }
    )
    assert "subscribe" in await client.reply(2)
    await client.send({"id": 3, "history": {"channel": channel, "limit": None, "since": None}})
    assert "history" in await client.reply(3)
    since = {"offset": None, "epoch": None}
    await client.send({"id": 4, "history": {"channel": channel, "since": since}})
    assert "history" in await client.reply(4)


async def test_one_of_two_methods_is_executed(connect, rig):
    """Subscribe comes before rpc; the rest of the command is dropped."""
    client = await connect()
    await client.send({"id": 2, "rpc": {"method": "m"}, "subscribe": {"channel": unique()}})
    assert "subscribe" in await client.next()
    assert not rig.callback.calls("rpc")


async def test_binary_frame_with_json_is_accepted(connect):
    """The kind of frame does not matter."""
    client = await connect()
    await client.send(json.dumps({"id": 2, "rpc": {"method": "m"}}).encode())
    assert await client.next() == {"id": 2, "rpc": {}}


async def test_commands_may_share_a_frame(open_socket):
    """Connect, subscribe and publish in one frame, with a line break at its end."""
    channel = unique()
    client = await open_socket()
    await client.send(
        {"id": 1, "connect": {}},
        {"id": 2, "subscribe": {"channel": channel}},
        {"id": 3, "publish": {"channel": channel, "data": 1}},
        "",
    )
    for command_id, kind in ((1, "connect"), (2, "subscribe"), (3, "publish")):
        assert kind in await client.reply(command_id)


async def test_empty_line_ends_the_frame_badly(connect):
    """Commands before it are executed."""
    client = await connect()
    await client.send({"id": 2, "rpc": {"method": "m"}}, "", {"id": 3, "rpc": {"method": "m"}})
    assert await client.next() == {"id": 2, "rpc": {}}
    assert await client.closed() == BAD_REQUEST


async def test_bad_line_ends_the_frame_badly(connect, rig):
    """Commands before it are answered, those after it are not executed."""
    client = await connect()
    await client.send({"id": 2, "rpc": {"method": "m"}}, "{bad", {"id": 3, "rpc": {"method": "m"}})
    assert await client.next() == {"id": 2, "rpc": {}}
    assert await client.closed() == BAD_REQUEST
    assert len(rig.callback.calls("rpc")) == 1


async def test_rest_of_a_line_is_ignored(connect, rig):
    """Of two objects in a line the first is executed; the next line counts again."""
    client = await connect()
    command = '{"id":%d,"rpc":{"method":"m"}}'
    await client.send(f"{command % 2}{command % 3} trailing", command % 4)
    assert await client.next() == {"id": 2, "rpc": {}}
    assert await client.next() == {"id": 4, "rpc": {}}
    assert len(rig.callback.calls("rpc")) == 2


async def test_disconnect_in_a_frame_ends_the_replies(connect, rig):
    """What stands after it is not answered; Centrifugo may have begun the next command."""
    client = await connect()
    rig.callback.scripts["rpc"] = [Answer(), Answer({"disconnect": {"code": 4501, "reason": "x"}})]
    await client.send(*({"id": n, "rpc": {"method": "m"}} for n in (2, 3, 4)))
    assert await client.next() == {"id": 2, "rpc": {}}
    with pytest.raises(Closed) as caught:
        await client.next()
    assert (caught.value.code, caught.value.reason) == (4501, "x")


async def test_commands_run_strictly_one_after_the_other(connect, rig):
    """A slow answer holds back what follows, in the same frame and in the next."""
    client = await connect()
    rig.callback.scripts["rpc"] = [
        Answer(delay_seconds=0.2),
        Answer(delay_seconds=0.1),
        Answer(),
        Answer(),
    ]
    await client.send({"id": 2, "rpc": {"method": "a"}}, {"id": 3, "rpc": {"method": "b"}})
    await client.send({"id": 4, "rpc": {"method": "c"}})
    await client.send({"id": 5, "unsubscribe": {"channel": "x"}})
    assert [(await client.next())["id"] for _ in range(4)] == [2, 3, 4, 5]
    assert [call.json["method"] for call in rig.callback.calls("rpc")] == ["a", "b", "c"]


async def test_message_of_exactly_the_limit_is_accepted(connect):
    """65536 bytes are read; one more closes with 1009 and no reason."""
    client = await connect()
    start, end = '{"id":2,"rpc":{"method":"m","data":"', '"}}'
    filling = "x" * (65536 - len(start) - len(end))
    await client.send(start + filling + end)
    assert await client.next() == {"id": 2, "rpc": {}}
    await client.send(start + filling + "x" + end)
    assert await client.closed() == (1009, "")
