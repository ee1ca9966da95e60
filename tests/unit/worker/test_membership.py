"""Membership: who owns what is agreed on through the store, and nothing else."""

import asyncio
from types import SimpleNamespace

import pytest

from realtime_message.errors import ConfigurationError
from realtime_message.settings import WorkerSettings
from realtime_message.streams.layout_view import LayoutView, Phase
from realtime_message.testing.memory.streams import MemoryStreams
from realtime_message.testing.virtual_time import in_virtual_time, until
from realtime_message.worker import fixed_assignment, membership
from realtime_message.worker.membership import FixedAssignment, Membership, make_membership


class Member:
    """A membership that runs, and the targets that it was told."""

    def __init__(self, streams: MemoryStreams, name: str, lease_seconds: float = 9.0) -> None:
        self.targets: list[frozenset[int]] = []
        self.membership = Membership(
            streams.members,
            name,
            streams.partition_count,
            lease_seconds,
            on_target=self.targets.append,
            on_layout=lambda view: None,
        )
        self.task = asyncio.create_task(self.membership.follow())

    @property
    def target(self) -> frozenset[int]:
        return self.targets[-1] if self.targets else frozenset()

    async def die(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)

    async def leave(self) -> None:
        await self.die()
        await self.membership.leave()


def make_streams(partition_count: int = 8) -> MemoryStreams:
    return MemoryStreams(partition_count, asyncio.get_running_loop().time)


@in_virtual_time
async def test_lone_member_gets_everything_at_once() -> None:
    """The first heartbeat stores an assignment and follows it."""
    streams = make_streams()
    one = Member(streams, "one")
    await until(lambda: one.target == frozenset(range(8)), 0.1)
    await one.die()


@in_virtual_time
async def test_dead_member_is_replaced_before_its_leases_run_out() -> None:
    """Its partitions are assigned to others after two thirds of a lease, so that they wait."""
    streams = make_streams()
    loop = asyncio.get_running_loop()
    one, two = Member(streams, "one"), Member(streams, "two")
    await until(lambda: len(two.target) == 4)
    await asyncio.sleep(20)
    died_at = loop.time()
    await one.die()
    await until(lambda: len(two.target) == 8, 10)
    assert 5.0 <= loop.time() - died_at <= 7.0
    await two.die()


@in_virtual_time
async def test_leaving_hands_the_share_over_at_once() -> None:
    """The others know after their next heartbeat, half a second at most."""
    streams = make_streams()
    loop = asyncio.get_running_loop()
    members = [Member(streams, name) for name in ("one", "two", "three")]
    await until(lambda: sum(len(m.target) for m in members) == 8)
    left_at = loop.time()
    await members[0].leave()
    await until(lambda: sum(len(m.target) for m in members[1:]) == 8)
    assert loop.time() - left_at <= 0.6
    assert set(streams.server.assignment.values()) == {"two", "three"}
    for member in members[1:]:
        await member.die()


@in_virtual_time
async def test_twenty_that_start_at_once_agree() -> None:
    """All see the same assignment; each partition has one owner, and it does not change again."""
    streams = make_streams(64)
    members = [Member(streams, f"m{n}") for n in range(20)]
    await asyncio.sleep(3)
    owned = [p for m in members for p in m.target]
    assert sorted(owned) == list(range(64))
    version = streams.server.version
    changes = sum(len(m.targets) for m in members)
    await asyncio.sleep(60)
    assert streams.server.version == version
    assert sum(len(m.targets) for m in members) == changes
    for member in members:
        await member.die()


@in_virtual_time
async def test_worker_that_crashed_and_is_back_takes_its_own_place() -> None:
    """Its former process is taken out at once: nobody else's partitions move."""
    streams = make_streams()
    members = {name: Member(streams, f"{name}@1") for name in ("a", "b", "c", "d")}
    await until(lambda: all(len(m.target) == 2 for m in members.values()))
    had = {name: member.target for name, member in members.items()}
    changes = {name: len(member.targets) for name, member in members.items()}
    await members["b"].die()
    members["b"] = Member(streams, "b@2")
    await until(lambda: members["b"].target == had["b"], 1)
    await asyncio.sleep(20)
    for name in ("a", "c", "d"):
        assert members[name].target == had[name]
        assert len(members[name].targets) == changes[name]
    for member in members.values():
        await member.die()


