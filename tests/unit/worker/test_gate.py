"""The gate of a partition: it opens when all before the markers is handled, and only then."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from realtime_message.errors import LeaseLostError
from realtime_message.streams.contracts import Entry
from realtime_message.streams.layout_view import LayoutView, Phase
from realtime_message.testing.virtual_time import in_virtual_time, until
from realtime_message.worker.gate import Gate
from realtime_message.worker.resize_watch import ResizeWatch

MARKER = Entry("5-0", None, generation=7)
BEHIND = Entry("6-0", b"{}")


class Site:
    """What a gate sees and does: partition 0 of two that become three."""

    number = 0

    def __init__(self) -> None:
        self.reader = self.committer = self.parking = self
        self.is_draining = self.has_work = self.is_at_gate = False
        self.layout = LayoutView(
            partition_count=3,
            previous_count=2,
            generation=7,
            last_generation=7,
            phase=Phase.draining,
        )
        self.not_drained = {0, 1}
        self.notes = 0
        self.opened: list[tuple[str, int]] = []
        self.forgotten: list[str] = []
        self.is_lost = self.is_finished = False

    async def view(self) -> LayoutView:
        return self.layout

    async def undrained(self, view: LayoutView) -> frozenset[int]:
        return frozenset(self.not_drained)

    async def note_drained(self, generation: int) -> None:
        if self.is_lost:
            raise LeaseLostError(0, 1)
        self.notes += 1
        self.not_drained.discard(self.number)

    async def bring_parked(self, view: LayoutView) -> None:
        """There are none."""

    async def open(self, entry_id: str, generation: int) -> None:
        self.opened.append((entry_id, generation))

    async def reload(self) -> None:
        """Nothing is parked."""

    def forget(self, entry_id: str) -> None:
        self.forgotten.append(entry_id)

    finish = forget


class Store:
    """What the server says of the resize."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.read = site.view
        self.undrained = site.undrained
        self.finish_count = 0

    async def finish(self, view: LayoutView) -> bool:
        self.finish_count += 1
        if self.site.is_finished:
            self.site.layout = LayoutView(partition_count=3, generation=7)
        return self.site.is_finished


@pytest.fixture
def site() -> Site:
    return Site()


@pytest.fixture
def store(site: Site) -> Store:
    return Store(site)


@pytest.fixture
def watch(store: Store) -> ResizeWatch:
    # As if each answer were old: a test asks only a few times.
    return ResizeWatch(store, itertools.count(step=0.1).__next__, pytest.fail)


@pytest.fixture
def gate(site: Site, watch: ResizeWatch) -> Gate:
    made = Gate(site, site, watch)
    made.close([MARKER, BEHIND], is_fresh=True)
    return made


async def test_opens_when_all_partitions_are_drained(site: Site, gate: Gate) -> None:
    """Its marker is acknowledged by the way, so the reader is told not to keep it."""
    site.has_work = True
    assert await gate.pass_through() == ()
    assert site.notes == 0
    site.has_work = False
    assert await gate.pass_through() == ()
    assert (site.notes, site.opened) == (1, [])
    site.not_drained.clear()
    assert await gate.pass_through() == [BEHIND]
    assert (site.opened, site.forgotten) == ([("5-0", 7)], ["5-0"])
    assert not gate.is_closed
    assert site.notes == 1


async def test_marker_of_a_resize_that_may_be_given_up_is_waited_for(
    site: Site, gate: Gate
) -> None:
    """It means something once the layout is of its generation, and nothing once that is over."""
    site.layout = LayoutView(
        partition_count=2, generation=6, last_generation=7, phase=Phase.sealing
    )
    assert await gate.pass_through() == ()
    site.layout = LayoutView(partition_count=2, generation=8, last_generation=8)
    assert await gate.pass_through() == [BEHIND]
    assert (site.opened, site.forgotten) == ([], ["5-0"])


async def test_number_that_no_resize_has_given_out_holds_nothing_back(
    site: Site, gate: Gate
) -> None:
    """It is another writer's: an entry without a payload, which becomes a dead letter."""
    site.layout = LayoutView(partition_count=2, generation=6, last_generation=6)
    assert await gate.pass_through() == [Entry("5-0", None), BEHIND]
    assert (site.opened, site.forgotten, gate.is_closed) == ([], [], False)


async def test_marker_of_a_resize_that_began_a_moment_ago_is_known(site: Site) -> None:
    """What was read just before it began does not count."""
    watch = ResizeWatch(Store(site), lambda: 0.0, pytest.fail)
    begun, site.layout = site.layout, LayoutView(partition_count=2, generation=6, last_generation=6)
    gate = Gate(site, site, watch)
    assert await watch.view() == site.layout
    site.layout = begun
    gate.close([MARKER, BEHIND], is_fresh=True)
    assert await gate.pass_through() == ()
    assert gate.is_closed


async def test_note_that_the_server_lost_is_written_again(site: Site, gate: Gate) -> None:
    """As after a failover without the latest writes; else the resize would stand for ever."""
    assert await gate.pass_through() == ()
    site.not_drained.add(0)
    assert await gate.pass_through() == ()
    site.has_work = True
    assert await gate.pass_through() == ()
    assert (site.notes, site.not_drained) == (1, {0, 1})
    site.has_work = False
    assert await gate.pass_through() == ()
    assert (site.notes, site.not_drained) == (2, {1})
    site.not_drained.clear()
    assert await gate.pass_through() == [BEHIND]


@in_virtual_time
async def test_opened_gate_that_the_server_lost_is_written_again() -> None:
    """Now and then until the resize is over, and only while the partition is still ours."""
    site = Site()
    store = Store(site)
    watch = ResizeWatch(store, asyncio.get_running_loop().time, pytest.fail)
    gate = Gate(site, site, watch)
    gate.close([MARKER, BEHIND], is_fresh=True)
    site.not_drained.clear()
    assert await gate.pass_through() == [BEHIND]
    watch.notice(site.layout)
    await asyncio.sleep(1)
    assert (site.notes, len(site.opened)) == (1, 1)
    await asyncio.sleep(2)
    assert (site.notes, site.opened) == (2, [("5-0", 7)] * 2)
    site.is_lost = True
    count = store.finish_count
    await until(lambda: store.finish_count > count + 20)
    site.is_lost, site.is_finished = False, True
    await asyncio.sleep(5)
    assert (site.notes, len(site.opened)) == (2, 2)
    await watch.close()
