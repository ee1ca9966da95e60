"""The dispatcher and the append with spans around them. Loaded only where tracing is on."""

from __future__ import annotations

from collections.abc import Mapping

from realtime_message.callback.dispatch import Dispatcher, EventHandler
from realtime_message.callback.exchange import InFlight, OnAnswered
from realtime_message.centrifugo.events import EventKind
from realtime_message.message import decode_message
from realtime_message.settings import ChannelDurability
from realtime_message.streams.contracts import Appended, Dedup, OnAppended
from realtime_message.streams.trace_contracts import Submit, TraceAppender
from realtime_message.telemetry.callback_metrics import Outcome
from realtime_message.telemetry.trace_context import (
    TRACE_PARENT,
    TRACE_STATE,
    read_trace_context,
)
from realtime_message.telemetry.tracing import Tracing


class TracedDispatcher(Dispatcher):
    """Makes a span of each publish, from the whole request to its answer.

    It is the current one for whatever works on the event, the user's hook too. Its parent is what
    the request's headers name.

    Args:
        handlers: by proxy event.
        in_flight: where exchanges are opened.
        max_body_bytes: larger bodies are refused.
        tracing: makes spans.
    """

    takes_traces = True

    def __init__(
        self,
        handlers: Mapping[EventKind, EventHandler],
        in_flight: InFlight,
        max_body_bytes: int,
        tracing: Tracing,
    ) -> None:
        super().__init__(handlers, in_flight, max_body_bytes)
        self._tracing = tracing

    def dispatch(
        self,
        event: EventKind,
        body: bytes,
        on_answered: OnAnswered,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Answer a request, now or later, exactly once; see Dispatcher."""
        if event is not EventKind.publish:
            super().dispatch(event, body, on_answered, headers)
            return
        tracing, given = self._tracing, headers or {}
        span = tracing.start_send(
            read_trace_context(given.get(TRACE_PARENT), given.get(TRACE_STATE))
        )

        def on_done(outcome: Outcome, reply: bytes) -> None:
            on_answered(outcome, reply)
            tracing.end_send(span, outcome.value, is_failed=outcome is Outcome.failed)

        with tracing.active(span):
            super().dispatch(event, body, on_done, headers)


def traced_submit(appender: TraceAppender, tracing: Tracing) -> Submit:
    """Return what appends messages with the current span as their trace."""

    def submit(
        partition: int,
        payload: bytes,
        on_appended: OnAppended,
        dedup: Dedup | None = None,
        durability: ChannelDurability = "default",
    ) -> None:
        span = tracing.current_span()
        tracing.describe_send(span, decode_message(payload))

        def told(outcome: Appended | Exception) -> None:
            if isinstance(outcome, Appended):
                tracing.note_entry(span, outcome.entry_id)
            on_appended(outcome)

        trace = tracing.current()
        if trace is None:
            appender.submit(partition, payload, told, dedup, durability)
        else:
            appender.submit_traced(
                trace, partition, payload, told, dedup=dedup, durability=durability
            )

    return submit
