"""App: a user's handlers and hooks, and how a channel pattern finds them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any, TypeVar, overload

from realtime_message.app.handler import BatchRule, Handler, make_handler, name_of
from realtime_message.app.resource import Resource
from realtime_message.errors import AppError
from realtime_message.patterns import PatternTable

F = TypeVar("F", bound=Callable[..., Any])

_MAX_BATCH = 10_000


class App:
    """A user's handlers and hooks.

    A worker runs the handlers (`on_message`, `on_batch`), the callback service the hooks
    (`on_connect`, `on_refresh`, `on_subscribe`, `on_sub_refresh`, `on_publish`, `on_rpc`). Of
    several patterns the most specific one that matches is used: one without `*`, then the one with
    more literal characters.

    A hook takes the event first, and then what it asks for: resources by their names, and the
    client's data as a type of its own. It returns a reply, or None, or raises `Refuse` or
    `Disconnect`.

    Attributes:
        name: `module:attribute`, by which a command found it; empty in a script.
    """

    def __init__(self) -> None:
        self.name = ""
        self.message_handlers: PatternTable[Handler] = PatternTable()
        self.subscribe_hooks: PatternTable[Handler] = PatternTable()
        self.sub_refresh_hooks: PatternTable[Handler] = PatternTable()
        self.publish_hooks: PatternTable[Handler] = PatternTable()
        self.rpc_hooks: PatternTable[Handler] = PatternTable()
        self.connect_hook: Handler | None = None
        self.refresh_hook: Handler | None = None
        self.resources: dict[str, Resource] = {}
        self.middlewares: list[Callable[..., Any]] = []

    def on_message(self, pattern: str = "*") -> Callable[[F], F]:
        """Register a handler that takes one message at a time.

        What it gets is found by annotation and name: `message: Message`, `context: Context`, the
        client's data as a type of your own (a msgspec Struct, a pydantic model, a dataclass, dict),
        and resources by their names. Functions that are no coroutines run in threads.

        Raises:
            AppError: the pattern is taken, or the function takes nothing.
        """
        return self._registrar(self.message_handlers, "on_message", pattern)

    def on_batch(
        self, pattern: str = "*", *, max_messages: int = 200, max_wait_seconds: float = 0.05
    ) -> Callable[[F], F]:
        """Register a handler that takes several messages at once: `(messages: list[Message])`.

        The messages of one partition, those of a channel in order. When it raises, halves of the
        batch are tried until the failing message is alone; the others of its channel wait for it.

        Args:
            pattern: the channel pattern.
            max_messages: the largest batch.
            max_wait_seconds: how long the first message waits for more.

        Raises:
            AppError: the pattern is taken, the function takes nothing, or a limit makes no sense.
        """
        if not 1 <= max_messages <= _MAX_BATCH or max_wait_seconds < 0:
            raise AppError(
                f"@app.on_batch: max_messages must be 1 to {_MAX_BATCH} and max_wait_seconds not "
                f"negative, not {max_messages} and {max_wait_seconds}"
            )
        rule = BatchRule(max_messages, max_wait_seconds)
        return self._registrar(self.message_handlers, "on_batch", pattern, rule)

    def resource(self, function: F) -> F:
        """Register what handlers take by the function's name, opened at the worker's start.

        A generator yields it and closes it after the drain; a plain function returns it.

        Raises:
            AppError: the name is taken.
        """
        name = function.__name__
        if name in self.resources:
            raise AppError(f'@app.resource on {name_of(function)}: there is a "{name}" already')
        self.resources[name] = Resource(name, function)
        return function

    def middleware(self, function: F) -> F:
        """Register `async def (message, context, call_next)`, run around every on_message handler.

        It calls `await call_next()` once, or not at all. The first one registered is the outermost.

        Raises:
            AppError: it is no coroutine function of three parameters.
        """
        if not inspect.iscoroutinefunction(function) or _count_parameters(function) != 3:  # noqa: PLR2004
            raise AppError(
                f"@app.middleware on {name_of(function)}: it must be "
                "`async def (message, context, call_next)`"
            )
        self.middlewares.append(function)
        return function

    def hooks(self) -> Iterator[tuple[str, Handler]]:
        """Yield every hook with the name of its decorator, such as `on_publish`."""
        for decorator, hook in (
            ("on_connect", self.connect_hook),
            ("on_refresh", self.refresh_hook),
        ):
            if hook is not None:
                yield decorator, hook
        for decorator, table in (
            ("on_subscribe", self.subscribe_hooks),
            ("on_sub_refresh", self.sub_refresh_hooks),
            ("on_publish", self.publish_hooks),
            ("on_rpc", self.rpc_hooks),
        ):
            for hook in table.values:
                yield decorator, hook

    @overload
    def on_connect(self, function: F) -> F: ...

    @overload
    def on_connect(self) -> Callable[[F], F]: ...

    def on_connect(self, function: F | None = None) -> F | Callable[[F], F]:
        """Register the hook `(event: ConnectEvent, …) -> ConnectReply | None`.

        None leaves the decision to the token in the client's data, or to the anonymous setting.
        Written with or without parentheses.

        Raises:
            AppError: there is one already, or the function takes nothing.
        """
        if function is None:
            return self.on_connect
        self.connect_hook = self._single(self.connect_hook, function, "on_connect")
        return function

    @overload
    def on_refresh(self, function: F) -> F: ...

    @overload
    def on_refresh(self) -> Callable[[F], F]: ...

    def on_refresh(self, function: F | None = None) -> F | Callable[[F], F]:
        """Register the hook `(event: RefreshEvent, …) -> RefreshReply | None`; None ends it.

        Written with or without parentheses.

        Raises:
            AppError: there is one already, or the function takes nothing.
        """
        if function is None:
            return self.on_refresh
        self.refresh_hook = self._single(self.refresh_hook, function, "on_refresh")
        return function

    def on_subscribe(self, pattern: str = "*") -> Callable[[F], F]:
        """Register a hook `(event: SubscribeEvent, …) -> SubscribeReply | None`; None permits.

        Raises:
            AppError: the pattern is taken, or the function takes nothing.
        """
        return self._registrar(self.subscribe_hooks, "on_subscribe", pattern)

    def on_sub_refresh(self, pattern: str = "*") -> Callable[[F], F]:
        """Register a hook `(event: SubRefreshEvent, …) -> SubRefreshReply | None`; None ends it.

        Raises:
            AppError: the pattern is taken, or the function takes nothing.
        """
        return self._registrar(self.sub_refresh_hooks, "on_sub_refresh", pattern)

    def on_publish(self, pattern: str = "*") -> Callable[[F], F]:
        """Register a hook `(event: PublishEvent, …) -> PublishReply | None`; None permits.

        Raises:
            AppError: the pattern is taken, or the function takes nothing.
        """
        return self._registrar(self.publish_hooks, "on_publish", pattern)

    def on_rpc(self, method: str = "*") -> Callable[[F], F]:
        """Register a hook `(event: RpcEvent, …) -> RpcReply | None` for methods of a pattern.

        Raises:
            AppError: the pattern is taken, or the function takes nothing.
        """
        return self._registrar(self.rpc_hooks, "on_rpc", method)

    def _single(
        self, registered: Handler | None, function: Callable[..., Any], decorator: str
    ) -> Handler:
        if isinstance(function, str):
            raise AppError(
                f"@app.{decorator} takes no pattern; write it without parentheses: @app.{decorator}"
            )
        if registered is not None:
            raise AppError(
                f"{name_of(function)}: the app has an {decorator} hook already, "
                f"{registered.name}; keep one of them"
            )
        _check_shape(function, decorator)
        return make_handler(function)

    def _registrar(
        self,
        table: PatternTable[Handler],
        decorator: str,
        pattern: str,
        batch: BatchRule | None = None,
    ) -> Callable[[F], F]:
        if not isinstance(pattern, str):
            kind = "method" if decorator == "on_rpc" else "channel"
            raise AppError(f'@app.{decorator} wants a {kind} pattern: @app.{decorator}("chat:*")')

        def register(function: F) -> F:
            _check_shape(function, decorator)
            try:
                table.add(pattern, make_handler(function, pattern, batch))
            except ValueError as error:
                raise AppError(f"@app.{decorator} on {name_of(function)}: {error}") from None
            return function

        return register


def _check_shape(function: Callable[..., Any], decorator: str) -> None:
    """Refuse at once what can never be called; types are looked at when a process starts.

    Raises:
        AppError: it is no function, takes nothing, or yields.
    """
    wanted = "at least the message" if decorator in ("on_message", "on_batch") else "the event"
    if not callable(function) or inspect.isclass(function):
        raise AppError(f"@app.{decorator} on {function!r}: it must be a function")
    if inspect.isasyncgenfunction(function) or inspect.isgeneratorfunction(function):
        raise AppError(f"@app.{decorator} on {name_of(function)}: it must not yield")
    if not inspect.signature(function).parameters:
        raise AppError(
            f"@app.{decorator} on {name_of(function)}(): the function must take {wanted}"
        )


def _count_parameters(function: Callable[..., Any]) -> int:
    """How many parameters must be given."""
    parameters = inspect.signature(function).parameters.values()
    return sum(p.default is p.empty and p.kind is not p.VAR_KEYWORD for p in parameters)
