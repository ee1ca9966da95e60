"""Whether a client may subscribe."""

import pytest

from realtime_message import App, Override, Refuse, SubscribeEvent, SubscribeReply
from realtime_message.centrifugo.events import EventKind
from support import proxy_bodies as bodies
from support.proxy_bodies import Caller


@pytest.fixture
def app() -> App:
    return App()


@pytest.fixture
def caller(app, event_handlers) -> Caller:
    """A caller of the event handler under default settings; hooks may be added before its use."""
    return Caller(
        lambda: event_handlers(app)[EventKind.subscribe],
        EventKind.subscribe,
    )


def body(**fields: str) -> bytes:
    return bodies.publish_body(b"{}", **fields)


@pytest.mark.parametrize(
    "request_body", [bodies.SUBSCRIBE, bodies.SUBSCRIBE_META, bodies.SUBSCRIBE_BINARY]
)
async def test_bodies_as_centrifugo_sends_them(caller, request_body) -> None:
    """A user may subscribe to an open channel."""
    assert await caller.call(request_body) == {"result": {}}
    assert caller.outcomes == {"received": 1, "accepted": 1}


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"channel": "user:57"}, 403),
        ({"user": ""}, 403),
        ({"channel": "$private"}, 403),
        ({"channel": "dm#57"}, 403),
        ({"channel": "x" * 300}, 414),
        ({"channel": "a\rb"}, 414),
    ],
)
async def test_what_is_refused(caller, fields, code) -> None:
    """Rules and names are checked before the hook."""
    error = (await caller.call(body(**fields)))["error"]
    assert error["code"] == code
    assert "temporary" not in error
    assert caller.outcomes == {"received": 1, "rejected": 1}


async def test_a_body_that_is_no_event(caller) -> None:
    """It is refused with the reason."""
    error = (await caller.call(b'{"client":"C","user":5}'))["error"]
    assert error == {
        "code": 400,
        "message": "the body is no SubscribeEvent: Expected `str`, got `int` - at `$.user`",
    }


async def test_the_hook_decides(caller, app) -> None:
    """It adds to the permission, or refuses; other channels are not its affair."""

    @app.on_subscribe("chat:*")
    async def hook(event: SubscribeEvent) -> SubscribeReply:
        if event.channel == "chat:closed":
            raise Refuse(1002, "closed", temporary=True)
        return SubscribeReply(data={"hello": 1}, override=Override(presence=False), expire_at=7)

    assert await caller.call(body(channel="chat:index")) == {
        "result": {"data": {"hello": 1}, "override": {"presence": {"value": False}}, "expire_at": 7}
    }
    assert await caller.call(body(channel="chat:closed")) == {
        "error": {"code": 1002, "message": "closed", "temporary": True}
    }
    assert await caller.call(body(channel="other")) == {"result": {}}
    assert (await caller.call(body(channel="user:1")))["error"]["code"] == 403
