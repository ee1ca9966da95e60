"""How far the workers have come in a partition, as the server sees it."""

from __future__ import annotations

from realtime_message.errors import StreamsError
from realtime_message.streams.server_errors import GroupMissingError
from realtime_message.streams.session import Session


async def find_oldest(session: Session, stream: str, group: str) -> str | None:
    """Return the id of the oldest entry that a group has not acknowledged; None if there is none.

    Entries that it has not read count too. Without the group there is no answer: whoever reads
    next makes it again.

    Raises:
        StreamsError: the server did not answer, or refused.
    """
    pending, groups = await session.call(("XPENDING", stream, group), ("XINFO", "GROUPS", stream))
    if isinstance(pending, GroupMissingError):
        return None
    for reply in (pending, groups):
        if isinstance(reply, StreamsError):
            raise reply
    if pending[0]:
        return str(pending[1], "ascii")
    for flat in groups:
        found = dict(zip(flat[::2], flat[1::2], strict=True))
        if found[b"name"] == group.encode():
            last = str(found[b"last-delivered-id"], "ascii")
            rows = await session.run("XRANGE", stream, f"({last}", "+", "COUNT", 1)
            return str(rows[0][0], "ascii") if rows else None
    return None
