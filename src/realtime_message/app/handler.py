"""A registered function."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class BatchRule:
    """How messages are gathered for a handler that takes several at once.

    Attributes:
        max_messages: a batch is never larger.
        max_wait_seconds: how long the first message of a batch waits for more.
    """

    max_messages: int
    max_wait_seconds: float


@dataclass(frozen=True, slots=True)
class Handler:
    """A registered function.

    Attributes:
        pattern: the channel pattern it was registered for.
        function: the user's function.
        is_async: whether it is a coroutine function; others run in threads.
        batch: how messages are gathered for it; None when it takes them one by one.
    """

    pattern: str
    function: Callable[..., Any]
    is_async: bool
    batch: BatchRule | None = None

    @property
    def name(self) -> str:
        """The function's dotted name, for logs."""
        return name_of(self.function)


def make_handler(
    function: Callable[..., Any], pattern: str = "*", batch: BatchRule | None = None
) -> Handler:
    """Return the handler that a function is."""
    # An object with an async __call__ counts as a coroutine function too.
    call = getattr(function, "__call__", None)  # noqa: B004 - its kind is asked for, not its presence
    is_async = inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(call)
    return Handler(pattern, function, is_async, batch)


def name_of(function: Callable[..., Any]) -> str:
    """Return a function's dotted name, for texts."""
    module = getattr(function, "__module__", "?")
    return f"{module}.{getattr(function, '__qualname__', type(function).__qualname__)}"
