"""What users declare, and what a wrong declaration is answered with."""

import dataclasses
from collections.abc import AsyncIterator, Iterator
from typing import Any, TypedDict

import msgspec
import pytest

from realtime_message import App, Context, Message, PublishEvent
from realtime_message.app import (
    Parameter,
    Source,
    check_handlers,
    decoder_of,
    in_opening_order,
    read_parameters,
    takes_context,
)
from realtime_message.errors import AppError, Reject


class Order(msgspec.Struct):
    """A payload."""

    item: str
    count: int = 1


@dataclasses.dataclass
class Plain:
    """A payload of the standard library."""

    item: str


class Named(TypedDict):
    """A payload as a typed dict."""

    item: str


def parameters_of(function: Any, *resources: str, batch: bool = False) -> list[Parameter]:
    app = App()
    (app.on_batch() if batch else app.on_message())(function)
    (handler,) = app.message_handlers.values
    return list(read_parameters(handler, resources))


def shape(function: Any, *resources: str, batch: bool = False) -> dict[str, str]:
    return {p.name: p.source.value for p in parameters_of(function, *resources, batch=batch)}


def test_parameters_are_found_by_annotation_in_any_order() -> None:
    """Message, Context, a payload and resources."""

    async def one(context: Context, pool: object, order: Order, message: Message) -> None: ...

    assert shape(one, "pool") == {
        "context": "context",
        "pool": "resource",
        "order": "payload",
        "message": "message",
    }


def test_without_annotations_the_first_is_the_message_and_the_second_the_context() -> None:
    """The short forms."""
    assert shape(lambda message: None) == {"message": "message"}
    assert shape(lambda m, context: None) == {"m": "message", "context": "context"}
    assert shape(lambda m, ctx: None) == {"m": "message", "ctx": "context"}
    assert shape(lambda m, _: None) == {"m": "message", "_": "context"}
    assert shape(lambda m, pool: None, "pool") == {"m": "message", "pool": "resource"}


def test_payload_alone_is_enough() -> None:
    """Who does not need the message does not take it."""

    def handle(order: Order) -> None: ...

    (parameter,) = parameters_of(handle)
    assert (parameter.source, parameter.type) == (Source.payload, Order)


def test_parameter_with_a_default_that_nothing_fits_keeps_it() -> None:
    """It is the handler's own; what follows it is passed by name."""

    def handle(
        message: Message, limit: int = 3, *, context: Context, pool: object = None
    ) -> None: ...

    found = parameters_of(handle, "pool")
    assert [(p.name, p.is_positional) for p in found] == [
        ("message", True),
        ("context", False),
        ("pool", False),
    ]


def test_batch_takes_a_list() -> None:
    """Of messages, or of payloads."""

    def messages(batch: list[Message], pool: object) -> None: ...
    def orders(batch: list[Order]) -> None: ...
    def anything(batch) -> None: ...

    assert shape(messages, "pool", batch=True) == {"batch": "message", "pool": "resource"}
    (parameter,) = parameters_of(orders, batch=True)
    assert (parameter.source, parameter.type) == (Source.payload, Order)
    assert shape(anything, batch=True) == {"batch": "message"}


def _unfit_second(message: Message, other: Any) -> None: ...
def _two_payloads(order: Order, basket: Plain) -> None: ...
def _only_context(context: Context) -> None: ...
def _unknown(order: "Missing") -> None: ...  # noqa: F821 - that is the case
def _event(event: PublishEvent) -> None: ...
def _batch_of_one(batch: Message) -> None: ...
def _batch_context(batch: list[Message], context: Context) -> None: ...


