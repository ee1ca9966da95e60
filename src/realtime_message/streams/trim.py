"""Trimming: handled entries go by age or length, what any consumer group still needs stays."""

from __future__ import annotations

from realtime_message.streams.keys import Keys
from realtime_message.streams.scripts import load_script
from realtime_message.streams.session import Session


class RedisStreamTrimmer:
    """Removes handled entries. See contracts.StreamTrimmer.

    Args:
        session: where the commands go.
        keys: the key names.
    """

    def __init__(self, session: Session, keys: Keys) -> None:
        self._session = session
        self._keys = keys

    async def trim(self, partition: int, retention_seconds: float, max_length: int = 0) -> int:
        """Remove handled entries; return how many. See contracts.StreamTrimmer.trim."""
        total, has_more = 0, 1
        while has_more:
            removed, has_more = await self._session.run_script(
                load_script("stream_trim"),
                [self._keys.stream(partition)],
                [round(retention_seconds * 1000), max_length],
            )
            total += int(removed)
        return total
