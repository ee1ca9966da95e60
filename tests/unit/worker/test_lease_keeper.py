"""The lease keeper by a clock of the test's own."""

from collections.abc import Sequence
from itertools import pairwise

from realtime_message.errors import StreamsUnavailableError
from realtime_message.streams.contracts import Lease
from realtime_message.telemetry.worker_metrics import Loss
from realtime_message.testing.memory.streams import MemoryStreams
from realtime_message.worker.lease_hold import LeaseHold
from realtime_message.worker.lease_keeper import LeaseKeeper

LEASE_SECONDS = 9.0


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Keeping:
    """A keeper whose turns the test takes, with one lease."""

    def __init__(self, max_blocked_seconds: float = 60.0) -> None:
        self.clock = Clock()
        self.streams = MemoryStreams(2, self.clock)
        self.blocked = 0.0
        self.lost = 0
        self.keeper = LeaseKeeper(
            self.streams.renewer,
            LEASE_SECONDS,
            clock=self.clock,
            blocked_seconds=lambda: self.blocked,
            max_blocked_seconds=max_blocked_seconds,
            on_death=lambda error: None,
        )

    async def acquire(self) -> LeaseHold:
        lease = await self.streams.leases.acquire(0, "me", LEASE_SECONDS)
        assert lease is not None
        until = self.keeper.reliable_until(self.clock.now)
        hold = LeaseHold(lease, until, self.clock, self._on_lost)
        self.keeper.add(hold)
        return hold

    def _on_lost(self) -> None:
        self.lost += 1

    def pass_time(self, seconds: float) -> None:
        """Move the clock, letting the keeper take its turns as it asked for."""
        end = self.clock.now + seconds
        while self.clock.now < end:
            pause = max(0.001, self.keeper.turn())
            self.clock.now = min(end, self.clock.now + pause)
        self.keeper.turn()


async def test_lease_is_renewed_for_as_long_as_it_is_kept() -> None:
    """Hours later it is still held, here and in the store."""
    keeping = Keeping()
    hold = await keeping.acquire()
    keeping.pass_time(3600)
    assert hold.is_held
    assert keeping.streams.partitions[0].held_until > keeping.clock.now + LEASE_SECONDS / 2


async def test_renewed_every_third_of_the_lease() -> None:
    """Two renewals may fail before the lease is in danger."""
    keeping = Keeping()
    await keeping.acquire()
    calls = []
    keeping.streams.line.on_call = lambda call, partition: calls.append((call, keeping.clock.now))
    keeping.pass_time(30)
    gaps = [b[1] - a[1] for a, b in pairwise(calls)]
    assert 9 <= len(calls) <= 11
    assert all(abs(gap - LEASE_SECONDS / 3) < 0.3 for gap in gaps)


async def test_given_up_after_two_thirds_without_a_renewal() -> None:
    """A worker that cannot reach Redis stops before its lease can have run out."""
    keeping = Keeping()
    hold = await keeping.acquire()
    keeping.pass_time(10)
    renewed_until = keeping.streams.partitions[0].held_until
    keeping.streams.line.go_away()
    keeping.pass_time(LEASE_SECONDS)
    assert (hold.lost_because, keeping.lost) == (Loss.expired, 1)
    keeping.streams.line.come_back()
    keeping.pass_time(1)
    assert keeping.streams.partitions[0].held_until == renewed_until, "it renewed what is lost"


async def test_short_outage_costs_nothing() -> None:
    """Redis away for less than a third of the lease: nothing is given up."""
    keeping = Keeping()
    hold = await keeping.acquire()
    keeping.pass_time(4)
    keeping.streams.line.go_away()
    keeping.pass_time(2.5)
    keeping.streams.line.come_back()
    keeping.pass_time(20)
    assert hold.is_held


async def test_lost_at_once_when_another_worker_has_it() -> None:
    """A renewal that is refused ends it, whatever the clock says."""
    keeping = Keeping()
    hold = await keeping.acquire()
    keeping.streams.partitions[0].held_until = 0
    await keeping.streams.leases.acquire(0, "other", LEASE_SECONDS)
    keeping.pass_time(3.1)
    assert hold.lost_because is Loss.taken


async def test_removed_lease_is_renewed_no_more() -> None:
    """After remove, the lease runs out in the store."""
    keeping = Keeping()
    hold = await keeping.acquire()
    keeping.keeper.remove(hold)
    keeping.pass_time(60)
    assert keeping.streams.partitions[0].held_until < keeping.clock.now
    assert keeping.lost == 0


