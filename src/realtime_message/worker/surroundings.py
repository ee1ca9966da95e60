"""What a Context tells a handler about its worker."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from realtime_message.context import Context, Replies
from realtime_message.worker.delivery import Delivery


@dataclass(slots=True)
class Surroundings:
    """The part of every Context that is the same for all messages.

    Attributes:
        worker: the worker's name.
        replies: Centrifugo's server API.
        time_limit_seconds: how long a handler may take; 0 for ever.
        is_stopping: whether the worker drains.
    """

    worker: str
    replies: Replies
    time_limit_seconds: float
    is_stopping: bool = False

    def context(self, delivery: Delivery) -> Context:
        """Make the Context of a delivery whose attempt has begun."""
        limit = self.time_limit_seconds
        held = delivery.held
        return Context(
            entry_id=delivery.entry.first_id,
            partition=held.number,
            epoch=held.hold.lease.epoch,
            worker=self.worker,
            attempt=delivery.attempt,
            deadline=asyncio.get_running_loop().time() + limit if limit else None,
            _message_id=delivery.message.id,
            _is_lease_held=lambda: held.hold.is_held,
            _is_stop_requested=lambda: self.is_stopping or held.is_draining,
            _replies=self.replies,
        )
