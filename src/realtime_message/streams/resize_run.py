"""A resize from its first step to its end, as a command runs it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec

from realtime_message.errors import ResizeRefusedError, StreamsError
from realtime_message.streams.layout_view import LayoutView, Phase
from realtime_message.streams.resize import Resizer
from realtime_message.streams.resize_plan import Planner, explain

_LOOK_SECONDS = 0.1


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a resize is.

    Attributes:
        partition_count: in force now.
        phase: of the resize.
        paused_seconds: for how long nobody could append; 0 if that was not here.
        waiting_for: partitions whose older messages are not handled yet.
    """

    partition_count: int
    phase: Phase
    paused_seconds: float = 0.0
    waiting_for: tuple[int, ...] = ()


class ResizeRun:
    """Runs one resize.

    Args:
        resizer: takes the steps.
        planner: says what speaks against it.
        on_progress: called when there is something new to tell.
    """

    def __init__(
        self, resizer: Resizer, planner: Planner, on_progress: Callable[[Progress], None]
    ) -> None:
        self._resizer = resizer
        self._planner = planner
        self._on_progress = on_progress

    async def switch(self, count: int) -> LayoutView:
        """Change the count; return the layout once everyone appends by it.

        Raises:
            ResizeRefusedError: it cannot be done; nothing was changed.
            StreamsError: it stopped halfway; the text says what to do.
        """
        loop = asyncio.get_running_loop()
        view = await self._resizer.read()
        if view.phase is Phase.undoing:
            view = await self._resizer.carry_on(view)
        plan = await self._planner.plan(view, count)
        if plan.refusals:
            raise ResizeRefusedError("; ".join(plan.refusals))
        began_at = loop.time()
        try:
            if view.is_stable:
                view = await self._resizer.begin(view, count)
            view = await self._resizer.carry_on(view)
        except StreamsError as error:
            raise StreamsError(explain(error)) from None
        if view.partition_count != count:
            raise ResizeRefusedError(
                f"another command changed the partition count to {view.partition_count}, or gave "
                "this resize up, at the same time"
            )
        paused = round(loop.time() - began_at, 3)
        self._tell(view, paused_seconds=paused)
        return view

    async def undo(self) -> LayoutView:
        """Give a resize up that has not switched yet; return the layout.

        Raises:
            ResizeRefusedError: none is under way, or it is too late.
            StreamsError: it stopped halfway; run it again.
        """
        view = await self._resizer.read()
        if view.takes_appends and view.is_stable:
            raise ResizeRefusedError("no resize is under way")
        if view.phase in (Phase.fencing, Phase.draining):
            raise ResizeRefusedError(
                f"the count has been {view.partition_count} since, so it is too late to give the "
                f"resize up: when it is over, resize to {view.previous_count} again"
            )
        return await self._resizer.undo(view)

    async def wait(self, view: LayoutView, timeout_seconds: float) -> LayoutView:
        """Wait until the workers have handled all that was appended under the former count.

        Returns:
            The layout; not stable if that took longer than the time. The workers go on.

        Raises:
            StreamsError: the server did not answer, or refused.
        """
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + timeout_seconds
        told: list[int] = []
        while view.phase is Phase.draining and loop.time() < give_up_at:
            lagging = await self._resizer.undrained(view)
            if lagging != told:
                told = lagging
                self._tell(view, waiting_for=tuple(lagging))
            await self._resizer.finish(view)
            await asyncio.sleep(_LOOK_SECONDS)
            view = await self._resizer.read()
        return view

    def _tell(
        self, view: LayoutView, paused_seconds: float = 0.0, waiting_for: tuple[int, ...] = ()
    ) -> None:
        self._on_progress(
            Progress(
                partition_count=view.partition_count,
                phase=view.phase,
                paused_seconds=paused_seconds,
                waiting_for=waiting_for,
            )
        )
