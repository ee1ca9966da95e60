"""How a server answers an entry: its id, and the names and values of its fields in turn."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from realtime_message.streams.contracts import Entry
from realtime_message.streams.trace_contracts import TracedEntry
from realtime_message.streams.wire import pair_up
from realtime_message.telemetry.trace_context import (
    TRACE_PARENT,
    TRACE_STATE,
    read_trace_context,
)

#: What came back of a read: entry ids, each with its fields.
Rows = Sequence[tuple[bytes, list[bytes]]]
#: Makes entries of what was read: `entries_of`, or `traced_entries_of`.
ReadEntries = Callable[[Rows], list[Entry]]

#: No resize will ever have a longer one.
_GENERATION = re.compile(rb"\d{1,18}")
_TRACE_PARENT, _TRACE_STATE = TRACE_PARENT.encode(), TRACE_STATE.encode()


def entries_of(rows: Rows) -> list[Entry]:
    """Return what was read; nearly always `payload` is the first field."""
    return [
        Entry(entry_id.decode(), fields[1])
        if fields[0] == b"payload"
        else entry_of(entry_id, fields)
        for entry_id, fields in rows
    ]


def traced_entries_of(rows: Rows) -> list[Entry]:
    """Return what was read, with its traces."""
    return [entry_of(entry_id, fields) for entry_id, fields in rows]


def entry_of(entry_id: bytes, fields: list[bytes], attempts: int = 0) -> Entry:
    """Return an entry. `payload` is the first field; other writers may have put it elsewhere."""
    if fields[0] == b"payload" and len(fields) == 2:  # noqa: PLR2004 - one name, one value
        return Entry(str(entry_id, "ascii"), fields[1], attempts)
    if fields[0] == b"layout" and fields[2:] == [] and _GENERATION.fullmatch(fields[1]):
        return Entry(str(entry_id, "ascii"), None, attempts, generation=int(fields[1]))
    named = pair_up(fields)
    payload = fields[1] if fields[0] == b"payload" else named.get(b"payload")
    return with_trace(Entry(str(entry_id, "ascii"), payload, attempts), named)


def with_trace(entry: Entry, named: Mapping[bytes, bytes]) -> Entry:
    """Return an entry with the trace that its fields keep; as it is without one."""
    parent, state = named.get(_TRACE_PARENT), named.get(_TRACE_STATE, b"")
    if parent is None:
        return entry
    trace = read_trace_context(parent.decode(errors="replace"), state.decode(errors="replace"))
    if trace is None:
        return entry
    return TracedEntry(entry.id, entry.payload, entry.attempts, entry.aside_of, trace=trace)
