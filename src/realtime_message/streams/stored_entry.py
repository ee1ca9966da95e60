"""How a server answers an entry: its id, and the names and values of its fields in turn."""

from __future__ import annotations

import re
from collections.abc import Sequence

from realtime_message.streams.contracts import Entry
from realtime_message.streams.wire import pair_up

#: No resize will ever have a longer one.
_GENERATION = re.compile(rb"\d{1,18}")


def entries_of(rows: Sequence[tuple[bytes, list[bytes]]]) -> list[Entry]:
    """Return what was read; nearly always `payload` is the first field."""
    return [
        Entry(entry_id.decode(), fields[1])
        if fields[0] == b"payload"
        else entry_of(entry_id, fields)
        for entry_id, fields in rows
    ]


def entry_of(entry_id: bytes, fields: list[bytes], attempts: int = 0) -> Entry:
    """Return an entry. `payload` is the first field; other writers may have put it elsewhere."""
    if fields[0] == b"payload":
        return Entry(str(entry_id, "ascii"), fields[1], attempts)
    if fields[0] == b"layout" and fields[2:] == [] and _GENERATION.fullmatch(fields[1]):
        return Entry(str(entry_id, "ascii"), None, attempts, generation=int(fields[1]))
    named = pair_up(fields)
    return Entry(str(entry_id, "ascii"), named.get(b"payload"), attempts)
