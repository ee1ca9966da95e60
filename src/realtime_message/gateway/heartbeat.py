"""Pings, and the pongs that must answer them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable


class Heartbeat:
    """Asks a client whether it is there.

    The first ping comes after a random part of the interval, at least half of it, so that clients
    which reconnected together do not stay together.

    Args:
        interval_seconds: between pings.
        timeout_seconds: for the pong; shorter than the interval.
        send_ping: sends a ping.
        give_up: ends the connection of a client that did not answer.
    """

    def __init__(
        self,
        interval_seconds: float,
        timeout_seconds: float,
        *,
        send_ping: Callable[[], None],
        give_up: Callable[[], None],
    ) -> None:
        self._interval_seconds = interval_seconds
        self._timeout_seconds = timeout_seconds
        self._send_ping = send_ping
        self._give_up = give_up
        self._loop = asyncio.get_running_loop()
        self._next_ping: asyncio.TimerHandle | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._is_waiting = False

    def start(self) -> None:
        """Schedule the first ping."""
        half = self._interval_seconds / 2
        self._schedule(half + random.random() * half)  # noqa: S311 - spreads load, no secret

    def stop(self) -> None:
        """Send no more pings and expect no more pongs."""
        for timer in (self._next_ping, self._deadline):
            if timer is not None:
                timer.cancel()

    def take_pong(self) -> bool:
        """Note a pong; return whether a ping was waiting for it."""
        was_waiting, self._is_waiting = self._is_waiting, False
        if was_waiting and self._deadline is not None:
            self._deadline.cancel()
        return was_waiting

    def _schedule(self, delay_seconds: float) -> None:
        self._next_ping = self._loop.call_later(delay_seconds, self._ping)

    def _ping(self) -> None:
        self._is_waiting = True
        self._send_ping()
        self._deadline = self._loop.call_later(self._timeout_seconds, self._give_up)
        self._schedule(self._interval_seconds)
