"""Leases and members in memory."""

from __future__ import annotations

from collections.abc import Sequence

from realtime_message.streams.contracts import Lease
from realtime_message.streams.member_contracts import MemberView
from realtime_message.testing.memory.line import Line
from realtime_message.testing.memory.state import MemoryServer


class MemoryLeaseStore:
    """See contracts.LeaseStore."""

    def __init__(self, server: MemoryServer, line: Line) -> None:
        self._server = server
        self._line = line

    async def acquire(self, partition: int, holder: str, duration_seconds: float) -> Lease | None:
        """Take the lease, or return None while another member holds it."""

        def step() -> Lease | None:
            with self._server.lock:
                state, now = self._server.partitions[partition], self._server.clock()
                if state.holder not in (None, holder) and state.held_until > now:
                    return None
                # As the script does: an epoch is not given out twice even if this one was lost.
                epoch = max(int(now * 1e6), state.epoch + 1)
                lease = Lease(partition, holder, epoch, state.is_released)
                state.epoch, state.holder, state.is_released = epoch, holder, False
                state.acquired_at, state.held_until = now, now + duration_seconds
                return lease

        return await self._line.call("acquire", partition, step)

    async def release(self, lease: Lease) -> bool:
        """Give the lease back; False if it was no longer ours."""

        def step() -> bool:
            with self._server.lock:
                state = self._server.partitions[lease.partition]
                is_held = state.holder is not None and state.held_until > self._server.clock()
                if state.epoch != lease.epoch or (is_held and state.holder != lease.holder):
                    return False
                state.holder, state.is_released = None, True
                return True

        return await self._line.call("release", lease.partition, step)


class MemoryLeaseRenewer:
    """See contracts.LeaseRenewer."""

    def __init__(self, server: MemoryServer, line: Line) -> None:
        self._server = server
        self._line = line

    def renew(self, leases: Sequence[Lease], duration_seconds: float) -> list[bool]:
        """Move the expiry of each lease; False for those that are lost."""

        def step() -> list[bool]:
            with self._server.lock:
                return [self._renew(lease, duration_seconds) for lease in leases]

        return self._line.call_now("renew", -1, step) if leases else []

    def close(self) -> None:
        """Do nothing."""

    def _renew(self, lease: Lease, duration_seconds: float) -> bool:
        state = self._server.partitions[lease.partition]
        if state.epoch != lease.epoch or state.is_released:
            return False
        state.holder = lease.holder
        state.held_until = self._server.clock() + duration_seconds
        return True


class MemoryMemberStore:
    """See contracts.MemberStore."""

    def __init__(self, server: MemoryServer, line: Line) -> None:
        self._server = server
        self._line = line

    async def heartbeat(self, member: str, ttl_seconds: float) -> MemberView:
        """Say that a member lives for another `ttl_seconds`."""

        def step() -> MemberView:
            server = self._server
            server.lives[member] = server.clock() + ttl_seconds
            return MemberView(server.live_members(), dict(server.assignment), server.version)

        return await self._line.call("heartbeat", -1, step)

    async def leave(self, member: str) -> None:
        """Take a member out at once."""
        await self._line.call("leave", -1, lambda: self._server.lives.pop(member, None))

    async def store_assignment(self, assignment: dict[int, str], version: int) -> bool:
        """Store an assignment computed from `version`; False if another one came first."""

        def step() -> bool:
            server = self._server
            if version != server.version:
                return False
            server.assignment, server.version = dict(assignment), version + 1
            return True

        return await self._line.call("store_assignment", -1, step)
