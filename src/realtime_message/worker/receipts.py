"""Receipts: what became of each message, published to a channel for people to watch."""

from __future__ import annotations

import asyncio
from collections import deque
from time import time
from typing import Any

from realtime_message.context import Replies
from realtime_message.errors import ServerApiError
from realtime_message.telemetry.logs import get_logger
from realtime_message.telemetry.worker_metrics import Outcome, WorkerMetrics
from realtime_message.worker.delivery import Delivery
from realtime_message.worker.names import Names
from realtime_message.worker.settle import Observer

log = get_logger("worker.receipts")

_BATCH_SECONDS = 0.05
_MAX_BATCH = 200
_MAX_WAITING = 2000
_LAST_SECONDS = 1.0


class Receipts:
    """Publishes receipts in batches, as `{"receipts": [{…}, …]}`.

    They are for a live view and nothing depends on them: they never delay a message, and when the
    gateway is away or too slow the oldest are dropped and counted.

    Args:
        replies: Centrifugo's server API.
        channel: where they are published.
        names: this worker's names.
        metrics: counts those that are lost.
    """

    def __init__(
        self, replies: Replies, channel: str, names: Names, metrics: WorkerMetrics
    ) -> None:
        self._replies = replies
        self._channel = channel
        self._names = names
        self._metrics = metrics
        self._waiting: deque[dict[str, Any]] = deque()
        self._publishing: asyncio.Task[None] | None = None
        self._batch_count = 0
        self._is_failing = False

    def observed_with(self, observe: Observer) -> Observer:
        """Return what tells of an attempt here and there."""

        def tell(delivery: Delivery, outcome: Outcome, took_seconds: float) -> None:
            observe(delivery, outcome, took_seconds)
            self.attempt_done(delivery, outcome, took_seconds)

        return tell

    def attempt_done(self, delivery: Delivery, outcome: Outcome, took_seconds: float) -> None:
        """Note what became of an attempt; it is published within about 50 ms."""
        if not delivery.message.id:
            return
        # Two machines' clocks: only for people to look at.
        age_seconds = time() - int(delivery.entry.first_id.partition("-")[0]) / 1000
        if len(self._waiting) == _MAX_WAITING:
            self._waiting.popleft()
            self._metrics.lost_receipts += 1
        self._waiting.append(
            {
                "id": delivery.message.id,
                "channel": delivery.message.channel,
                "partition": delivery.held.number,
                "worker": self._names.worker,
                "attempt": delivery.attempt,
                "outcome": outcome.value,
                "took_ms": round(took_seconds * 1000, 2),
                "age_ms": round(max(0.0, age_seconds) * 1000, 2),
            }
        )
        if self._publishing is None:
            self._publishing = asyncio.create_task(self._publish(), name="receipts")

    async def close(self) -> None:
        """Publish what waits, but do not wait for a gateway that is away."""
        publishing = self._publishing
        if publishing is not None:
            await asyncio.wait({publishing}, timeout=_LAST_SECONDS)
            publishing.cancel()
            await asyncio.gather(publishing, return_exceptions=True)

    async def _publish(self) -> None:
        try:
            while self._waiting:
                await asyncio.sleep(_BATCH_SECONDS)
                batch = [
                    self._waiting.popleft() for _ in range(min(_MAX_BATCH, len(self._waiting)))
                ]
                await self._send(batch)
        finally:
            self._publishing = None

    async def _send(self, batch: list[dict[str, Any]]) -> None:
        self._batch_count += 1
        key = f"receipts:{self._names.member}:{self._batch_count}"
        try:
            await self._replies.publish(self._channel, {"receipts": batch}, idempotency_key=key)
        except ServerApiError as error:
            self._metrics.lost_receipts += len(batch)
            if not self._is_failing:
                log.warning("receipts.lost", error=str(error))
            self._is_failing = True
        else:
            self._is_failing = False
