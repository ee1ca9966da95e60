"""What a handler can learn about the delivery it is working on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol


class Replies(Protocol):
    """How a handler answers: calls to Centrifugo's server API."""

    def publish(self, channel: str, data: Any, *, idempotency_key: str) -> Awaitable[None]:
        """Publish to one channel."""
        ...

    def broadcast(
        self, channels: Sequence[str], data: Any, *, idempotency_key: str
    ) -> Awaitable[None]:
        """Publish the same data to several channels."""
        ...

    def disconnect(self, user: str, *, code: int, reason: str) -> Awaitable[None]:
        """Close a user's connections."""
        ...


@dataclass(slots=True)
class Context:
    """The delivery that a handler works on.

    Attributes:
        entry_id: the Redis entry id of the message in its partition's stream.
        partition: the partition's number.
        epoch: grows each time the partition changes hands. Stored with what a handler writes, it
            lets a database refuse the late write of a former owner.
        worker: the name of this worker.
        attempt: 1 for the first delivery; counted across crashes of workers.
        deadline: the event loop's time at which the handler is cancelled; None for never.
    """

    entry_id: str
    partition: int
    epoch: int
    worker: str
    attempt: int
    deadline: float | None
    _message_id: str = field(repr=False)
    _is_lease_held: Callable[[], bool] = field(repr=False)
    _is_stop_requested: Callable[[], bool] = field(repr=False)
    _replies: Replies = field(repr=False)
    _reply_count: int = field(default=0, repr=False)

    @property
    def first_seen_at(self) -> datetime:
        """When the callback service stored the message, by Redis' clock, in UTC."""
        milliseconds = int(self.entry_id.partition("-")[0])
        return datetime.fromtimestamp(milliseconds / 1000, UTC)

    @property
    def is_lease_held(self) -> bool:
        """Whether this worker still holds the partition; if not, the message is someone else's."""
        return self._is_lease_held()

    @property
    def is_stop_requested(self) -> bool:
        """Whether the worker drains: a long handler may stop early with `Retry`."""
        return self._is_stop_requested()

    async def publish(self, channel: str, data: Any) -> None:
        """Publish to a channel through Centrifugo's server API.

        The idempotency key is derived from the message and the position of this call in the
        handler, so a redelivered message does not broadcast twice within Centrifugo's window of
        five minutes.
        """
        await self._replies.publish(channel, data, idempotency_key=self._next_key())

    async def broadcast(self, channels: Sequence[str], data: Any) -> None:
        """Publish the same data to several channels; idempotent as `publish`."""
        await self._replies.broadcast(channels, data, idempotency_key=self._next_key())

    async def disconnect(
        self, user: str, *, code: int = 4500, reason: str = "disconnected"
    ) -> None:
        """Close a user's connections; 4000-4499 lets the client reconnect, 4500-4999 does not."""
        await self._replies.disconnect(user, code=code, reason=reason)

    def _next_key(self) -> str:
        self._reply_count += 1
        return f"{self._message_id}:{self._reply_count}"
