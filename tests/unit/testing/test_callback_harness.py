"""Hooks under test: the real rules decide, and what is let through reaches the worker."""

from __future__ import annotations

from realtime_message import (
    App,
    ConnectEvent,
    ConnectReply,
    Disconnect,
    Message,
    PublishEvent,
    PublishReply,
    Refuse,
    RpcEvent,
    RpcReply,
)
from realtime_message.errors import StreamsUnavailableError
from realtime_message.settings import CallbackSettings, ChannelRule
from realtime_message.testing import WorkerHarness


def make_app() -> tuple[App, list[str]]:
    """An app with hooks and a handler, and the texts that the handler saw."""
    app, seen = App(), []

    @app.on_message()
    async def handle(message: Message) -> None:
        seen.append(message.text)

    @app.on_publish("chat:*")
    async def check(event: PublishEvent, banned: set[str]) -> PublishReply | None:
        if event.user in banned:
            raise Refuse(403, "banned")
        if event.data["text"] == "bye":
            raise Disconnect(4500, "bye")
        if event.data["text"] == "loud":
            return PublishReply(data={"text": "LOUD"})
        return None

    @app.on_rpc("double")
    def double(event: RpcEvent) -> RpcReply:
        return RpcReply(data={"n": event.data["n"] * 2})

    @app.resource
    def banned() -> set[str]:
        return {"eve"}

    return app, seen


async def test_accepted_publication_reaches_the_handler() -> None:
    """Through rules and hook, with what the hook made of it."""
    app, seen = make_app()
    async with WorkerHarness(app) as harness:
        answer = await harness.callback.publish("chat:1", {"text": "loud"}, meta={"name": "Ann"})
        assert answer.is_accepted
        assert answer.result["data"]["text"] == "LOUD"
        await harness.run_until_idle()
        assert harness.handled[0].user_name == "Ann"
    assert seen == ["LOUD"]


async def test_refused_publication_is_not_stored() -> None:
    """By the hook, with its error, or with a disconnect; by a rule, with ours."""
    app, seen = make_app()
    rules = CallbackSettings(channels=[ChannelRule(pattern="closed", publish="nobody")])
    async with WorkerHarness(app, callback=rules) as harness:
        publish = harness.callback.publish
        refused = await publish("chat:1", {"text": "x"}, user="eve")
        assert (refused.error.code, refused.error.message) == (403, "banned")
        assert (await publish("chat:1", {"text": "bye"})).disconnect.code == 4500
        assert not (await publish("closed", {"text": "x"})).is_accepted
        await harness.run_until_idle()
    assert seen == []


async def test_replaced_resources_reach_hooks_too() -> None:
    """What a test gives stands in for the app's own."""
    app, seen = make_app()
    async with WorkerHarness(app, resources={"banned": {"bob"}}) as harness:
        assert (await harness.callback.publish("chat:1", {"text": "1"}, user="eve")).is_accepted
        refused = await harness.callback.publish("chat:1", {"text": "2"}, user="bob")
        assert not refused.is_accepted
        await harness.run_until_idle()
    assert seen == ["1"]


async def test_resent_message_is_stored_once() -> None:
    """With an id of the client's, as in production."""
    app, seen = make_app()
    async with WorkerHarness(app) as harness:
        first = await harness.callback.publish("chat:1", {"text": "1", "id": "a"})
        again = await harness.callback.publish("chat:1", {"text": "1", "id": "a"})
        assert first == again
        await harness.run_until_idle()
    assert seen == ["1"]


async def test_failing_streams_are_a_temporary_error() -> None:
    """Never a permission."""
    app, _ = make_app()
    async with WorkerHarness(app) as harness:
        harness.streams.attached.failure = StreamsUnavailableError("away")
        answer = await harness.callback.publish("chat:1", {"text": "1"})
        assert answer.error.temporary


async def test_other_events_are_answered() -> None:
    """Connect by token or hook, rpc, subscribe, refreshes."""
    app, _ = make_app()
    async with WorkerHarness(app) as harness:
        callback = harness.callback
        assert (await callback.connect(user="ann")).result["user"] == "ann"
        assert not (await callback.connect({"token": "made up"})).is_accepted
        assert (await callback.rpc("double", {"n": 4})).result["data"] == {"n": 8}
        assert not (await callback.rpc("unknown")).is_accepted
        assert (await callback.subscribe("chat:1")).is_accepted
        assert not (await callback.subscribe("user:2", user="1")).is_accepted
        assert (await callback.refresh()).is_accepted
        assert (await callback.sub_refresh("chat:1")).is_accepted


async def test_connect_hook_decides() -> None:
    """With the headers that the gateway passes on."""
    app, _ = make_app()

    @app.on_connect
    async def let_in(event: ConnectEvent) -> ConnectReply:
        return ConnectReply(user=event.data["name"])

    async with WorkerHarness(app) as harness:
        assert (await harness.callback.connect({"name": "bob"})).result["user"] == "bob"
