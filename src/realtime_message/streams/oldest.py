"""How far the workers have come in a partition, as the server sees it."""

from __future__ import annotations

from realtime_message.streams.server_errors import GroupMissingError
from realtime_message.streams.session import Session
from realtime_message.streams.wire import pair_up


async def find_oldest(session: Session, stream: str, group: str) -> str | None:
    """Return the id of the oldest entry that a group has not acknowledged; None if there is none.

    Entries that it has not read count too. Without the group there is no answer: whoever reads
    next makes it again.

    Raises:
        StreamsError: the server did not answer, or refused.
    """
    try:
        pending, groups = await session.run_all(
            ("XPENDING", stream, group), ("XINFO", "GROUPS", stream)
        )
    except GroupMissingError:
        return None
    if pending[0]:
        return str(pending[1], "ascii")
    for found in map(pair_up, groups):
        if found[b"name"] == group.encode():
            last = str(found[b"last-delivered-id"], "ascii")
            rows = await session.run("XRANGE", stream, f"({last}", "+", "COUNT", 1)
            return str(rows[0][0], "ascii") if rows else None
    return None
