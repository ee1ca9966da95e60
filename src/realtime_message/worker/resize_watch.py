"""What a worker knows about a resize under way, and what it does so that one comes to its end.

The partitions' gates ask it, many times a second while they are closed; one answer serves them all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from realtime_message.errors import LeaseLostError, StreamsError
from realtime_message.streams.contracts import Entry
from realtime_message.streams.layout_view import LayoutView, Phase
from realtime_message.streams.resize_contracts import Gatekeeper, ResizeStore
from realtime_message.telemetry.logs import get_logger
from realtime_message.worker.lease_hold import Clock

log = get_logger("worker.resize_watch")

#: How old an answer may be.
_FRESH_SECONDS = 0.02
_STEP_SECONDS = 0.25
#: How often what a server may have lost is written again, while a resize is not over.
_AGAIN_SECONDS = 2.0


class ResizeWatch:
    """One for each worker.

    Args:
        store: what is stored about resizes.
        clock: seconds, never jumping.
        on_failure: called when it met a defect; the worker must stop.
    """

    def __init__(
        self, store: ResizeStore, clock: Clock, on_failure: Callable[[BaseException], None]
    ) -> None:
        self._store = store
        self._clock = clock
        self._on_failure = on_failure
        self._asking = asyncio.Lock()
        self._view: LayoutView | None = None
        self._asked_at = 0.0
        #: Of which generation it was asked last which partitions are not drained, the answer, and
        #: when.
        self._undrained: tuple[int, frozenset[int]] = (-1, frozenset())
        self._undrained_asked_at = 0.0
        #: The gates that were opened here, each by its keeper and marker.
        self._opened: list[tuple[Gatekeeper, Entry]] = []
        self._written_at = 0.0
        self._seeing_through: asyncio.Task[None] | None = None
        self._is_failing = False

    async def view(self, *, is_new: bool = False) -> LayoutView:
        """Return the layout as it was a moment ago at most, or as it is now.

        Args:
            is_new: whether it must be read after this was called.

        Raises:
            StreamsError: the streams did not answer.
        """
        async with self._asking:
            now = self._clock()
            if is_new or self._view is None or now - self._asked_at >= _FRESH_SECONDS:
                self._view = await self._store.read()
                self._asked_at = now
            return self._view

    async def undrained(self, view: LayoutView) -> frozenset[int]:
        """Return the partitions of the count before that are not handled up to their markers.

        Raises:
            StreamsError: the streams did not answer.
        """
        async with self._asking:
            now = self._clock()
            generation, undrained = self._undrained
            is_old = now - self._undrained_asked_at >= _FRESH_SECONDS
            if generation != view.generation or (undrained and is_old):
                undrained = frozenset(await self._store.undrained(view))
                self._undrained = (view.generation, undrained)
                self._undrained_asked_at = now
            return undrained

    def opened(self, keeper: Gatekeeper, marker: Entry) -> None:
        """Remember that a gate was opened: a server that loses its latest writes forgets it."""
        self._opened.append((keeper, marker))
        self._written_at = self._clock()

    def notice(self, view: LayoutView) -> None:
        """Take in a layout; one with a resize under way is watched until that is over."""
        if not view.is_stable and self._seeing_through is None:
            log.info("resize.noticed", phase=view.phase.value, partition_count=view.partition_count)
            task = asyncio.create_task(self._see_through(), name="resize watch")
            self._seeing_through = task
            task.add_done_callback(self._ended)

    async def close(self) -> None:
        """Watch no more; other workers do, or the next one."""
        if self._seeing_through is not None:
            self._seeing_through.cancel()
            await asyncio.gather(self._seeing_through, return_exceptions=True)

    async def _see_through(self) -> None:
        while True:
            try:
                view = await self.view()
                if view.is_stable:
                    self._opened.clear()
                    return
                if view.phase is Phase.draining:
                    if not await self._store.finish(view):
                        await self._write_again(view)
                else:
                    await self._store.rescue(view)
                self._is_failing = False
            except StreamsError as error:
                if not self._is_failing:
                    log.warning("resize.unseen", error=str(error))
                self._is_failing = True
            await asyncio.sleep(_STEP_SECONDS)

    async def _write_again(self, view: LayoutView) -> None:
        now = self._clock()
        if now - self._written_at < _AGAIN_SECONDS:
            return
        self._written_at = now
        for keeper, marker in list(self._opened):
            try:
                if marker.generation == view.generation:
                    await keeper.note_drained(marker.generation)
                    await keeper.open(marker.id, marker.generation)
            except LeaseLostError:
                self._opened.remove((keeper, marker))  # its next owner meets what is pending

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._seeing_through = None
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._on_failure(error)
