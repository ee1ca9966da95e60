"""Traces in the streams: beside a message's payload, for whoever looks for them.

An append may keep the trace that a message was sent in. It stays with the entry wherever that is
moved to, and is no part of the message: without it, or with one that is broken, everything goes its
way. Readers look for it only if they are told to.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from realtime_message.settings import ChannelDurability
from realtime_message.streams.contracts import Dedup, Entry, EntryAppender, OnAppended
from realtime_message.telemetry.trace_context import TraceContext

#: EntryAppender.submit, or what stands in its place.
Submit = Callable[[int, bytes, OnAppended, Dedup | None, ChannelDurability], None]


class TracedEntry(Entry, frozen=True, gc=False, kw_only=True):
    """An entry that keeps a trace.

    Attributes:
        trace: the span that the message was sent in.
    """

    trace: TraceContext


def trace_of(entry: Entry) -> TraceContext | None:
    """Return the trace that an entry keeps, if one was read."""
    return entry.trace if isinstance(entry, TracedEntry) else None


class TraceAppender(EntryAppender, Protocol):
    """Appends entries that keep traces, too."""

    def submit_traced(
        self,
        trace: TraceContext,
        partition: int,
        payload: bytes,
        on_appended: OnAppended,
        *,
        dedup: Dedup | None,
        durability: ChannelDurability,
    ) -> None:
        """Append as `submit` does, and keep a trace beside the payload."""
        ...
