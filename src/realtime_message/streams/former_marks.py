"""Resends across a resize: their mark lies beside the stream where the first append went.

As long as marks from before a change of the partition count live, an append that may be a resend is
preceded by a look at the partitions where its channel lived before. What stands there is final: the
stream was sealed before anyone could append by the new count.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec

from realtime_message.partitions import partition_of
from realtime_message.streams.append_outcome import outcome_of
from realtime_message.streams.contracts import Appended, Dedup
from realtime_message.streams.keys import Keys, dedup_digest
from realtime_message.streams.layout_view import LayoutView
from realtime_message.streams.session import Session

#: A mark may live longer than it should by the clocks' difference, never shorter.
_MARGIN_SECONDS = 5.0


class Candidate(msgspec.Struct, frozen=True):
    """An append that may be a resend.

    Attributes:
        channel: of the message.
        dedup: how to recognise it.
    """

    channel: str
    dedup: Dedup


class Mark(msgspec.Struct, frozen=True):
    """What was kept of the first append.

    Attributes:
        partition: where that went.
        key: where the mark lies.
        text: as it is stored.
    """

    partition: int
    key: str
    text: bytes

    @property
    def appended(self) -> Appended:
        """What a resend is confirmed with."""
        entry_id, _, reply = self.text.partition(b" ")
        appended = outcome_of([entry_id, reply])
        assert isinstance(appended, Appended)  # noqa: S101 - it is what a script would answer
        return appended


class FormerMarks:
    """The marks from before the latest changes of the partition count.

    Args:
        session: where the commands go.
        keys: the key names.
        view: the layout.

    Attributes:
        may_be: whether some may still live.
    """

    def __init__(self, session: Session, keys: Keys, view: LayoutView) -> None:
        self._session = session
        self._keys = keys
        self._loop = asyncio.get_running_loop()
        #: The former counts, and when each ended by the event loop's clock.
        self._ended_at: dict[int, float] = {}
        self._partition_count = view.partition_count
        self.may_be = False
        self.follow(view)

    def follow(self, view: LayoutView) -> None:
        """Go by another layout."""
        now = self._loop.time()
        self._partition_count = view.partition_count
        self._ended_at = {
            former.count: now - (view.read_at - former.ended_at) for former in view.former_counts
        }
        self.may_be = bool(self._ended_at)

    async def find(self, candidates: Sequence[Candidate]) -> list[Mark | None]:
        """Return the mark of each that is a resend.

        Raises:
            StreamsError: the server did not answer, or refused.
        """
        places = [self._places(candidate) for candidate in candidates]
        keys = [(partition, key) for found in places for partition, key in found]
        replies = iter(await self._session.run_all(*[("GET", key) for _, key in keys]))
        marks: list[Mark | None] = []
        for found in places:
            mark = None
            for partition, key in found:
                text = next(replies)
                if text is not None:
                    mark = Mark(partition, key, text)
            marks.append(mark)
        return marks

    def _places(self, candidate: Candidate) -> list[tuple[int, str]]:
        """Return the other partitions where a mark may lie, and its key there."""
        window_seconds = candidate.dedup.window_ms / 1000 + _MARGIN_SECONDS
        over = [c for c, at in self._ended_at.items() if self._loop.time() - at > window_seconds]
        for count in over:
            del self._ended_at[count]
        self.may_be = bool(self._ended_at)
        present = partition_of(candidate.channel, self._partition_count)
        former = {partition_of(candidate.channel, count) for count in self._ended_at}
        digest = dedup_digest(candidate.dedup.key)
        return [(p, self._keys.dedup(p, digest)) for p in sorted(former - {present})]
