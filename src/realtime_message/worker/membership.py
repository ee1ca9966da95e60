"""Who else is there, and which partitions are ours."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

from realtime_message.errors import StreamsError
from realtime_message.streams.layout_view import LayoutView
from realtime_message.streams.member_contracts import MemberStore, MemberView
from realtime_message.telemetry.logs import get_logger
from realtime_message.worker.assignment import assign, stable_name
from realtime_message.worker.backoff import backoff_delays
from realtime_message.worker.equipment import Equipment
from realtime_message.worker.fixed_assignment import FixedAssignment

log = get_logger("worker.membership")

# Of a lease's duration. A member that is silent for two thirds has given up its partitions by its
# own clock: others may get them assigned, and wait for the leases to run out.
_LIFE = 2 / 3
_HEARTBEAT = 1 / 9
# However long the lease: how soon a worker that joins or leaves is noticed.
_MAX_HEARTBEAT_SECONDS = 0.5
# More pairs of member and partition take over about 20 ms to assign: not in the event loop.
_MANY_PAIRS = 5000


class Membership:
    """Keeps this worker among the members and follows the stored assignment.

    Whoever sees that the assignment does not fit the members computes a new one and stores it by
    compare-and-set: of several that try at once one wins, and all follow what is stored. So workers
    that join or leave in a storm cannot disagree.

    Args:
        members: the store.
        name: this worker's name among them.
        partition_count: how many partitions there are; heartbeats tell when that changes.
        lease_seconds: the duration of leases, from which the intervals follow.
        on_target: called with the partitions that are ours, when that changes.
        on_layout: called with the layout that each heartbeat shows.
    """

    def __init__(
        self,
        members: MemberStore,
        name: str,
        partition_count: int,
        lease_seconds: float,
        *,
        on_target: Callable[[frozenset[int]], None],
        on_layout: Callable[[LayoutView], None],
    ) -> None:
        self._members = members
        self._name = name
        self._partition_count = partition_count
        self._life_seconds = lease_seconds * _LIFE
        self._interval_seconds = min(_MAX_HEARTBEAT_SECONDS, lease_seconds * _HEARTBEAT)
        self._on_target = on_target
        self._on_layout = on_layout
        self._target: frozenset[int] | None = None
        self._has_replaced = False
        self._has_named_double = False

    async def follow(self) -> None:
        """Send heartbeats and follow the assignment until cancelled."""
        delays = backoff_delays()
        is_failing = False
        while True:
            try:
                await self._beat()
            except StreamsError as error:
                # What is held stays held as long as its leases are; nothing else is known.
                if not is_failing:
                    log.warning("heartbeat.failed", error=str(error))
                is_failing = True
                await asyncio.sleep(next(delays))
                continue
            if is_failing:
                log.info("heartbeat.recovered")
                is_failing = False
                delays = backoff_delays()
            await asyncio.sleep(self._interval_seconds)

    async def leave(self) -> None:
        """Step back: leave the members and hand our share to the others.

        Done before the drain, so that the others are already waiting for the leases when those
        are released.
        """
        try:
            view = await self._heartbeat()
            await self._members.leave(self._name)
            others = [member for member in view.members if member != self._name]
            if others:
                await self._store(view, others)
        except StreamsError as error:
            log.warning("leave.failed", error=str(error))

    async def _beat(self) -> None:
        view = await self._heartbeat()
        doubles = [m for m in view.members if m != self._name and _is_same_worker(m, self._name)]
        if doubles:
            view = await self._replace(doubles, view)
        while not _fits(view.assignment, view.members, self._partition_count):
            await self._store(view, view.members)
            # Ours or another one's: what counts is what is stored.
            view = await self._heartbeat()
        self._take_notice(view)

    async def _heartbeat(self) -> MemberView:
        """Say that we live; see who else does, and how many partitions need an owner."""
        view = await self._members.heartbeat(self._name, self._life_seconds)
        if view.layout is not None:
            self._partition_count = view.layout.covered_count
            self._on_layout(view.layout)
        return view

    async def _replace(self, doubles: Sequence[str], view: MemberView) -> MemberView:
        """Take the place of a former process of this worker, which has crashed; return a new view.

        If it has not, it is back with its next heartbeat: then two run under one name. Leases keep
        them apart, so this is a mistake that does no harm.
        """
        if self._has_replaced:
            if not self._has_named_double:
                self._has_named_double = True
                log.warning(
                    "worker.name_taken",
                    worker=stable_name(self._name),
                    advice="another process has the same WORKER_ID; give each one of its own",
                )
            return view
        self._has_replaced = True
        for double in doubles:
            await self._members.leave(double)
        return await self._heartbeat()

    async def _store(self, view: MemberView, members: Sequence[str]) -> None:
        computing = (view.assignment, members, self._partition_count)
        if len(members) * self._partition_count > _MANY_PAIRS:
            assignment = await asyncio.to_thread(assign, *computing)
        else:
            assignment = assign(*computing)
        if await self._members.store_assignment(assignment, view.version):
            log.info(
                "assignment.stored",
                version=view.version + 1,
                members=len(members),
                moved=sum(view.assignment.get(p) != m for p, m in assignment.items()),
            )

    def _take_notice(self, view: MemberView) -> None:
        target = frozenset(p for p, member in view.assignment.items() if member == self._name)
        if target != self._target:
            self._target = target
            log.info(
                "assignment.changed",
                partitions=sorted(target),
                members=len(view.members),
            )
            self._on_target(target)


def make_membership(
    equipment: Equipment,
    on_target: Callable[[frozenset[int]], None],
    on_layout: Callable[[LayoutView], None],
) -> Membership | FixedAssignment:
    """Return what decides about the partitions: the members together, or the settings.

    Args:
        equipment: what the worker works with.
        on_target: called with the partitions that are ours.
        on_layout: called with each layout that was seen.

    Raises:
        ConfigurationError: the settings contradict the layout.
    """
    settings, streams = equipment.settings, equipment.streams
    count = streams.partition_count
    if settings.partitions.strip() or settings.total_workers:
        return FixedAssignment(settings, streams.resizer, count, on_target, on_layout)
    return Membership(
        streams.members,
        equipment.names.member,
        count,
        settings.lease_seconds,
        on_target=on_target,
        on_layout=on_layout,
    )


def _is_same_worker(one: str, other: str) -> bool:
    return stable_name(one) == stable_name(other)


def _fits(assignment: Mapping[int, str], members: Sequence[str], partition_count: int) -> bool:
    """Whether the assignment is complete, names live members only and is balanced within one."""
    if assignment.keys() != set(range(partition_count)):
        return False
    counts = dict.fromkeys(members, 0)
    for member in assignment.values():
        if member not in counts:
            return False
        counts[member] += 1
    return max(counts.values()) - min(counts.values()) <= 1
