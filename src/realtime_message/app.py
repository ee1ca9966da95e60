"""App: a user's handlers and hooks, and how a channel pattern finds them. No HTTP, no Redis."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from realtime_message.context import Context
from realtime_message.errors import AppError
from realtime_message.patterns import PatternTable

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Handler:
    """A registered function.

    Attributes:
        pattern: the channel pattern it was registered for.
        function: the user's function.
        is_async: whether it is a coroutine function; others run in threads.
        wants_context: whether it takes a second argument, the Context.
    """

    pattern: str
    function: Callable[..., Any]
    is_async: bool
    wants_context: bool

    @property
    def name(self) -> str:
        """The function's dotted name, for logs."""
        return f"{self.function.__module__}.{self.function.__qualname__}"


class App:
    """A user's handlers and hooks.

    A worker runs the handlers (`on_message`), the callback service the hooks (`on_connect`,
    `on_subscribe`, `on_publish`). Of several channel patterns the most specific one that matches
    is used: one without `*`, then the one with more literal characters.
    """

    def __init__(self) -> None:
        self.message_handlers: PatternTable[Handler] = PatternTable()
        self.subscribe_hooks: PatternTable[Handler] = PatternTable()
        self.publish_hooks: PatternTable[Handler] = PatternTable()
        self.connect_hook: Handler | None = None

    def on_message(self, pattern: str = "*") -> Callable[[F], F]:
        """Register a handler: `async def handler(message)` or `(message, context)`.

        Raises:
            AppError: the pattern is taken, or the function's signature does not fit.
        """
        return self._registrar(self.message_handlers, "on_message", pattern)

    def on_subscribe(self, pattern: str = "*") -> Callable[[F], F]:
        """Register a hook `(event: SubscribeEvent) -> SubscribeReply | None`; None permits.

        Raises:
            AppError: the pattern is taken, or the function's signature does not fit.
        """
        return self._registrar(self.subscribe_hooks, "on_subscribe", pattern)

    def on_publish(self, pattern: str = "*") -> Callable[[F], F]:
        """Register a hook `(event: PublishEvent) -> PublishReply | None`; None permits.

        Raises:
            AppError: the pattern is taken, or the function's signature does not fit.
        """
        return self._registrar(self.publish_hooks, "on_publish", pattern)

    def on_connect(self, function: F) -> F:
        """Register the hook `(event: ConnectEvent) -> ConnectReply | None`.

        None leaves the decision to the token in the client's data, or to the anonymous setting.

        Raises:
            AppError: there is one already, or the function's signature does not fit.
        """
        if self.connect_hook is not None:
            raise AppError(
                f"{function.__qualname__}: the app has an on_connect hook already, "
                f"{self.connect_hook.name}; keep one of them"
            )
        self.connect_hook = _handler(function, "on_connect", "*")
        return function

    def _registrar(
        self, table: PatternTable[Handler], decorator: str, pattern: str
    ) -> Callable[[F], F]:
        if not isinstance(pattern, str):
            raise AppError(f'@app.{decorator} wants a channel pattern: @app.{decorator}("chat:*")')

        def register(function: F) -> F:
            try:
                table.add(pattern, _handler(function, decorator, pattern))
            except ValueError as error:
                raise AppError(f"@app.{decorator} on {function.__qualname__}: {error}") from None
            return function

        return register


def _handler(function: Callable[..., Any], decorator: str, pattern: str) -> Handler:
    """Check a function's signature and wrap it up.

    Raises:
        AppError: it cannot be called with what it will get.
    """
    maximum = 2 if decorator == "on_message" else 1
    parameters = list(inspect.signature(function).parameters.values())
    required = [
        p
        for p in parameters
        if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
    ]
    keyword_only = [p for p in parameters if p.default is p.empty and p.kind is p.KEYWORD_ONLY]
    if not 1 <= len(required) <= maximum or keyword_only:
        wanted = "(message) or (message, context)" if maximum == 2 else "(event)"  # noqa: PLR2004
        raise AppError(
            f"@app.{decorator} on {function.__qualname__}{inspect.signature(function)}: "
            f"the function must take {wanted}"
        )
    wants_context = len(required) == 2  # noqa: PLR2004 - message and context
    return Handler(pattern, function, inspect.iscoroutinefunction(function), wants_context)


__all__ = ["App", "Context", "Handler"]
