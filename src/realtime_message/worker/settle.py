"""What follows an attempt: the message is acknowledged, tried again, or given up."""

from __future__ import annotations

import random
from collections.abc import Callable

from realtime_message.telemetry.logs import get_logger
from realtime_message.telemetry.worker_metrics import Outcome
from realtime_message.worker.backoff import until_answered
from realtime_message.worker.delivery import CancelCause, Delivery, Origin
from realtime_message.worker.failure_view import how_to_see, place_of
from realtime_message.worker.retry import Decision, RetryPolicy, printable

log = get_logger("worker.settle")

# To look a member up in its enumeration takes as long as to count it.
_ACK = Outcome.ack

#: Called after each attempt with its outcome and the seconds it took. Quick, and must not raise.
Observer = Callable[[Delivery, Outcome, float], None]


class Settler:
    """Acts on outcomes.

    Acknowledging is a note for the fetcher's next cycle and happens at once. What Redis must be
    told on its own, because the message failed, runs beside the handlers as an errand of the
    partition: the channel waits for it, the runner does not.

    Args:
        policy: how often and how soon a message is tried again.
        observe: is told of every attempt.
        halts_channels: whether a channel is parked when one of its messages failed for good.
    """

    def __init__(
        self, policy: RetryPolicy, observe: Observer, *, halts_channels: bool = False
    ) -> None:
        self._policy = policy
        self._observe = observe
        self._halts_channels = halts_channels

    def settle(self, delivery: Delivery, error: BaseException | None, took_seconds: float) -> None:
        """Act on the end of an attempt; `error` is what the handler raised."""
        held = delivery.held
        if held.hold.lost_because is not None:
            self.abandon(delivery, took_seconds)
        elif error is None:
            held.finish(delivery)
            self._observe(delivery, _ACK, took_seconds)
        elif delivery.cancel_cause is CancelCause.abandoned:
            self.abandon(delivery, took_seconds)
        else:
            self._settle_failed(delivery, error, took_seconds)

    def outcome_of(self, delivery: Delivery, error: BaseException | None) -> Outcome:
        """Return what `settle` is about to make of the end of an attempt."""
        is_lost = delivery.held.hold.lost_because is not None
        if is_lost or (error is not None and delivery.cancel_cause is CancelCause.abandoned):
            return Outcome.abandoned
        if error is None:
            return _ACK
        return self._policy.decide(error, delivery.attempt, 0.0).outcome

    def settle_within(self, delivery: Delivery, took_seconds: float) -> None:
        """Acknowledge a message of a batch while a later one of its channel is in hand."""
        if delivery.held.hold.is_lost:
            self.abandon(delivery, took_seconds)
        else:
            delivery.held.finish_within(delivery)
            self._observe(delivery, Outcome.ack, took_seconds)

    def abandon(self, delivery: Delivery, took_seconds: float) -> None:
        """Leave a message to the next owner."""
        self._observe(delivery, Outcome.abandoned, took_seconds)

    def pass_over(self, delivery: Delivery) -> None:
        """Acknowledge a message that no handler wants."""
        delivery.held.finish(delivery)
        self._observe(delivery, Outcome.unhandled, 0.0)

    def give_up(self, delivery: Delivery, reason: str, *, is_failure: bool = False) -> None:
        """Make a dead letter of a message that gets no attempt, or none any more."""
        delivery.attempt -= 1
        decision = Decision(Outcome.dead_letter, reason=printable(reason))
        errand = self._fail if is_failure else self._bury
        delivery.held.run_errand(errand(delivery, decision, 0.0))

    def prepare(self, delivery: Delivery) -> None:
        """See to it that an attempt begins only after it was written down, if there is to be one.

        This stops a message that kills its worker: whoever comes next knows how often it was
        tried.
        """
        if delivery.defect:
            self.give_up(delivery, delivery.defect)
        elif self._policy.is_exhausted(delivery.attempt - 1):
            reason = "its workers ended while they handled it, again and again"
            self.give_up(delivery, reason, is_failure=True)
        elif delivery.is_suspect and self._policy.is_late(delivery.attempt):
            delivery.held.suspects.add(delivery)
        else:
            self.begin(delivery)

    def begin(self, delivery: Delivery) -> None:
        """Write down that an attempt begins and queue it up again."""
        delivery.held.run_errand(self._record(delivery))

    def _settle_failed(self, delivery: Delivery, error: BaseException, took_seconds: float) -> None:
        held = delivery.held
        decision = self._policy.decide(error, delivery.attempt, random.random())  # noqa: S311 - jitter
        if decision.outcome is Outcome.dead_letter:
            # Observed when it is done.
            held.run_errand(self._fail(delivery, decision, took_seconds))
            return
        if decision.outcome is Outcome.retry:
            held.run_errand(self._retry(delivery, decision))
        else:
            held.finish(delivery)
        self._observe(delivery, decision.outcome, took_seconds)

    async def _record(self, delivery: Delivery) -> None:
        held = delivery.held
        if held.is_draining:
            return  # it will not begin here
        await until_answered(
            lambda: _record_where_it_is(delivery), call="record_attempt", partition=held.number
        )
        delivery.is_recorded = True
        held.make_ready(delivery)

    async def _retry(self, delivery: Delivery, decision: Decision) -> None:
        held = delivery.held
        log.warning(
            "message.failed",
            **_names(delivery),
            attempt=delivery.attempt,
            reason=decision.reason,
            **place_of(decision.error),
            again_in_seconds=round(decision.delay_seconds, 3),
        )
        if delivery.attempt == 1 and delivery.origin is Origin.stream:
            # Later ones were written down before they began.
            await until_answered(
                lambda: held.reader.record_attempt(delivery.entry.id, 1),
                call="record_attempt",
                partition=held.number,
            )
        held.suspects.clear(delivery)
        delivery.attempt += 1
        delivery.is_recorded = False
        delivery.cancel_cause = None
        held.retry_later(delivery, decision.delay_seconds)

    async def _fail(self, delivery: Delivery, decision: Decision, took_seconds: float) -> None:
        """Give a message up for good, and hold its channel back if that is the policy."""
        if self._halts_channels:
            # First: if we end in between, the message is set aside and not passed over.
            await delivery.held.parking.park(delivery.message.channel, decision.reason)
        await self._bury(delivery, decision, took_seconds)

    async def _bury(self, delivery: Delivery, decision: Decision, took_seconds: float) -> None:
        held = delivery.held
        await until_answered(
            lambda: _bury_where_it_is(delivery, decision), call="bury", partition=held.number
        )
        log.error(
            "message.dead_lettered",
            **_names(delivery),
            attempts=delivery.attempt,
            reason=decision.reason,
            **place_of(decision.error),
            see=how_to_see(delivery.message),
        )
        self._observe(delivery, Outcome.dead_letter, took_seconds)
        held.suspects.clear(delivery)
        held.let_go(delivery)


async def _record_where_it_is(delivery: Delivery) -> None:
    held, entry = delivery.held, delivery.entry
    if delivery.origin is Origin.aside:
        parker = held.parking.parker
        await parker.record_attempt(delivery.message.channel, entry.id, delivery.attempt)
    else:
        await held.reader.record_attempt(entry.id, delivery.attempt)


async def _bury_where_it_is(delivery: Delivery, decision: Decision) -> None:
    held, entry = delivery.held, delivery.entry
    reason, error, attempts = decision.reason, decision.error, delivery.attempt
    if delivery.origin is Origin.aside:
        parker = held.parking.parker
        channel = delivery.message.channel
        await parker.bury(channel, entry.id, reason=reason, error=error, attempts=attempts)
    else:
        await held.reader.bury(entry, reason=reason, error=error, attempts=attempts)


def _names(delivery: Delivery) -> dict[str, object]:
    """Which message: enough to find it, nothing of its content."""
    return {
        "message": delivery.message.id,
        "entry": delivery.entry.first_id,
        "channel": delivery.message.channel,
        "partition": delivery.held.number,
    }
