"""Rules broken on purpose, to prove that the simulation would notice."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

from realtime_message.testing.memory.reader import MemoryPartitionReader
from realtime_message.testing.memory.state import PartitionState
from realtime_message.worker import lease_keeper
from realtime_message.worker.dispatcher import Dispatcher
from realtime_message.worker.held_partition import HeldPartition
from realtime_message.worker.lanes import Lanes
from realtime_message.worker.lease_hold import LeaseHold


def _no_fence() -> Any:
    """Reads and acknowledgements are let through under a past epoch."""
    return mock.patch.object(PartitionState, "check")


def _two_at_once() -> Any:
    """A lane hands out a message while the one before it is being handled."""

    def add(lanes: Lanes, delivery: Any) -> None:
        lanes._count_in(delivery)
        lanes._busy.add(delivery.message.channel)
        lanes.make_ready(delivery)

    return mock.patch.object(Lanes, "add", add)


def _early_acknowledgement() -> Any:
    """An entry is acknowledged when its handler begins."""
    handler_of = Dispatcher._handler_of

    def acknowledge(dispatcher: Dispatcher, delivery: Any, now: float) -> Any:
        handler = handler_of(dispatcher, delivery, now)
        if handler is not None:
            delivery.held.committer.finish(delivery.entry.id)
        return handler

    return mock.patch.object(Dispatcher, "_handler_of", acknowledge)


def _nothing_claimed() -> Any:
    """What a former owner had in hand is not taken over."""

    async def claim_pending(_reader: Any, _count: int) -> list[Any]:
        return []

    return mock.patch.object(MemoryPartitionReader, "claim_pending", claim_pending)


def _lease_unchecked() -> Any:
    """A handler begins although the lease has run out."""
    never = property(lambda _hold: math.inf, lambda _hold, _until: None)
    return mock.patch.object(LeaseHold, "until", never, create=True)


def _lease_relied_on_too_long() -> Any:
    """A lease is relied on for longer than it lasts."""
    return mock.patch.object(lease_keeper, "_RELY_ON", 3.0)


def _lost_reply_forgotten() -> Any:
    """What a lost reply carried is not asked for again."""
    forgetful = property(lambda _reader: False, lambda _reader, _value: None)
    return mock.patch.object(MemoryPartitionReader, "_has_lost_reply", forgetful, create=True)


def _attempts_forgotten() -> Any:
    """The number of attempts is not kept, so that a deadly message is never stopped."""

    async def record_attempt(_reader: Any, _entry_id: str, _attempts: int) -> None:
        return None

    return mock.patch.object(MemoryPartitionReader, "record_attempt", record_attempt)


def _retry_lets_others_pass() -> Any:
    """While a message waits for its retry, the next one of its channel begins."""
    retry_later = HeldPartition.retry_later

    def retry(held: HeldPartition, delivery: Any, delay_seconds: float) -> None:
        held.lanes.finish(delivery)
        held.look_again()
        retry_later(held, delivery, delay_seconds)

    return mock.patch.object(HeldPartition, "retry_later", retry)


MUTATIONS: dict[str, Callable[[], Any]] = {
    made.__name__.strip("_"): made
    for made in (
        _no_fence,
        _two_at_once,
        _early_acknowledgement,
        _nothing_claimed,
        _lease_unchecked,
        _lease_relied_on_too_long,
        _lost_reply_forgotten,
        _attempts_forgotten,
        _retry_lets_others_pass,
    )
}


@contextlib.contextmanager
def mutated(name: str | None) -> Iterator[None]:
    """Break one rule meanwhile; none without a name."""
    with contextlib.nullcontext() if name is None else MUTATIONS[name]():
        yield
