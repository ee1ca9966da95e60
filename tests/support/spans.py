"""The spans that this process made, kept in memory."""

from __future__ import annotations

from functools import cache

from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

#: A trace that somebody outside has begun.
TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACE_PARENT = f"00-{TRACE_ID}-00f067aa0ba902b7-01"


class Spans:
    """What was recorded."""

    def __init__(self, exporter: InMemorySpanExporter) -> None:
        self._exporter = exporter

    @property
    def all(self) -> list[ReadableSpan]:
        """Every span that has ended, in that order."""
        return list(self._exporter.get_finished_spans())

    def of(self, operation: str) -> list[ReadableSpan]:
        """The spans of `publish`, `process` or `dead_letter`."""
        return [s for s in self.all if s.attributes.get("messaging.operation.name") == operation]

    def forget(self) -> None:
        """Forget all of them."""
        self._exporter.clear()


@cache
def recorded_spans() -> Spans:
    """Set up the SDK, which a process can do once only."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return Spans(exporter)


def trace_id(span: ReadableSpan) -> str:
    """The id of a span's trace."""
    return f"{span.context.trace_id:032x}"


def is_child(span: ReadableSpan, parent: ReadableSpan) -> bool:
    """Whether a span is another one's child."""
    return span.parent is not None and span.parent.span_id == parent.context.span_id
