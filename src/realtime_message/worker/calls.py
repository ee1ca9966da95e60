"""From a handler's signature to a function that calls it with what it asks for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from realtime_message.app import (
    App,
    BatchRule,
    Handler,
    Parameter,
    Source,
    decoder_of,
    read_parameters,
)
from realtime_message.context import Context
from realtime_message.patterns import PatternTable
from realtime_message.worker.delivery import Delivery
from realtime_message.worker.threads import HandlerThreads

_Take = Callable[[Delivery, Context | None], Any]


@dataclass(slots=True, eq=False)
class BoundHandler:
    """A handler that can be called.

    Attributes:
        handler: as registered.
        call: calls it with one delivery.
        batch: how messages are gathered; None for one by one.
        content: for a batch, what the handler gets of one delivery; may raise Reject.
        call_batch: for a batch, calls it with several deliveries: with what it gets of them.
    """

    handler: Handler
    call: Callable[[Delivery], Awaitable[Any]]
    batch: BatchRule | None
    content: Callable[[Delivery], Any]
    call_batch: Callable[[Sequence[Delivery], Sequence[Any]], Awaitable[Any]]


class Binder:
    """Binds an app's handlers to what they take.

    Args:
        app: the user's handlers.
        resources: what the app's resources opened, by name.
        make_context: makes the Context of a delivery.
        threads: where handlers run that are no coroutines.
    """

    def __init__(
        self,
        app: App,
        resources: Mapping[str, Any],
        make_context: Callable[[Delivery], Context],
        threads: HandlerThreads,
    ) -> None:
        self._app = app
        self._resources = resources
        self._make_context = make_context
        self._threads = threads

    def bind_all(self) -> PatternTable[BoundHandler]:
        """Return the app's handlers, bound, by channel pattern.

        Raises:
            AppError: a handler asks for what nothing fits.
        """
        handlers = self._app.message_handlers.values
        return PatternTable((handler.pattern, self._bind(handler)) for handler in handlers)

    def _bind(self, handler: Handler) -> BoundHandler:
        parameters = read_parameters(handler, self._resources)
        takes = {p.name: self._take(p, handler) for p in parameters}
        if handler.batch is None:
            call = self._single(handler, parameters, takes)
            return BoundHandler(handler, call, None, _nothing, _nothing)
        content, *rest = parameters
        given = {p.name: self._resources[p.name] for p in rest}
        function = self._awaitable(handler)

        async def call_batch(_: Sequence[Delivery], contents: Sequence[Any]) -> None:
            await function(list(contents), **given)

        take = takes[content.name]
        return BoundHandler(
            handler,
            _nothing,
            handler.batch,
            lambda delivery: take(delivery, None),
            call_batch,
        )

    def _single(
        self, handler: Handler, parameters: Sequence[Parameter], takes: Mapping[str, _Take]
    ) -> Callable[[Delivery], Awaitable[Any]]:
        function = handler.function
        is_plain = [(p.source, p.is_positional) for p in parameters] == [(Source.message, True)]
        if is_plain and handler.is_async and not self._app.middlewares:
            # What most handlers are, on the path of every message: nothing in between.
            return lambda delivery: function(delivery.message)
        run = self._awaitable(handler)
        positional = [takes[p.name] for p in parameters if p.is_positional]
        named = {p.name: takes[p.name] for p in parameters if not p.is_positional}
        wants_context = any(p.source is Source.context for p in parameters)

        async def call(delivery: Delivery, context: Context | None = None) -> None:
            if wants_context and context is None:
                context = self._make_context(delivery)
            await run(
                *[take(delivery, context) for take in positional],
                **{name: take(delivery, context) for name, take in named.items()},
            )

        return self._wrapped(call) if self._app.middlewares else call

    def _wrapped(
        self, call: Callable[[Delivery, Context | None], Awaitable[None]]
    ) -> Callable[[Delivery], Awaitable[None]]:
        """Run the middlewares around a call, the first one outermost."""
        inwards = list(reversed(self._app.middlewares))

        async def call_through(delivery: Delivery) -> None:
            context = self._make_context(delivery)
            step: Callable[[], Awaitable[Any]] = partial(call, delivery, context)
            for middleware in inwards:
                step = partial(middleware, delivery.message, context, step)
            await step()

        return call_through

    def _awaitable(self, handler: Handler) -> Callable[..., Awaitable[Any]]:
        if handler.is_async:
            return handler.function
        return lambda *given, **named: self._threads.run(partial(handler.function, *given, **named))

    def _take(self, parameter: Parameter, handler: Handler) -> _Take:
        """Return how a parameter's value is taken from a delivery."""
        if parameter.source is Source.message:
            return lambda delivery, _context: delivery.message
        if parameter.source is Source.context:
            return lambda _delivery, context: context
        if parameter.source is Source.resource:
            value = self._resources[parameter.name]
            return lambda _delivery, _context: value
        decode = decoder_of(parameter.type, f"the handler {handler.name}")
        return lambda delivery, _context: decode(delivery.message.raw)


def _nothing(*_: Any) -> Any:
    raise AssertionError("a handler takes messages one by one or in batches")
