"""Trimming: handled entries go by age, whatever any consumer group still needs stays."""

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

    async def trim(self, partition: int, retention_seconds: float) -> int:
        """Remove handled entries that are older; return how many."""
        removed = await self._session.run_script(
            load_script("stream_trim"),
            [self._keys.stream(partition)],
            [round(retention_seconds * 1000)],
        )
        return int(removed)
