"""Receipts: batched, bounded, and never in the way."""

import asyncio
from typing import Any

import pytest

from realtime_message.errors import ServerApiError
from realtime_message.streams.contracts import Entry
from realtime_message.telemetry.worker_metrics import Outcome, WorkerMetrics
from realtime_message.testing.memory.streams import make_message
from realtime_message.testing.running_worker import RecordedReplies
from realtime_message.testing.virtual_time import in_virtual_time, until
from realtime_message.worker.delivery import Delivery
from realtime_message.worker.names import Names
from realtime_message.worker.receipts import Receipts


class Held:
    """As much of a partition as a receipt needs."""

    number = 3


def delivery(number: int) -> Delivery:
    return Delivery(
        Entry(f"1-{number}", b""), make_message("room:1", number=number), Held(), attempt=2
    )


def make(replies: Any) -> tuple[Receipts, WorkerMetrics]:
    metrics = WorkerMetrics()
    return Receipts(replies, "receipts", Names("w", "w@1", "c"), metrics), metrics


@in_virtual_time
async def test_receipts_of_a_moment_go_out_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """One call for all of about 50 ms, with the documented fields."""
    monkeypatch.setattr("realtime_message.worker.receipts.time", lambda: 0.501)
    replies = RecordedReplies()
    receipts, _ = make(replies)
    for number in range(120):
        receipts.attempt_done(delivery(number), Outcome.ack, 0.00123)
    await until(lambda: bool(replies.calls), 0.2)
    ((channel, data, key),) = replies.calls
    assert channel == "receipts"
    assert key == "receipts:w@1:1"
    assert len(data["receipts"]) == 120
    assert data["receipts"][7] == {
        "id": "m7",
        "channel": "room:1",
        "partition": 3,
        "worker": "w",
        "attempt": 2,
        "outcome": "ack",
        "took_ms": 1.23,
        "age_ms": 500.0,
    }
    await receipts.close()


@in_virtual_time
async def test_many_receipts_make_several_calls() -> None:
    """A batch is bounded; all arrive, in order."""
    replies = RecordedReplies()
    receipts, _ = make(replies)
    for number in range(500):
        receipts.attempt_done(delivery(number), Outcome.ack, 0)
    await until(lambda: sum(len(d["receipts"]) for _, d, _ in replies.calls) == 500, 1)
    ids = [r["id"] for _, data, _ in replies.calls for r in data["receipts"]]
    assert ids == [f"m{n}" for n in range(500)]
    assert max(len(data["receipts"]) for _, data, _ in replies.calls) <= 200
    await receipts.close()


@in_virtual_time
async def test_gateway_that_is_away_costs_receipts_only() -> None:
    """They are dropped and counted; memory stays bounded; later ones arrive again."""

    class Away(RecordedReplies):
        is_away = True

        async def publish(self, channel: str, data: Any, *, idempotency_key: str) -> None:
            if self.is_away:
                await asyncio.sleep(5)
                raise ServerApiError("away")
            await super().publish(channel, data, idempotency_key=idempotency_key)

    replies = Away()
    receipts, metrics = make(replies)
    for number in range(10_000):
        receipts.attempt_done(delivery(number), Outcome.ack, 0)
    assert len(receipts._waiting) <= 2000
    await until(lambda: not receipts._waiting, 120)
    await asyncio.sleep(6)
    assert metrics.lost_receipts == 10_000
    replies.is_away = False
    receipts.attempt_done(delivery(1), Outcome.ack, 0)
    await until(lambda: len(replies.calls) == 1, 1)
    await receipts.close()


@in_virtual_time
async def test_close_lets_the_last_ones_out() -> None:
    """A drained worker's last receipts are published."""
    replies = RecordedReplies()
    receipts, _ = make(replies)
    receipts.attempt_done(delivery(1), Outcome.ack, 0)
    await receipts.close()
    assert len(replies.calls) == 1


@in_virtual_time
async def test_entry_that_is_no_message_has_no_receipt() -> None:
    """Nobody could match it to anything."""
    receipts, _ = make(RecordedReplies())
    nameless = delivery(1)
    nameless.message = make_message("")
    nameless.message = type(nameless.message)(
        **{f: getattr(nameless.message, f) for f in nameless.message.__struct_fields__} | {"id": ""}
    )
    receipts.attempt_done(nameless, Outcome.dead_letter, 0)
    assert not receipts._waiting
