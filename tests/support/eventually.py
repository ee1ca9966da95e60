"""Waiting for something to become true, with a deadline instead of a guessed sleep."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def eventually(
    attempt: Callable[[], Awaitable[T]], *, within_seconds: float = 10.0, what: str = "it"
) -> T:
    """Return the first true result of repeated attempts; fail once the time is over."""
    until = asyncio.get_running_loop().time() + within_seconds
    while not (result := await attempt()):
        assert asyncio.get_running_loop().time() < until, f"{what} did not become true"
        await asyncio.sleep(0.01)
    return result
