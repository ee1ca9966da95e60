"""The latest overview, kept fresh: when Redis does not answer, the last one stays, with its age."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import msgspec

from realtime_message.console.overview import Overview
from realtime_message.errors import StreamsError
from realtime_message.streams.server_errors import explained

#: For one look: a server that answers more slowly counts as one that does not.
LOOK_SECONDS = 10.0


class KeptOverview(msgspec.Struct, frozen=True, kw_only=True):
    """What is known now. Times are in seconds since 1970 by this machine's clock.

    Attributes:
        overview: the last one that could be taken; None before the first.
        taken_at: when it was.
        failure: why the latest look failed, and what to do; empty if it did not.
        failing_since: when the first look failed since the last one that did not.
    """

    overview: Overview | None = None
    taken_at: float = 0.0
    failure: str = ""
    failing_since: float = 0.0

    @property
    def is_current(self) -> bool:
        """Whether there is an overview and the latest look took it."""
        return self.overview is not None and not self.failure


class OverviewKeeper:
    """Looks again and again.

    Args:
        take: takes an overview.
        where: the server, without its password, for texts.
        clock: in seconds since 1970.
        look_seconds: for how long a look may take.

    Attributes:
        kept: what is known now.
    """

    def __init__(
        self,
        take: Callable[[], Awaitable[Overview]],
        where: str,
        clock: Callable[[], float] = time.time,
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        self._take = take
        self._where = where
        self._clock = clock
        self._look_seconds = look_seconds
        self.kept = KeptOverview()

    @property
    def age_seconds(self) -> float | None:
        """How old the overview is; None before the first."""
        return None if self.kept.overview is None else self._since(self.kept.taken_at)

    @property
    def failing_seconds(self) -> float:
        """For how long no look has succeeded; 0 if the latest did."""
        return self._since(self.kept.failing_since) if self.kept.failure else 0.0

    async def look(self) -> KeptOverview:
        """Look once, and return what is known then. A failure is told, never raised."""
        try:
            async with asyncio.timeout(self._look_seconds):
                overview = await self._take()
        except StreamsError as error:
            self._note_failure(str(explained(error, self._where)))
        except TimeoutError:
            self._note_failure(
                f"Redis at {self._where} took more than {self._look_seconds:g} s to answer"
            )
        else:
            self.kept = KeptOverview(overview=overview, taken_at=self._clock())
        return self.kept

    async def keep_looking(
        self, pause_seconds: float, on_look: Callable[[KeptOverview], None] | None = None
    ) -> None:
        """Look until cancelled.

        Args:
            pause_seconds: between the end of a look and the next.
            on_look: called after each with what is known then.
        """
        while True:
            kept = await self.look()
            if on_look is not None:
                on_look(kept)
            await asyncio.sleep(pause_seconds)

    def _since(self, at: float) -> float:
        return max(0.0, self._clock() - at)

    def _note_failure(self, failure: str) -> None:
        since = self.kept.failing_since if self.kept.failure else self._clock()
        self.kept = msgspec.structs.replace(self.kept, failure=failure, failing_since=since)
