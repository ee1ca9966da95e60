"""Who is told of each attempt: the metrics, and the receipts if there is a channel for them."""

from __future__ import annotations

from time import time

from realtime_message.telemetry.worker_metrics import Outcome, WorkerMetrics
from realtime_message.worker.delivery import Delivery
from realtime_message.worker.receipts import Receipts


class Observation:
    """Tells the others.

    Args:
        metrics: counts every attempt.
        receipts: publishes them; None without a channel.
    """

    def __init__(self, metrics: WorkerMetrics, receipts: Receipts | None) -> None:
        self._note = metrics.attempt_done
        self._receipts = receipts

    def attempt_done(self, delivery: Delivery, outcome: Outcome, took_seconds: float) -> None:
        """Tell of an attempt. Cheap, and does not raise."""
        entry = delivery.entry
        entry_id = entry.aside_of or entry.id
        now = time()
        self._note(delivery.held.number, outcome, took_seconds, entry_id, now)
        if self._receipts is not None:
            # Two machines' clocks: only for people to look at.
            age_seconds = now - int(entry_id.partition("-")[0]) / 1000
            self._receipts.add(delivery, outcome, took_seconds, age_seconds)

    async def close(self) -> None:
        """Let the last receipts out."""
        if self._receipts is not None:
            await self._receipts.close()
