"""Holds back what comes behind the marker of a resize until all before the markers is handled.

A channel whose partition has changed has older messages in the partition where it lived before. So
nothing behind a marker is handed out before every partition from which channels may have come is
handled up to its own. The marker stays pending all the while: whoever takes the partition over
meets it first.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

import msgspec

from realtime_message.errors import LeaseLostError, StreamsError
from realtime_message.streams.contracts import Entry
from realtime_message.streams.layout_view import LayoutView
from realtime_message.streams.resize_contracts import Gatekeeper
from realtime_message.telemetry.logs import get_logger
from realtime_message.worker.held_partition import HeldPartition
from realtime_message.worker.resize_watch import ResizeWatch

log = get_logger("worker.gate")


class Gate:
    """The gate of one partition while its lease is held.

    Args:
        held: the partition.
        keeper: what its owner may do at a marker.
        watch: knows how far the resize is.

    Attributes:
        is_fresh: whether no other worker has had in hand what is held back.
    """

    def __init__(self, held: HeldPartition, keeper: Gatekeeper, watch: ResizeWatch) -> None:
        self._held = held
        self._keeper = keeper
        self._watch = watch
        #: The marker, and what was read behind it.
        self._beyond: Sequence[Entry] = ()
        self._has_noted = False
        self.is_fresh = True

    @property
    def is_closed(self) -> bool:
        """Whether something is held back."""
        return bool(self._beyond)

    def close(self, beyond: Sequence[Entry], *, is_fresh: bool) -> None:
        """Hold entries back, of which the first is a marker."""
        self._beyond = beyond
        self._has_noted = False
        self.is_fresh = is_fresh
        self._held.is_at_gate = True
        log.info("gate.closed", partition=self._held.number, generation=beyond[0].generation)

    async def pass_through(self) -> Sequence[Entry]:
        """Go as far as is possible now; return what may be handed out once the gate is open.

        Raises:
            LeaseLostError: the partition is another worker's.
        """
        with contextlib.suppress(_Closed):
            try:
                return await self._pass()
            except LeaseLostError:
                raise
            except StreamsError as error:
                log.debug("gate.unknown", partition=self._held.number, error=str(error))
        return ()

    async def _pass(self) -> Sequence[Entry]:
        marker, *behind = self._beyond
        view = await self._watch.view()
        if marker.generation > view.last_generation:
            view = await self._watch.view(is_new=True)
            if marker.generation > view.last_generation:
                # What no resize has given out is another writer's: a dead letter, as all of that.
                behind = [msgspec.structs.replace(marker, generation=0), *behind]
                return self._opened(marker, behind)
        if view.generation < marker.generation:
            raise _Closed  # it may still be given up; until then nothing is behind the marker
        if view.generation > marker.generation:
            self._held.committer.finish(marker.id)  # of one that was given up, or is long over
        else:
            await self._take_part(marker, view)
        return self._opened(marker, behind)

    def _opened(self, marker: Entry, behind: Sequence[Entry]) -> Sequence[Entry]:
        self._beyond = ()
        self._held.is_at_gate = False
        log.info("gate.opened", partition=self._held.number, generation=marker.generation)
        return behind

    async def _take_part(self, marker: Entry, view: LayoutView) -> None:
        held = self._held
        if not self._has_noted:
            if held.is_draining or held.has_work:
                raise _Closed
            await self._keeper.note_drained(marker.generation)
            self._has_noted = True
        undrained = await self._watch.undrained(view)
        # A server that lost its latest writes has lost the note, too, and nobody else writes it.
        self._has_noted = held.number not in undrained
        if not undrained.isdisjoint(view.sources_of(held.number)):
            raise _Closed
        await self._keeper.bring_parked(view)
        await self._keeper.open(marker.id, marker.generation)
        held.reader.forget(marker.id)
        self._watch.opened(self._keeper, marker)
        await held.parking.reload()


class _Closed(Exception):  # noqa: N818 - it only ends the way
    """The gate cannot be opened yet."""