async def test_blocked_loop_keeps_the_lease_up_to_the_limit() -> None:
    """A handler that blocks for long keeps its partition; one that hangs loses it."""
    keeping = Keeping(max_blocked_seconds=20)
    hold = await keeping.acquire()
    keeping.blocked = 19.0
    keeping.pass_time(30)
    assert hold.is_held
    keeping.blocked = 21.0
    keeping.pass_time(0.3)
    assert hold.lost_because is Loss.blocked


async def test_blocked_limit_can_be_switched_off() -> None:
    """0 means never."""
    keeping = Keeping(max_blocked_seconds=0)
    hold = await keeping.acquire()
    keeping.blocked = 10_000.0
    keeping.pass_time(30)
    assert hold.is_held


async def test_frozen_process_gives_up_before_it_asks() -> None:
    """Woken after its time was up, it does not renew what others may have taken and left."""
    keeping = Keeping()
    hold = await keeping.acquire()
    keeping.clock.now += 100
    assert not hold.is_held
    calls = []
    keeping.streams.line.on_call = lambda call, partition: calls.append(call)
    keeping.keeper.turn()
    assert hold.lost_because is Loss.expired
    assert calls == []


def test_hold_is_given_up_for_good() -> None:
    """Once it was found expired, a renewal that comes late does not bring it back."""
    clock = Clock()
    lost = []
    hold = LeaseHold(Lease(0, "me", 1), clock.now + 1, clock, lambda: lost.append(1))
    clock.now += 2
    assert hold.check() is False
    hold.extend(clock.now + 100)
    assert not hold.is_held
    hold.lose(Loss.taken)
    assert (hold.lost_because, lost) == (Loss.expired, [1])


def test_defect_in_the_thread_is_reported() -> None:
    """The worker hears of it: it must not go on without renewals."""
    deaths: list[BaseException] = []
    keeper = LeaseKeeper(
        MemoryStreams(1).renewer,
        LEASE_SECONDS,
        clock=lambda: 1 / 0,
        blocked_seconds=lambda: 0.0,
        max_blocked_seconds=0,
        on_death=deaths.append,
    )
    keeper.start()
    keeper.stop()
    assert isinstance(deaths[0], ZeroDivisionError)


def test_thread_survives_an_outage() -> None:
    """A real thread renews, fails, and renews again."""
    streams = MemoryStreams(1)
    keeper = LeaseKeeper(
        streams.renewer,
        0.3,
        clock=streams.server.clock,
        blocked_seconds=lambda: 0.0,
        max_blocked_seconds=0,
        on_death=lambda error: None,
    )
    state = streams.partitions[0]
    state.epoch, state.holder, state.is_released = 1, "me", False
    hold = LeaseHold(
        Lease(0, "me", 1), streams.server.clock() + 60, streams.server.clock, lambda: None
    )
    keeper.add(hold)
    failed = []

    def fail_twice(_call: str, _partition: int) -> None:
        if len(failed) < 2:
            failed.append(1)
            raise StreamsUnavailableError("away")

    streams.line.on_call = fail_twice
    keeper.start()
    deadline = streams.server.clock() + 10
    while state.held_until == 0.0 and streams.server.clock() < deadline:
        pass
    keeper.stop()
    assert state.held_until > 0
    assert hold.is_held


async def test_lease_whose_node_is_silent_costs_no_other_one() -> None:
    """What is known of no lease is asked for again soon; those that are renewed stay."""
    keeping = Keeping()
    hold = await keeping.acquire()
    lease = await keeping.streams.leases.acquire(1, "me", LEASE_SECONDS)
    assert lease is not None
    until = keeping.keeper.reliable_until(keeping.clock.now)
    silent = LeaseHold(lease, until, keeping.clock, lambda: None)
    keeping.keeper.add(silent)
    renewer = keeping.streams.renewer()

    class HalfSilent:
        """Renews partition 0 and hears nothing of partition 1."""

        def renew(self, leases: Sequence[Lease], duration_seconds: float) -> Sequence[bool | None]:
            return [
                renewer.renew([lease], duration_seconds)[0] if lease.partition == 0 else None
                for lease in leases
            ]

        def close(self) -> None:
            """Nothing is open."""

    keeping.keeper._renewer = HalfSilent()
    keeping.pass_time(LEASE_SECONDS * 2)
    assert hold.is_held
    assert silent.is_lost
