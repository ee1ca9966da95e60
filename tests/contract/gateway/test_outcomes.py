"""What each answer of the callback service leads to."""

import pytest

from support.gateway_callback import Answer
from support.gateway_client import Closed, unique

INTERNAL = {"code": 100, "message": "internal server error", "temporary": True}

PERMITTED = [
    {"result": {}},
    {},
    None,
    {"result": None},
    {"detail": "x"},
    {"unknown": 1, "result": {"unknown": 2}},
    {"error": None, "result": {}},
    {"disconnect": None, "result": {}},
]
UNREADABLE = [
    b"",
    b"{not json",
    b"[]",
    b'"x"',
    b"<html></html>",
    b'{"result":{}} garbage',
    b'{"result":"x"}',
    b'{"error":"x"}',
    b'{"error":{"code":"403"}}',
    b'{"result":{"data":{}}',
    b"\xff\xfe",
]
STATUSES = [201, 202, 204, 400, 401, 403, 404, 429, 500, 503]
ERRORS = [
    {"code": 403, "message": "nope"},
    {"code": 1000, "message": "busy", "temporary": True},
    {"code": 5, "message": "x"},
    {"code": 103, "message": "permission denied"},
    {"code": 2500, "message": "x"},
    {},
]

#: By proxy event: the fields of the command that leads to it.
FIELDS = {"publish": {"data": 1}, "rpc": {"method": "m"}, "subscribe": {}}
every_event = pytest.mark.parametrize("event", FIELDS)


async def ask(client, event="publish"):
    """Send the command that leads to the event; its channel is a new one."""
    channel = {} if event == "rpc" else {"channel": unique()}
    return await client.request(event, **channel, **FIELDS[event])


@pytest.fixture
async def client(connect):
    return await connect()


@every_event
@pytest.mark.parametrize("body", PERMITTED)
async def test_absence_of_a_refusal_is_permission(client, rig, event, body):
    """A 200 without error and disconnect permits, `{}` and `null` included."""
    rig.callback.scripts[event] = Answer(body)
    reply = await ask(client, event)
    assert "error" not in reply
    assert event in reply
    if event != "subscribe":
        assert reply[event] == {}


@every_event
@pytest.mark.parametrize("body", UNREADABLE)
async def test_unreadable_answer_is_a_temporary_error(client, rig, event, body):
    """Empty, broken and wrongly typed bodies never permit."""
    rig.callback.scripts[event] = Answer(body)
    assert (await ask(client, event))["error"] == INTERNAL


@every_event
@pytest.mark.parametrize("status", STATUSES)
async def test_other_status_is_a_temporary_error(client, rig, event, status):
    """Only 200 is an answer, whatever stands in the body."""
    rig.callback.scripts[event] = Answer({"result": {}}, status=status)
    assert (await ask(client, event))["error"] == INTERNAL


@every_event
@pytest.mark.parametrize("ending", ["close", "reset", "cut"])
async def test_broken_connection_is_a_temporary_error(client, rig, event, ending):
    """No answer, a reset, and half a body: nothing is tried again."""
    rig.callback.scripts[event] = Answer({"result": {}}, ending=ending)
    assert (await ask(client, event))["error"] == INTERNAL
    assert len(rig.callback.calls(event)) == 1


async def test_refused_connection_is_a_temporary_error(client, rig):
    """Nobody listens; once somebody does, it works again."""
    with rig.callback.refusing_connections():
        assert (await ask(client))["error"] == INTERNAL
    assert "publish" in await ask(client)


@every_event
@pytest.mark.parametrize("error", ERRORS)
async def test_error_is_passed_on_unchanged(client, rig, event, error):
    """Code, message and temporary reach the client as given; ranges are not checked."""
    rig.callback.scripts[event] = Answer({"error": error, "result": {}})
    assert (await ask(client, event))["error"] == error


@every_event
async def test_null_counts_as_absent(client, rig, event):
    """In an error as in a disconnect: models write it for what is not set."""
    error = {"code": 403, "message": None, "temporary": None}
    rig.callback.scripts[event] = Answer({"error": error, "disconnect": None, "result": None})
    assert (await ask(client, event))["error"] == {"code": 403}
    rig.callback.scripts[event] = Answer({"disconnect": {"code": 4501, "reason": None}})
    with pytest.raises(Closed) as caught:
        await ask(client, event)
    assert (caught.value.code, caught.value.reason) == (4501, "")


@every_event
@pytest.mark.parametrize("code", [-1, 4_294_967_296])
async def test_code_that_is_none_is_a_temporary_error(client, rig, event, code):
    """Codes have 32 bits and no sign."""
    for kind in ("error", "disconnect"):
        rig.callback.scripts[event] = Answer({kind: {"code": code}})
        assert (await ask(client, event))["error"] == INTERNAL


