"""Publishing from the terminal: each message is kept until it is acknowledged or refused."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from realtime_message.client.connection import (
    CommandRefusedError,
    GatewayConnection,
    GatewayUnreachableError,
    short,
)

_FIRST_PAUSE_SECONDS = 0.25
_LONGEST_PAUSE_SECONDS = 2.0

#: Opens a connection to the gateway.
Connect = Callable[[], Awaitable[GatewayConnection]]


@dataclass(slots=True)
class PublishReport:
    """What became of the messages.

    Attributes:
        acknowledged: how many were.
        refusals: why the others were not.
        resent: how often one was sent again, with the same data and so the same message id.
        seconds: from the first send to the last answer.
        slowest_seconds: the longest wait for an answer.
    """

    acknowledged: int = 0
    refusals: list[str] = field(default_factory=list)
    resent: int = 0
    seconds: float = 0.0
    slowest_seconds: float = 0.0


class Publisher:
    """Publishes one message after the other, over connections that may be lost in between.

    Args:
        connect: opens a connection.
        patience_seconds: how long one message is tried again before it counts as refused.
        on_delay: told why a message is not acknowledged yet; not again until one was at once.

    Attributes:
        report: what became of the messages so far.
    """

    def __init__(
        self,
        connect: Connect,
        patience_seconds: float = 10.0,
        on_delay: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.report = PublishReport()
        self._connect = connect
        self._patience_seconds = patience_seconds
        self._on_delay = on_delay
        self._is_delay_told = False
        self._connection: GatewayConnection | None = None
        # A gateway that was never there is told at once; one that went away is waited for.
        self._was_connected = False

    async def publish(
        self, channel: str, messages: Iterable[Any], *, rate: float = 0.0
    ) -> PublishReport:
        """Publish messages in order.

        Args:
            channel: where to.
            messages: each what clients send as data.
            rate: messages per second; 0 sends each as soon as the one before is answered.

        Raises:
            GatewayUnreachableError: the gateway is not there, or went away for longer than the
                patience.
            GatewayClosedError: the gateway closed the connection for good.
        """
        report = self.report
        started_at = time.monotonic()
        try:
            for number, data in enumerate(messages):
                if rate:
                    await asyncio.sleep(started_at + number / rate - time.monotonic())
                await self._publish_one(channel, data)
        finally:
            report.seconds = time.monotonic() - started_at
            if self._connection is not None:
                await self._connection.close()
        return report

    async def _publish_one(self, channel: str, data: Any) -> None:
        report, what = self.report, f"the message to {short(channel)}"
        sent_at = time.monotonic()
        pause_seconds = _FIRST_PAUSE_SECONDS
        while True:
            try:
                connection = await self._connected()
                await connection.call("publish", {"channel": channel, "data": data}, what)
            except CommandRefusedError as refusal:
                if not refusal.is_temporary:
                    report.refusals.append(str(refusal))
                    return
                if self._seconds_left(sent_at) <= 0:
                    report.refusals.append(
                        f"{what} was not acknowledged within {self._patience_seconds:g} s: "
                        f"{refusal.reason}"
                    )
                    return
                self._tell_delay(refusal.reason)
            except GatewayUnreachableError as error:
                # The next attempt starts from a clear state.
                await self._drop()
                if not self._was_connected or self._seconds_left(sent_at) <= 0:
                    raise
                self._tell_delay(str(error))
            else:
                report.acknowledged += 1
                waited = time.monotonic() - sent_at
                report.slowest_seconds = max(report.slowest_seconds, waited)
                self._is_delay_told &= pause_seconds > _FIRST_PAUSE_SECONDS
                return
            report.resent += 1
            await asyncio.sleep(min(pause_seconds, max(self._seconds_left(sent_at), 0.0)))
            pause_seconds = min(pause_seconds * 2, _LONGEST_PAUSE_SECONDS)

    def _tell_delay(self, why: str) -> None:
        if not self._is_delay_told:
            self._is_delay_told = True
            self._on_delay(
                f"not acknowledged yet: {why}; trying again for {self._patience_seconds:g} s"
            )

    def _seconds_left(self, sent_at: float) -> float:
        return sent_at + self._patience_seconds - time.monotonic()

    async def _connected(self) -> GatewayConnection:
        if self._connection is None:
            self._connection = await self._connect()
            self._was_connected = True
        return self._connection

    async def _drop(self) -> None:
        if self._connection is not None:
            await self._connection.close()
            self._connection = None
