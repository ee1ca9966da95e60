"""What the monitor looks at: the overview, and the newest dead letters while they are shown."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from realtime_message.console.overview import Overview
from realtime_message.errors import StreamsRefusedError
from realtime_message.streams.dead_letters import DeadLetter

#: So many dead letters are shown.
NEWEST_COUNT = 20


class Lookout:
    """Takes overviews; dead letters with them, if they are wanted.

    Args:
        take_overview: looks at the whole system.
        list_newest: returns the dead letters that were given up last.

    Attributes:
        wants_letters: whether anybody sees the dead letters; others are not asked for.
        letters: as they were taken last, the newest first.
        refusal: why they could not be taken; empty if they could.
    """

    def __init__(
        self,
        take_overview: Callable[[], Awaitable[Overview]],
        list_newest: Callable[[int], Awaitable[Sequence[DeadLetter]]],
    ) -> None:
        self._take_overview = take_overview
        self._list_newest = list_newest
        self.wants_letters = False
        self.letters: Sequence[DeadLetter] = ()
        self.refusal = ""

    async def take(self) -> Overview:
        """Look once. Raises StreamsError."""
        overview = await self._take_overview()
        if self.wants_letters:
            await self.take_letters()
        return overview

    async def take_letters(self) -> None:
        """Look at the newest dead letters. Raises StreamsError."""
        try:
            self.letters, self.refusal = await self._list_newest(NEWEST_COUNT), ""
        except StreamsRefusedError as error:
            # A user without the right sees all the rest.
            self.letters, self.refusal = (), str(error)