@every_event
@pytest.mark.parametrize("code", [4501, 4000, 3005])
async def test_disconnect_closes_the_connection(client, rig, event, code):
    """A disconnect wins over an error and a result; no reply comes before the close."""
    rig.callback.scripts[event] = Answer(
        {
            "disconnect": {"code": code, "reason": "unauthorized"},
            "error": {"code": 403, "message": "x"},
            "result": {},
        }
    )
    with pytest.raises(Closed) as caught:
        await ask(client, event)
    assert (caught.value.code, caught.value.reason) == (code, "unauthorized")


@pytest.mark.parametrize("disconnect", [{}, {"code": 200, "reason": "x"}])
async def test_impossible_close_code_is_sent_as_it_is(client, rig, disconnect):
    """The close frame is invalid then: the client's WebSocket reports a protocol error."""
    rig.callback.scripts["publish"] = Answer({"disconnect": disconnect})
    with pytest.raises(Closed) as caught:
        await ask(client)
    assert caught.value.code == 1006
    assert client.socket.close_code in (1002, 1006)


async def test_reason_that_is_too_long_drops_the_connection(client, rig):
    """A close frame cannot hold 200 bytes, so there is none."""
    rig.callback.scripts["publish"] = Answer({"disconnect": {"code": 4501, "reason": "x" * 200}})
    with pytest.raises(Closed) as caught:
        await ask(client)
    assert caught.value.code == 1006


async def test_see_other_is_asked_again_with_get(client, rig):
    """301 leads to a GET without a body; its answer counts."""
    rig.callback.scripts["publish"] = Answer(status=301, headers={"Location": "/centrifugo/moved"})
    assert "publish" in await ask(client)
    moved = rig.callback.calls("moved")[0]
    assert (moved.method, moved.body) == ("GET", b"")


async def test_temporary_redirect_is_posted_again_until_it_is_too_often(client, rig):
    """307 keeps method and body; a loop ends with an error."""
    rig.callback.scripts["publish"] = Answer(
        status=307, headers={"Location": "/centrifugo/publish"}
    )
    assert (await ask(client))["error"] == INTERNAL
    calls = rig.callback.calls("publish")
    assert len(calls) == 10
    assert {call.method for call in calls} == {"POST"}
    assert len({call.body for call in calls}) == 1


QUICK_WITH_TRANSFORMS = {
    "channel": {
        "proxy": {
            "publish": {
                "timeout": "300ms",
                "http": {
                    "status_to_code_transforms": [
                        {
                            "status_code": 429,
                            "to_error": {"code": 429, "message": "slow down", "temporary": True},
                        },
                        {"status_code": 403, "to_disconnect": {"code": 4503, "reason": "banned"}},
                    ]
                },
            }
        }
    }
}


@pytest.mark.gateway(changes=QUICK_WITH_TRANSFORMS)
async def test_status_may_be_given_a_meaning(client, rig):
    """A configured status becomes an error or a close; the body is not read."""
    rig.callback.scripts["publish"] = [
        Answer(status=429),
        Answer(status=503),
        Answer({"result": {}}, status=403),
    ]
    reply = await ask(client)
    assert reply["error"] == {"code": 429, "message": "slow down", "temporary": True}
    assert (await ask(client))["error"] == INTERNAL
    with pytest.raises(Closed) as caught:
        await ask(client)
    assert (caught.value.code, caught.value.reason) == (4503, "banned")


@pytest.mark.gateway(changes=QUICK_WITH_TRANSFORMS)
async def test_late_answer_is_a_temporary_error(client, rig):
    """An answer within the time-out counts, a later one does not."""
    rig.callback.scripts["publish"] = [Answer(delay_seconds=0.1), Answer(delay_seconds=0.6)]
    assert "publish" in await ask(client)
    assert (await ask(client))["error"] == INTERNAL


async def test_refused_publication_is_not_broadcast(client, connect, rig):
    """After a refusal of any kind, subscribers see only the next one that is permitted."""
    channel = unique()
    subscriber = await connect()
    await subscriber.request("subscribe", channel=channel)
    for answer in (
        Answer({"error": {"code": 403, "message": "x"}}),
        Answer(b""),
        Answer(status=500),
        Answer(ending="close"),
    ):
        rig.callback.scripts["publish"] = answer
        await client.request("publish", channel=channel, data="refused")
    rig.callback.scripts["publish"] = Answer()
    await client.request("publish", channel=channel, data="permitted")
    pub = (await subscriber.push("pub"))["pub"]
    assert (pub["data"], pub["offset"]) == ("permitted", 1)
