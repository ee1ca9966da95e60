"""Changing the partition count while everything runs.

The steps, each of which may be repeated, and is carried on by whoever comes next if the one who
took it is gone. Nobody appends between the second and the last but one; the whole takes
milliseconds.

1. `sealing` is stored, with a generation of its own.
2. Every stream, of the old count and the new one, gets a marker and is sealed (stream_seal.lua).
3. The new count is stored: `fencing`.
4. Publishers that go by the old count are cut off (publisher_fence.py).
5. The streams that stay are opened; those that fall away stay sealed. `draining` is stored.
6. The workers hold back what comes behind the markers until all before them is handled (gate.py in
   worker), and store `stable`.

Up to the third step it can be given up: `undoing` is stored under a generation after that of the
markers, which therefore mean nothing any more; publishers are cut off and the streams opened.

Every step is fenced against one who stood still and comes late: the layout changes only from the
generation and phase that were read, and a partition remembers up to which generation sealing is
over.
"""

from __future__ import annotations

import asyncio
from typing import Literal

from realtime_message.streams.keys import Keys
from realtime_message.streams.layout import Layout
from realtime_message.streams.layout_view import LayoutView, Phase, former_counts_text
from realtime_message.streams.publisher_fence import PublisherFence
from realtime_message.streams.scripts import load_script
from realtime_message.streams.session import Session
from realtime_message.telemetry.logs import get_logger

#: A step takes milliseconds. One that stands so long is nobody's any more: workers carry it on.
FORSAKEN_SECONDS = 3.0

_log = get_logger("streams.resize")


class Resizer:
    """Takes the steps that need no worker. Several may do so at once.

    Args:
        session: where the commands go.
        keys: the key names.
        layout: the stored layout.
        fence: cuts off publishers.
    """

    def __init__(self, session: Session, keys: Keys, layout: Layout, fence: PublisherFence) -> None:
        self._session = session
        self._keys = keys
        self._layout = layout
        self._fence = fence

    async def read(self) -> LayoutView:
        """Return the layout as it is now. Raises StreamsError."""
        return await self._layout.read()

    async def begin(self, view: LayoutView, count: int) -> LayoutView:
        """Take the first step, unless another resize came first; return the layout after it.

        Args:
            view: the layout, without a resize under way.
            count: the new partition count.

        Raises:
            StreamsError: the server did not answer, or refused.
        """
        # The partitions remember generations, too, should the layout have been deleted.
        known = await self._reached("unsealed", max(view.ever_count, count))
        await self._layout.change(
            view,
            phase=Phase.sealing.value,
            target_count=count,
            last_generation=max(view.last_generation, *known) + 1,
        )
        return await self._layout.read()

    async def carry_on(self, view: LayoutView) -> LayoutView:
        """Take every step that is left up to `draining` or `stable`; return the layout then.

        Raises:
            StreamsError: the server did not answer, or refused. Nothing is lost: whoever calls
                this next goes on.
        """
        while not view.takes_appends:
            if view.phase is Phase.sealing:
                await self._seal(view)
            else:
                await self._open(view)
            view = await self._layout.read()
        return view

    async def undo(self, view: LayoutView) -> LayoutView:
        """Give up a resize that is sealing; return the layout once the streams are open.

        From the third step on it is too late: then it is carried on.
        """
        if view.phase is Phase.sealing:
            # Under a generation after that of the markers: so nobody takes them for a beginning.
            generation = view.last_generation + 1
            await self._layout.change(
                view,
                phase=Phase.undoing.value,
                generation=generation,
                last_generation=generation,
            )
            view = await self._layout.read()
        return await self.carry_on(view)

    async def rescue(self, view: LayoutView) -> None:
        """See to a resize whose command is gone, so that publishers do not wait for ever.

        One that has not switched yet is given up: nobody may be there who still wants it.
        """
        if view.takes_appends or view.standing_seconds < FORSAKEN_SECONDS:
            return
        _log.warning("resize.forsaken", phase=view.phase.value, generation=view.generation)
        after = await self.undo(view)
        _log.info("resize.rescued", phase=after.phase.value, partition_count=after.partition_count)

    async def _seal(self, view: LayoutView) -> None:
        """Take steps 2 and 3."""
        generation, count = view.last_generation, view.target_count
        are_sealed = await asyncio.gather(
            *(
                self._session.run_script(
                    load_script("stream_seal"),
                    [self._keys.stream(partition), self._keys.generations(partition)],
                    [generation, self._keys.group(partition)],
                )
                for partition in range(max(view.partition_count, count))
            )
        )
        if not all(are_sealed):
            return  # it was given up, or is further, by now
        await self._layout.change(
            view,
            phase=Phase.fencing.value,
            generation=generation,
            partition_count=count,
            previous_count=view.partition_count,
            target_count=0,
            former_counts=former_counts_text(view, count),
        )

    async def _open(self, view: LayoutView) -> None:
        """Take steps 4 and 5, of a resize or of giving one up."""
        is_undone = view.phase is Phase.undoing
        cut_off = await self._fence.cut_off(view.generation)
        sealed = max(view.partition_count, view.previous_count, view.target_count)
        await asyncio.gather(
            *(
                self._session.run_script(
                    load_script("stream_unseal"),
                    [self._keys.stream(partition), self._keys.generations(partition)],
                    [view.generation, int(partition < view.partition_count)],
                )
                for partition in range(sealed)
            )
        )
        changed = await self._layout.change(
            view,
            phase=(Phase.stable if is_undone else Phase.draining).value,
            target_count=0,
        )
        if changed:
            _log.info(
                "resize.undone" if is_undone else "resize.switched",
                partition_count=view.partition_count,
                generation=view.generation,
                cut_off=cut_off,
            )

    async def undrained(self, view: LayoutView) -> list[int]:
        """Return the partitions of the count before that are not handled up to their markers."""
        return await self._lagging(view.generation, "drained", view.previous_count)

    async def finish(self, view: LayoutView) -> bool:
        """Store `stable` if every partition goes on behind its marker; return whether it does.

        Raises:
            StreamsError: the server did not answer, or refused.
        """
        if await self._lagging(view.generation, "opened", view.partition_count):
            return False
        if await self._layout.change(view, phase=Phase.stable.value, previous_count=0):
            _log.info(
                "resize.finished",
                partition_count=view.partition_count,
                generation=view.generation,
            )
        return True

    async def _lagging(
        self, generation: int, field: Literal["drained", "opened"], count: int
    ) -> list[int]:
        """Return the partitions that have not come so far."""
        reached = await self._reached(field, count)
        return [partition for partition, number in enumerate(reached) if number < generation]

    async def _reached(
        self, field: Literal["drained", "opened", "unsealed"], count: int
    ) -> list[int]:
        replies = await self._session.run_all(
            *[("HGET", self._keys.generations(partition), field) for partition in range(count)]
        )
        return [int(reply or 0) for reply in replies]
