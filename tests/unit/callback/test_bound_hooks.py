"""Hooks get the event, and what else they ask for."""

import msgspec
import pytest

from realtime_message import (
    App,
    Message,
    PublishEvent,
    PublishReply,
    RefreshEvent,
    SubscribeEvent,
)
from realtime_message.callback.bound_hooks import bind_hooks, check_hooks, resources_of_hooks
from realtime_message.centrifugo.events import EventKind, UserEvent
from realtime_message.errors import AppError
from realtime_message.testing.memory.appender import MemoryAppender
from support.proxy_bodies import Caller, publish_body


class Order(msgspec.Struct):
    """A payload of an application."""

    text: str
    amount: int


@pytest.fixture
def app() -> App:
    return App()


def caller(event_handlers, app: App, appender=None, **resources) -> Caller:
    handlers = event_handlers(app, appender=appender, resources=resources)
    return Caller(handlers[EventKind.publish], EventKind.publish)


@pytest.mark.parametrize("is_async", [True, False])
async def test_resources_and_a_typed_payload(event_handlers, app, is_async) -> None:
    """By name and by annotation, whatever their order."""
    seen = []

    @app.resource
    def pool():
        return None

    def look(event: PublishEvent, pool, order: Order) -> None:
        seen.append((event.channel, pool, order))

    async def look_async(event: PublishEvent, order: Order, *, pool) -> None:
        look(event, pool, order)

    app.on_publish()(look_async if is_async else look)
    reply = await caller(event_handlers, app, pool="P").call(
        publish_body({"text": "x", "amount": 3})
    )
    assert "result" in reply
    assert seen == [("chat:index", "P", Order("x", 3))]


async def test_a_payload_that_does_not_fit_is_the_clients_mistake(event_handlers, app) -> None:
    """It hears what is wrong; the hook is not called, nothing is stored."""

    @app.on_publish()
    async def take(event: PublishEvent, order: Order) -> None:
        raise AssertionError("called")

    appender = MemoryAppender()
    error = (await caller(event_handlers, app, appender).call(publish_body({"text": "x"})))["error"]
    assert error["code"] == 400
    assert "amount" in error["message"]
    assert "temporary" not in error
    assert appender.entries == []


async def test_parameters_with_defaults_are_left_alone(event_handlers, app) -> None:
    """They are the function's own affair."""

    @app.on_publish()
    async def look(event: PublishEvent, limit: int = 5) -> PublishReply:
        return PublishReply(data={"text": str(limit)})

    reply = await caller(event_handlers, app).call(publish_body())
    assert reply["result"]["data"]["text"] == "5"


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        ("event, poool", 'nothing fits the parameter "poool"'),
        ("event, one: Order, other: Order", 'nothing fits the parameter "other"'),
        ("event, pool, /", 'the parameter "pool" cannot be given by its name'),
        ("event, order: Missing", "an annotation names 'Missing'"),
    ],
)
def test_what_nothing_fits_is_told_before_the_start(app, parameters, text) -> None:
    """With the hook's name, the parameter, and what there is."""

    @app.resource
    def pool():
        return None

    scope = {"Order": Order}
    future = "from __future__ import annotations"
    exec(f"{future}\ndef hook({parameters}): pass", scope)
    app.on_publish()(scope["hook"])
    with pytest.raises(AppError, match=text) as caught:
        check_hooks(app)
    assert "@app.on_publish on" in str(caught.value)


@pytest.mark.parametrize(
    "decorator",
    ["on_connect", "on_refresh", "on_subscribe", "on_sub_refresh", "on_publish", "on_rpc"],
)
def test_every_hook_takes_at_least_the_event(app, decorator) -> None:
    """A function without parameters can never be called."""

    def nothing() -> None:
        """Take nothing."""

    register = getattr(app, decorator)
    if decorator not in ("on_connect", "on_refresh"):
        register = register()
    with pytest.raises(AppError, match="the function must take the event"):
        register(nothing)


@pytest.mark.parametrize("decorator", ["on_connect", "on_refresh"])
def test_there_is_one_hook_of_its_kind(app, decorator) -> None:
    """A second one is refused, and both are named."""

    def first(event) -> None:
        """Take the event."""

    def second(event) -> None:
        """Take the event."""

    getattr(app, decorator)(first)
    with pytest.raises(AppError, match=f"has an {decorator} hook already"):
        getattr(app, decorator)(second)


def test_only_resources_of_hooks_are_needed(app) -> None:
    """What handlers alone take is not opened where only hooks are called."""

    @app.resource
    def pool():
        return None

    @app.resource
    def cache():
        return None

    @app.on_message()
    async def handle(message, cache) -> None:
        """Take a message."""

    @app.on_publish()
    async def hook(event, pool) -> None:
        """Take an event."""

    assert resources_of_hooks(app) == {"pool"}
    assert bind_hooks(app, {"pool": 1}).publish.find("x") is not None


@pytest.mark.parametrize(
    ("decorator", "annotation"),
    [
        ("on_publish", SubscribeEvent),
        ("on_publish", Message),
        ("on_connect", PublishEvent),
        ("on_rpc", RefreshEvent),
    ],
)
def test_hook_for_another_event_is_refused(app, decorator, annotation) -> None:
    """It would get an event without the fields that it asks for."""

    def hook(event) -> None:
        """Take the event."""

    hook.__annotations__["event"] = annotation
    register = getattr(app, decorator)
    (register if decorator == "on_connect" else register())(hook)
    with pytest.raises(AppError, match=f"not a {annotation.__name__}: annotate the event"):
        check_hooks(app)


@pytest.mark.parametrize("annotation", [PublishEvent, UserEvent, object, "PublishEvent | None"])
def test_hook_may_say_less_of_its_event(app, annotation) -> None:
    """A class that the event belongs to, or none of ours."""

    def hook(event) -> None:
        """Take the event."""

    hook.__annotations__["event"] = annotation
    app.on_publish()(hook)
    check_hooks(app)
