"""Dead letters for the pages: read when they are asked for, within limits."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from realtime_message.errors import StreamsError, StreamsUnavailableError
from realtime_message.streams import Streams
from realtime_message.streams.dead_letter_filter import LetterCriteria
from realtime_message.streams.dead_letters import DeadLetter
from realtime_message.streams.letter_selection import find_page
from realtime_message.streams.server_errors import explained

#: For one page: a search among very many letters ends here.
SEARCH_SECONDS = 5.0

T = TypeVar("T")


class LetterReader:
    """Reads dead letters, one page at a time: no more than that is ever in memory.

    Args:
        streams: of its own, so that a long search holds up no look.
        search_seconds: for how long one may take.
    """

    def __init__(self, streams: Streams, search_seconds: float = SEARCH_SECONDS) -> None:
        self._streams = streams
        self._search_seconds = search_seconds
        self._turn = asyncio.Lock()

    async def find_page(
        self, criteria: LetterCriteria, count: int, after: tuple[int, str] | None
    ) -> list[DeadLetter]:
        """Return the next letters that fit, in the order in which they were given up.

        Args:
            criteria: which are meant.
            count: at most so many.
            after: partition and id of the last one of the page before.

        Raises:
            StreamsError: the server did not answer in time, or refused; the text says what to do.
        """
        letters = self._streams.dead_letters

        async def read() -> list[DeadLetter]:
            wanted = criteria.filter_at(await letters.now())
            return await find_page(letters, wanted, count, after)

        return await self._within_limits(read)

    async def find(self, partition: int, letter_id: str) -> DeadLetter | None:
        """Return one letter; None if it is not there. Raises as `find_page` does."""
        return await self._within_limits(
            lambda: self._streams.dead_letters.find(partition, letter_id)
        )

    async def _within_limits(self, read: Callable[[], Awaitable[T]]) -> T:
        try:
            async with asyncio.timeout(self._search_seconds), self._turn:
                await self._streams.layout.read()
                return await read()
        except TimeoutError:
            raise StreamsUnavailableError(
                f"the search took more than {self._search_seconds:g} s: name a partition, or use "
                "rtm dead-letters list, which takes its time"
            ) from None
        except StreamsError as error:
            raise explained(error, self._streams.where) from None
