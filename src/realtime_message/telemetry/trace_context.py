"""Where a trace comes from: W3C Trace Context, as headers carry it and stream entries keep it.

https://www.w3.org/TR/trace-context/. Values come from clients and other writers: what does not fit
the format is taken for none, so it costs neither memory nor a line in the log. Nothing here needs
OpenTelemetry.
"""

from __future__ import annotations

import re

import msgspec

#: The names, of headers as of an entry's fields.
TRACE_PARENT = "traceparent"
TRACE_STATE = "tracestate"

MAX_STATE_BYTES = 512

_PARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_KEY = r"(?:[a-z][_0-9a-z*/-]{0,255}|[a-z0-9][_0-9a-z*/-]{0,240}@[a-z][_0-9a-z*/-]{0,13})"
_MEMBER = rf"[ \t]*{_KEY}=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{{0,255}}[\x21-\x2b\x2d-\x3c\x3e-\x7e][ \t]*"
_STATE = re.compile(rf"{_MEMBER}(?:,{_MEMBER}){{0,31}}")


class TraceContext(msgspec.Struct, frozen=True, gc=False):
    """The span that is a message's parent.

    Attributes:
        parent: the `traceparent`; 55 characters.
        state: the `tracestate`, at most MAX_STATE_BYTES; empty if there is none.
    """

    parent: str
    state: str = ""

    @property
    def fields(self) -> tuple[str, ...]:
        """Names and values in turn, as they follow an entry's payload."""
        if not self.state:
            return (TRACE_PARENT, self.parent)
        return (TRACE_PARENT, self.parent, TRACE_STATE, self.state)


def read_trace_context(parent: str | None, state: str | None = None) -> TraceContext | None:
    """Return what a `traceparent` and a `tracestate` say; None if the first one is none.

    A state that is broken or too long is left out.
    """
    if parent is None or _PARENT.fullmatch(parent) is None:
        return None
    if not state or len(state) > MAX_STATE_BYTES or _STATE.fullmatch(state) is None:
        return TraceContext(parent)
    return TraceContext(parent, state)