@pytest.mark.parametrize(
    ("function", "batch", "said"),
    [
        (_two_payloads, False, 'nothing fits the parameter "basket: test_app.Plain"'),
        (_only_context, False, "the function must take the message or its payload"),
        (_unknown, False, "an annotation names 'Missing'"),
        (_event, False, 'nothing fits the parameter "event: '),
        (_batch_of_one, True, "first a list of Message"),
        (_batch_context, True, 'nothing fits the parameter "context'),
        (lambda a, _, c: None, False, 'nothing fits the parameter "c"'),
        (lambda m, db: None, False, 'the parameter "db"; a handler takes'),
        (lambda m, db: None, False, "annotate it (`db: Context`) or register an `@app.resource`"),
        (lambda m, db: None, True, "; register an `@app.resource` of this name"),
    ],
)
def test_what_cannot_be_called_is_refused_by_name(function: Any, batch: bool, said: str) -> None:
    """With the handler, the parameter, and what there is."""
    with pytest.raises(AppError) as refused:
        parameters_of(function, "pool", batch=batch)
    assert said.split("test_app.", maxsplit=1)[0] in str(refused.value)


@pytest.mark.parametrize(
    ("declare", "said"),
    [
        (lambda app: app.on_message()(lambda: None), "must take at least the message"),
        (lambda app: app.on_message()(Order), "it must be a function"),
        (lambda app: app.on_message("")(lambda m: None), "cannot be empty"),
        (lambda app: app.on_message(len), "wants a channel pattern"),
        (lambda app: app.on_subscribe()(lambda: None), "must take the event"),
        (lambda app: app.on_batch(max_messages=0), "max_messages must be 1 to"),
        (lambda app: app.on_batch(max_wait_seconds=-1), "not negative"),
        (lambda app: app.on_connect("x"), "takes no pattern; write it without parentheses"),
        (lambda app: app.on_refresh("x"), "@app.on_refresh takes no pattern"),
        (lambda app: app.middleware(lambda m, c, n: None), "async def .message, context"),
    ],
)
def test_wrong_declaration_is_refused_at_once(declare: Any, said: str) -> None:
    """Where it stands in the user's module."""
    with pytest.raises(AppError, match=said):
        declare(App())


def test_generator_is_no_handler() -> None:
    """It would be called and never run."""

    async def handle(message: Message) -> AsyncIterator[int]:
        yield 1

    with pytest.raises(AppError, match="must not yield"):
        App().on_message()(handle)


def test_pattern_is_taken_once() -> None:
    """Two handlers for one pattern are a mistake, also when one takes batches."""
    app = App()
    app.on_message("chat:*")(lambda m: None)
    with pytest.raises(AppError, match='"chat:\\*" is there twice'):
        app.on_batch("chat:*")(lambda m: None)


def test_app_without_handlers_is_refused() -> None:
    """A worker would have nothing to do."""
    with pytest.raises(AppError, match="no handler"):
        check_handlers(App())


def test_app_with_hooks_alone_is_told_where_they_run() -> None:
    """A worker runs none of them."""
    app = App()
    app.name = "guards:app"
    app.on_connect(lambda event: None)
    with pytest.raises(AppError, match="hooks but no handler; hooks run in `rtm callback guards:"):
        check_handlers(app)


@pytest.mark.parametrize(
    ("declare", "expected"),
    [
        (lambda app: app.on_message()(lambda m, context: None), True),
        (lambda app: app.on_message()(lambda m: None), False),
        (lambda app: app.on_batch()(lambda batch: None), False),
    ],
)
def test_context_is_seen_that_a_handler_takes(declare: Any, expected: bool) -> None:
    """Only such a handler can publish."""
    app = App()
    declare(app)
    assert takes_context(app) is expected


def test_context_is_seen_that_a_middleware_takes() -> None:
    """It may publish as well."""
    app = App()
    app.on_message()(lambda m: None)

    @app.middleware
    async def around(message: Message, context: Context, call_next: Any) -> None: ...

    assert takes_context(app)


@pytest.mark.parametrize("decorator", ["on_connect", "on_refresh"])
def test_hook_without_a_pattern_is_written_with_or_without_parentheses(decorator: str) -> None:
    """Other decorators need them."""
    bare, called = App(), App()
    hook = lambda event: None  # noqa: E731 - one function for both
    assert getattr(bare, decorator)(hook) is hook
    assert getattr(called, decorator)()(hook) is hook
    assert [name for name, _ in bare.hooks()] == [name for name, _ in called.hooks()] == [decorator]