@in_virtual_time
async def test_two_processes_with_one_name_share_and_are_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A WORKER_ID given twice is a mistake that does no harm."""
    told = []
    monkeypatch.setattr(membership.log, "warning", lambda event, **_: told.append(event))
    streams = make_streams()
    one, two = Member(streams, "w@1"), Member(streams, "w@2")
    await until(lambda: len(one.target) == len(two.target) == 4)
    await asyncio.sleep(10)
    assert one.target | two.target == set(range(8))
    assert told.count("worker.name_taken") in (1, 2)
    for member in (one, two):
        await member.die()


@in_virtual_time
async def test_outage_of_the_store_changes_nothing() -> None:
    """Without news, members keep what they have; the leases decide how long that is true."""
    streams = make_streams()
    one, two = Member(streams, "one"), Member(streams, "two")
    await until(lambda: len(one.target) == len(two.target) == 4)
    before = (one.target, two.target)
    streams.line.go_away()
    await asyncio.sleep(3)
    assert (one.target, two.target) == before
    streams.line.come_back()
    await asyncio.sleep(10)
    assert (one.target, two.target) == before
    for member in (one, two):
        await member.die()


@in_virtual_time
async def test_leaving_without_the_store_is_no_error() -> None:
    """The others find out when its time is up."""
    streams = make_streams()
    one = Member(streams, "one")
    await until(lambda: len(one.target) == 8)
    streams.line.go_away()
    await one.leave()


@in_virtual_time
async def test_nonsense_in_the_store_is_put_right() -> None:
    """Partitions outside the layout, strangers and imbalance are replaced by a good assignment."""
    streams = make_streams(4)
    streams.server.assignment, streams.server.version = {0: "stranger", 9: "one", 1: "one"}, 7
    one, two = Member(streams, "one"), Member(streams, "two")
    await until(lambda: len(one.target) == len(two.target) == 2)
    assert sorted(streams.server.assignment) == [0, 1, 2, 3]
    assert 1 in one.target
    for member in (one, two):
        await member.die()


class Layouts:
    """A partition count that a test changes."""

    def __init__(self, partition_count: int) -> None:
        self.view = LayoutView(partition_count=partition_count)

    async def read(self) -> LayoutView:
        return self.view


@in_virtual_time
@pytest.mark.parametrize(
    ("settings", "shares"),
    [
        ({"partitions": "1,3"}, [{1, 3}, {1, 3}, {1, 3}, {1}]),
        ({"id": "1", "total_workers": 2}, [{1, 3}, {1, 3, 5, 7}, {1, 3, 5, 7}, {1}]),
        ({"id": "3", "total_workers": 4}, [{3}, {3, 7}, {3, 7}, set()]),
    ],
)
async def test_fixed_assignment_asks_nobody_but_follows_the_count(
    settings: dict[str, object], shares: list[set[int]]
) -> None:
    """Static partitions are ours whatever the members say; a resize makes them more or fewer."""
    targets: list[frozenset[int]] = []
    layouts = Layouts(4)
    fixed = FixedAssignment(
        WorkerSettings(**settings), layouts, 4, targets.append, lambda view: None
    )
    task = asyncio.create_task(fixed.follow())
    await until(lambda: targets == [shares[0]])
    for view, share in zip(
        [
            LayoutView(partition_count=8, previous_count=4, phase=Phase.draining),
            # While it shrinks, the former partitions are covered until they are drained.
            LayoutView(partition_count=2, previous_count=8, phase=Phase.draining),
            LayoutView(partition_count=2),
        ],
        shares[1:],
        strict=True,
    ):
        layouts.view = view
        await until(lambda share=share: targets[-1] == share)
    task.cancel()
    await fixed.leave()


async def test_settings_decide_between_the_two() -> None:
    """TOTAL_WORKERS or PARTITIONS fix the assignment; wrong ones are refused."""

    streams = make_streams()

    def make(**settings: object) -> object:
        equipment = SimpleNamespace(
            settings=WorkerSettings(**settings),
            streams=streams,
            names=SimpleNamespace(member="m"),
        )
        return make_membership(equipment, lambda partitions: None, lambda view: None)

    assert isinstance(make(), Membership)
    assert isinstance(make(id="1", total_workers=2), FixedAssignment)
    assert isinstance(make(partitions="0,1"), FixedAssignment)
    with pytest.raises(ConfigurationError):
        make(partitions="8")


@in_virtual_time
async def test_more_static_workers_than_partitions_are_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also by those that have one; who has none refuses to start."""
    told = []
    monkeypatch.setattr(fixed_assignment.log, "warning", lambda event, **_: told.append(event))

    def make(worker_id: str, **settings: object) -> object:
        equipment = SimpleNamespace(
            settings=WorkerSettings(id=worker_id, **settings),
            streams=make_streams(),
            names=SimpleNamespace(member="m"),
        )
        return make_membership(equipment, lambda partitions: None, lambda view: None)

    assert isinstance(make("3", total_workers=12), FixedAssignment)
    assert told == ["workers.too_many"]
    make("3", total_workers=8)
    make("3", total_workers=12, partitions="0")
    assert told == ["workers.too_many"]
    with pytest.raises(ConfigurationError, match="has no partition"):
        make("9", total_workers=12)
