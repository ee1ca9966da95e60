"""A proxy event from its arrival to its one answer, and all of those in flight.

Whoever works on an event calls `answer`, `refuse` or `fail` of its Exchange; the first call counts,
later ones change nothing. One sweep over all exchanges, several times a second, answers those whose
deadline has passed: no timer for each request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from secrets import token_hex
from time import monotonic
from types import MappingProxyType
from typing import Any

from realtime_message.centrifugo.events import EventKind
from realtime_message.centrifugo.replies import EXPIRED, Code, encode_code, encode_signal
from realtime_message.errors import Disconnect, Refuse
from realtime_message.telemetry.callback_metrics import CallbackMetrics, Outcome
from realtime_message.telemetry.logs import get_logger

#: How often deadlines are looked at. A request is answered at most this much after its deadline.
SWEEP_SECONDS = 0.025

#: Takes the outcome and the body of the answer; called once.
OnAnswered = Callable[[Outcome, bytes], None]

# Centrifugo obeys no error and no disconnect in the answer to these.
_REFRESHES = (EventKind.refresh, EventKind.sub_refresh)

_log = get_logger("callback.exchange")

_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class Exchange:
    """One proxy event and its answer.

    Attributes:
        event: which proxy event it is.
        received_at: monotonic time at which the whole request was there.
        task: the task that works on it, if one does; cancelled at the deadline.
        headers: those of the request, where they are kept: not on the hot route.
    """

    __slots__ = (
        "_in_flight",
        "_on_answered",
        "event",
        "headers",
        "is_answered",
        "received_at",
        "task",
    )

    def __init__(self, in_flight: InFlight, event: EventKind, on_answered: OnAnswered) -> None:
        self._in_flight = in_flight
        self._on_answered = on_answered
        self.event = event
        self.received_at = monotonic()
        self.is_answered = False
        self.task: asyncio.Task[None] | None = None
        self.headers: Mapping[str, str] = _NO_HEADERS

    def answer(self, outcome: Outcome, body: bytes) -> None:
        """Answer with a body that is ready."""
        if self.is_answered:
            if outcome is Outcome.appended:
                self._in_flight.metrics.late()
            return
        self.is_answered = True
        self._in_flight.close(self, outcome)
        self._on_answered(outcome, body)

    def refuse(self, code: Code, message: str) -> None:
        """Answer with an error because the request may not or cannot be done."""
        self._answer_error(Outcome.rejected, code, message)

    def fail(self, code: Code, message: str) -> None:
        """Answer with a temporary error because it did not work, or nobody knows."""
        self._answer_error(Outcome.failed, code, message)

    def obey(self, signal: Refuse | Disconnect) -> None:
        """Answer with what a hook raised, or a rule."""
        if self.is_answered:
            return
        if self.event in _REFRESHES:
            self.answer(Outcome.rejected, EXPIRED)
            return
        if isinstance(signal, Refuse):
            self._in_flight.metrics.error(signal.code)
        self.answer(Outcome.rejected, encode_signal(signal))

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Go on in a task; cancelled when the deadline passes."""
        self.task = asyncio.get_running_loop().create_task(self._guarded(work))

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except (asyncio.CancelledError, KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException:  # noqa: BLE001 - a fault of ours must be an answer too
            request_id = token_hex(4)
            self.fail(Code.INTERNAL_ERROR, f"internal error (request {request_id})")
            _log.exception("event.failed", proxy_event=self.event, request_id=request_id)

    def _answer_error(self, outcome: Outcome, code: Code, message: str) -> None:
        if not self.is_answered:
            self._in_flight.metrics.error(code)
            self.answer(outcome, encode_code(code, message))


class InFlight:
    """The exchanges that are not answered yet.

    Args:
        maximum: how many there may be; more are answered with a temporary error at once.
        deadline_seconds: when one is given up with a temporary error.
        metrics: where they are counted.
    """

    def __init__(self, maximum: int, deadline_seconds: float, metrics: CallbackMetrics) -> None:
        self.metrics = metrics
        self._maximum = maximum
        self._deadline_seconds = deadline_seconds
        # A dict for its order: the oldest, whose deadline is the next, stands first.
        self._exchanges: dict[Exchange, None] = {}

    def __len__(self) -> int:
        return len(self._exchanges)

    def open(self, event: EventKind, on_answered: OnAnswered) -> Exchange | None:
        """Begin an exchange; None if there are too many, which is answered already."""
        self.metrics.received(event)
        exchange = Exchange(self, event, on_answered)
        if len(self._exchanges) >= self._maximum:
            exchange.fail(Code.UNAVAILABLE, "too many requests are being worked on; try again")
            return None
        self._exchanges[exchange] = None
        return exchange

    def close(self, exchange: Exchange, outcome: Outcome) -> None:
        """Count an exchange's answer and forget it; called by the exchange."""
        self._exchanges.pop(exchange, None)
        self.metrics.answered(exchange.event, outcome, monotonic() - exchange.received_at)

    def sweep(self) -> None:
        """Answer those whose deadline has passed."""
        latest = monotonic() - self._deadline_seconds
        overdue = []
        for exchange in self._exchanges:
            if exchange.received_at > latest:
                break
            overdue.append(exchange)
        for exchange in overdue:
            exchange.fail(Code.TIMED_OUT, "not done in time; it may have been stored, or not")
            if exchange.task is not None:
                exchange.task.cancel()

    async def keep_sweeping(self) -> None:
        """Sweep until cancelled, and let other processes see the numbers."""
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            try:
                self.sweep()
            except Exception:  # noqa: BLE001 - without the sweep no request would have a deadline
                _log.exception("sweep.failed")
            self.metrics.share()