def test_second_connect_hook_is_refused() -> None:
    """Only one can answer."""
    app = App()
    app.on_connect(lambda event: None)
    with pytest.raises(AppError, match="has an on_connect hook already"):
        app.on_connect(lambda event: None)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Order, Order("book", 2)),
        (Plain, Plain("book")),
        (Named, {"item": "book"}),
        (dict, {"item": "book", "count": 2}),
        (dict[str, Any], {"item": "book", "count": 2}),
    ],
)
def test_payload_becomes_what_the_handler_asks_for(wanted: Any, expected: object) -> None:
    """msgspec Struct, dataclass, TypedDict, dict."""
    assert decoder_of(wanted, "h")('{"item": "book", "count": 2}') == expected


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (Order, r"does not fit Order: Expected `int`, got `str` - at `\$.count`"),
        (list, "does not fit list"),
    ],
)
def test_payload_that_does_not_fit_is_rejected_without_its_values(wanted: Any, said: str) -> None:
    """The reason names the place and not what stood there, which is the user's."""
    with pytest.raises(Reject, match=said) as rejected:
        decoder_of(wanted, "h")('{"item": "secret", "count": "secret"}')
    assert "secret" not in str(rejected.value)


def test_type_that_json_cannot_become_is_refused_at_the_start() -> None:
    """Not at the first message."""

    def handle(message: Message, other: complex | set[object] | range) -> None: ...

    app = App()
    app.on_message()(handle)
    with pytest.raises(AppError, match="cannot be decoded"):
        check_handlers(app)


class Pool:
    """Something that is no payload."""


class Holder(msgspec.Struct):
    """A payload with something in it that is none."""

    pools: list[Pool]
    next: "Holder | None" = None


@pytest.mark.parametrize(
    ("wanted", "named"),
    [(Pool, "Pool"), (Holder, "Pool"), (object, "object"), (dict[str, Pool], "Pool")],
)
def test_class_that_is_no_payload_is_taken_for_a_forgotten_resource(
    wanted: Any, named: str
) -> None:
    """A mistyped resource must not turn every message into a dead letter."""
    with pytest.raises(AppError, match=f"decoded as {named}; if that is a resource, declare"):
        decoder_of(wanted, "h")


def test_resources_are_opened_after_those_that_they_take() -> None:
    """Whatever the order of declaration."""
    app = App()

    @app.resource
    def repository(pool: object, clock: object) -> object:
        return (pool, clock)

    @app.resource
    def pool(settings: object, size: int = 3) -> Iterator[object]:
        yield (settings, size)

    app.resource(settings_resource)
    app.resource(clock)
    order = [resource.name for resource, _ in in_opening_order(app.resources)]
    assert order.index("settings") < order.index("pool") < order.index("repository")
    assert order.index("clock") < order.index("repository")


def settings_resource() -> object:
    return {}


settings_resource.__name__ = "settings"


def clock() -> object:
    return 0


def test_resources_in_a_circle_are_refused() -> None:
    """None of them could be opened first."""
    app = App()

    @app.resource
    def one(two: object) -> object:
        return two

    @app.resource
    def two(one: object) -> object:
        return one

    with pytest.raises(AppError, match="these take it in turn"):
        in_opening_order(app.resources)


def test_resource_that_takes_what_there_is_not_is_refused() -> None:
    """By the name of the parameter."""
    app = App()
    app.resource(lambda: None)

    @app.resource
    def pool(url: str) -> object:
        return url

    with pytest.raises(AppError, match='"url" is the name of no resource'):
        in_opening_order(app.resources)


def test_resource_name_is_taken_once() -> None:
    """Handlers ask by name."""
    app = App()
    app.resource(clock)
    with pytest.raises(AppError, match='there is a "clock" already'):
        app.resource(clock)
