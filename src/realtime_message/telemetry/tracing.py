"""Spans: one for each publish, one for each attempt of a handler, one for each dead letter.

Names and attributes follow OpenTelemetry's semantic conventions for messaging, in their present
form (status: development), of which all names stand in this file alone:
https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/
https://opentelemetry.io/docs/specs/semconv/registry/attributes/messaging/
Attributes that begin with `rtm.` are ours. A span's name is made of the operation and of the
handler's pattern, never of a channel: there may be millions of those.

Only OpenTelemetry's API is used. Which SDK there is and where spans go is the user's choice;
without one, spans are nothing and a trace that comes in is still passed on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from importlib.metadata import version

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AttributeValue

from realtime_message.errors import ControlSignal
from realtime_message.message import Message
from realtime_message.telemetry.logs import get_logger
from realtime_message.telemetry.trace_context import (
    TRACE_PARENT,
    TRACE_STATE,
    TraceContext,
    read_trace_context,
)

Attributes = Mapping[str, AttributeValue]

SYSTEM = "messaging.system"
OPERATION_NAME = "messaging.operation.name"
OPERATION_TYPE = "messaging.operation.type"
CHANNEL = "messaging.destination.name"
PATTERN = "messaging.destination.template"
PARTITION = "messaging.destination.partition.id"
MESSAGE_ID = "messaging.message.id"
BATCH_COUNT = "messaging.batch.message_count"
WORKER = "messaging.client.id"
ERROR_TYPE = "error.type"
HANDLER = "code.function.name"
ENTRY_ID = "rtm.entry.id"
ATTEMPT = "rtm.attempt"
OUTCOME = "rtm.outcome"
AFTER_CRASH = "rtm.after_crash"

_SYSTEM_NAME = "redis_streams"
_LAST_SECONDS = 2.0

log = get_logger("telemetry.tracing")


class Tracing:
    """Makes spans with the tracer provider that the process has by now."""

    def __init__(self) -> None:
        self._tracer = trace.get_tracer("realtime_message", version("centrifuge-realtime-message"))
        self._propagator = TraceContextTextMapPropagator()

    def tell_of_missing_sdk(self) -> None:
        """Tell in the log if spans go nowhere."""
        if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
            log.warning(
                "spans.discarded",
                setting="telemetry.tracing",
                advice="no OpenTelemetry SDK is set up in this process: start it with "
                "opentelemetry-instrument, or set a tracer provider in your app's module",
            )

    async def flush(self) -> None:
        """Send what the SDK still holds; a process that ends without its exit hooks loses it."""
        force_flush = getattr(trace.get_tracer_provider(), "force_flush", None)
        if force_flush is not None:
            flushing = asyncio.to_thread(force_flush, int(_LAST_SECONDS * 1000))
            await asyncio.wait([asyncio.create_task(flushing)], timeout=_LAST_SECONDS)

    def start_send(self, parent: TraceContext | None) -> Span:
        """Begin the span of a publish.

        The current span is not its parent: a request may be begun by the answer to another one.
        """
        about = {SYSTEM: _SYSTEM_NAME, OPERATION_NAME: "publish", OPERATION_TYPE: "send"}
        return self._start("publish", parent, SpanKind.PRODUCER, about)

    def describe_send(self, span: Span, message: Message) -> None:
        """Say in the span of a publish which message it is about."""
        span.set_attributes(
            {
                CHANNEL: message.channel,
                PARTITION: str(message.partition_id),
                MESSAGE_ID: message.id,
            }
        )

    def note_entry(self, span: Span, entry_id: str) -> None:
        """Say in the span of a publish which entry the message became."""
        span.set_attribute(ENTRY_ID, entry_id)

    def end_send(self, span: Span, outcome: str, *, is_failed: bool) -> None:
        """End the span of a publish."""
        span.set_attribute(OUTCOME, outcome)
        if is_failed:
            span.set_attribute(ERROR_TYPE, outcome)
            span.set_status(Status(StatusCode.ERROR))
        span.end()

    def start_process(
        self, pattern: str, parent: TraceContext | None, attributes: Attributes
    ) -> Span:
        """Begin the span of an attempt."""
        about = {**_process(pattern), **attributes}
        return self._start(f"process {pattern}", parent, SpanKind.CONSUMER, about)

    def start_batch(
        self,
        pattern: str,
        messages: Iterable[tuple[TraceContext | None, Attributes]],
        attributes: Attributes,
    ) -> Span:
        """Begin the span of a batch. It begins a trace, with links to those of its messages."""
        links = [
            Link(trace.get_current_span(self._context(parent)).get_span_context(), about)
            for parent, about in messages
            if parent is not None
        ]
        return self._tracer.start_span(
            f"process {pattern}",
            self._context(None),
            SpanKind.CONSUMER,
            {**_process(pattern), **attributes},
            links,
        )

    def end_process(self, span: Span, outcome: str, error: BaseException | None) -> None:
        """End the span of an attempt or a batch.

        Args:
            span: as begun.
            outcome: what became of the message; empty if it is not one for all.
            error: what the handler raised, if that is a failure.
        """
        if outcome:
            span.set_attribute(OUTCOME, outcome)
        if error is not None:
            span.set_attribute(ERROR_TYPE, type(error).__name__)
            span.set_status(Status(StatusCode.ERROR))
            if not isinstance(error, ControlSignal):  # those say by their name what is meant
                span.record_exception(error)
        span.end()

    def dead_letter(self, parent: TraceContext | None, attributes: Attributes) -> None:
        """Tell that a message is a dead letter now."""
        self._tracer.start_span(
            "dead_letter",
            self._context(parent),
            SpanKind.CLIENT,
            {
                SYSTEM: _SYSTEM_NAME,
                OPERATION_NAME: "dead_letter",
                OPERATION_TYPE: "settle",
                **attributes,
            },
        ).end()

    def current_span(self) -> Span:
        """Return the current span; one that does nothing if there is none."""
        return trace.get_current_span()

    def current(self) -> TraceContext | None:
        """Return the current span as a parent of others; None if there is none."""
        carrier = self.headers()
        return read_trace_context(carrier.get(TRACE_PARENT), carrier.get(TRACE_STATE))

    def headers(self) -> dict[str, str]:
        """Return the headers that pass the current span on; none if there is none."""
        carrier: dict[str, str] = {}
        self._propagator.inject(carrier)
        return carrier

    def active(self, span: Span) -> AbstractContextManager[Span]:
        """Make a span the current one for a while. Whoever began it ends it."""
        return trace.use_span(span, record_exception=False, set_status_on_exception=False)

    def _start(
        self, name: str, parent: TraceContext | None, kind: SpanKind, attributes: Attributes
    ) -> Span:
        context = self._context(parent)
        span = self._tracer.start_span(name, context, kind, attributes)
        # Without an SDK, what came in goes on; not every release of the API sees to that itself.
        is_made = span.get_span_context().is_valid
        return span if is_made else trace.get_current_span(context)

    def _context(self, parent: TraceContext | None) -> Context:
        carrier = {}
        if parent is not None:
            carrier = {TRACE_PARENT: parent.parent, TRACE_STATE: parent.state}
        return self._propagator.extract(carrier, Context())


def _process(pattern: str) -> dict[str, AttributeValue]:
    return {
        SYSTEM: _SYSTEM_NAME,
        OPERATION_NAME: "process",
        OPERATION_TYPE: "process",
        PATTERN: pattern,
    }
