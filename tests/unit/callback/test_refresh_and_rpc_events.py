"""Expiries and calls: the hook decides, and nothing is extended or answered by itself."""

import asyncio

import pytest
from structlog.testing import capture_logs

from realtime_message import (
    App,
    Disconnect,
    RefreshEvent,
    RefreshReply,
    Refuse,
    RpcEvent,
    RpcReply,
    SubRefreshEvent,
    SubRefreshReply,
)
from realtime_message.centrifugo.events import EventKind
from realtime_message.settings import CallbackSettings
from support import proxy_bodies as bodies
from support.proxy_bodies import Caller

EXPIRED = {"result": {"expired": True}}


@pytest.fixture
def app() -> App:
    return App()


@pytest.fixture
def make_caller(app, event_handlers):
    """A function that returns a caller of one event, with the hooks that are there by then."""

    def make(event: EventKind, **settings) -> Caller:
        return Caller(event_handlers(app, CallbackSettings(**settings))[event], event)

    return make


@pytest.mark.parametrize(
    ("event", "body"),
    [(EventKind.refresh, bodies.REFRESH), (EventKind.sub_refresh, bodies.SUB_REFRESH)],
)
async def test_without_a_hook_an_expiry_is_an_end(make_caller, event, body) -> None:
    """Connections and subscriptions end when their time is over."""
    caller = make_caller(event)
    assert await caller.call(body) == EXPIRED
    assert caller.outcomes == {"received": 1, "accepted": 1}


async def test_the_hook_extends_a_connection(make_caller, app) -> None:
    """It gets the user, and says until when, with what info and meta."""

    @app.on_refresh
    async def extend(event: RefreshEvent) -> RefreshReply:
        assert (event.user, event.client) == ("56", "C1")
        return RefreshReply(expire_at=1893456000, info={"n": 1}, meta={"name": "Ann"})

    assert await make_caller(EventKind.refresh).call(bodies.REFRESH) == {
        "result": {"expire_at": 1893456000, "info": {"n": 1}, "meta": {"name": "Ann"}}
    }


async def test_the_hook_extends_a_subscription(make_caller, app) -> None:
    """The hook of the channel's pattern is asked; other channels end."""

    @app.on_sub_refresh("s*")
    def extend(event: SubRefreshEvent) -> SubRefreshReply:
        return SubRefreshReply(expire_at=1893456000)

    caller = make_caller(EventKind.sub_refresh)
    assert await caller.call(bodies.SUB_REFRESH) == {"result": {"expire_at": 1893456000}}
    assert await caller.call(bodies.SUB_REFRESH.replace(b'"s1"', b'"other"')) == EXPIRED


@pytest.mark.parametrize(
    "end",
    [
        lambda: None,
        lambda: RefreshReply(expired=True),
        lambda: (_ for _ in ()).throw(Refuse(1000, "no")),
        lambda: (_ for _ in ()).throw(Disconnect(4500, "no")),
    ],
)
async def test_every_no_to_a_refresh_is_an_end(make_caller, app, end) -> None:
    """Centrifugo obeys no error and no disconnect here."""

    @app.on_refresh
    async def hook(event: RefreshEvent) -> RefreshReply | None:
        return end()

    assert await make_caller(EventKind.refresh).call(bodies.REFRESH) == EXPIRED


async def test_a_broken_refresh_hook_is_a_failure_not_an_end(make_caller, app) -> None:
    """The answer is an error, from which the HTTP side makes a status that ends nothing."""

    @app.on_refresh
    async def hook(event: RefreshEvent) -> RefreshReply:
        raise KeyError("boom")

    caller = make_caller(EventKind.refresh)
    with capture_logs():
        assert (await caller.call(bodies.REFRESH))["error"]["code"] == 500
    assert caller.outcomes == {"received": 1, "failed": 1}


async def test_a_call_is_answered_by_the_hook_of_its_method(make_caller, app) -> None:
    """Data in, data out; a hook for many methods is used where there is none for the one."""

    @app.on_rpc("echo")
    async def echo(event: RpcEvent) -> RpcReply:
        return RpcReply(data={"echo": event.data, "user": event.user})

    @app.on_rpc("admin.*")
    def admin(event: RpcEvent) -> None:
        if event.method == "admin.drop":
            raise Refuse(403, "not you")

    caller = make_caller(EventKind.rpc)
    assert await caller.call(bodies.RPC) == {"result": {"data": {"echo": {"z": 1}, "user": "56"}}}
    assert await caller.call(bodies.RPC.replace(b"echo", b"admin.list")) == {"result": {}}
    assert (await caller.call(bodies.RPC.replace(b"echo", b"admin.drop")))["error"]["code"] == 403


@pytest.mark.parametrize("body", [bodies.RPC, bodies.RPC_EMPTY])
async def test_a_method_that_nobody_answers(make_caller, body) -> None:
    """Also the empty one."""
    error = (await make_caller(EventKind.rpc).call(body))["error"]
    assert error == {"code": 404, "message": "there is no such method"}


@pytest.mark.parametrize("event", [EventKind.refresh, EventKind.sub_refresh, EventKind.rpc])
async def test_a_body_that_is_no_event(make_caller, event) -> None:
    """The reason is told."""
    error = (await make_caller(event).call(b'{"client":"C","user":5}'))["error"]
    assert (error["code"], "$.user" in error["message"]) == (400, True)


async def test_calls_count_against_the_rate_limit(make_caller, app) -> None:
    """As publishes do."""

    @app.on_rpc()
    async def nothing(event: RpcEvent) -> None:
        await asyncio.sleep(0)

    caller = make_caller(EventKind.rpc, user_rate_per_second=0.001, user_burst=2)
    for _ in range(2):
        assert await caller.call(bodies.RPC) == {"result": {}}
    error = (await caller.call(bodies.RPC))["error"]
    assert (error["code"], error["temporary"]) == (429, True)
