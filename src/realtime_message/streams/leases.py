"""Leases: who may process a partition, and until when by the server's clock."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from realtime_message.errors import StreamsError
from realtime_message.settings import RedisSettings
from realtime_message.streams.connection import Connector
from realtime_message.streams.contracts import Lease
from realtime_message.streams.keys import Keys
from realtime_message.streams.scripts import load_script
from realtime_message.streams.server_errors import ScriptMissingError
from realtime_message.streams.session import Session
from realtime_message.streams.wire import Command


def to_ms(seconds: float) -> int:
    """Return whole milliseconds, at least one: Redis refuses an expiry of nothing."""
    return max(1, round(seconds * 1000))


class RedisLeaseStore:
    """Takes and gives back leases. See contracts.LeaseStore.

    Args:
        session: where the commands go.
        keys: the key names.
    """

    def __init__(self, session: Session, keys: Keys) -> None:
        self._session = session
        self._keys = keys

    async def acquire(self, partition: int, holder: str, duration_seconds: float) -> Lease | None:
        """Take the lease, or return None while another member holds it.

        Raises:
            StreamsUnavailableError: no answer. If the lease was taken all the same, the next
                acquire by the same holder takes it again.
        """
        taken = await self._session.run_script(
            load_script("lease_acquire"),
            [self._keys.lease(partition), self._keys.epoch(partition)],
            [holder, to_ms(duration_seconds)],
        )
        if taken is None:
            return None
        epoch, is_handed_over = taken
        return Lease(partition, holder, int(epoch), bool(is_handed_over))

    async def release(self, lease: Lease) -> bool:
        """Give the lease back; False if it was no longer ours."""
        released = await self._session.run_script(
            load_script("lease_release"),
            [self._keys.lease(lease.partition), self._keys.epoch(lease.partition)],
            [lease.holder, lease.epoch],
        )
        return bool(released)

    async def revoke(self, partition: int, seen_epoch: int) -> int | None:
        """Take a lease away from whoever holds it under an epoch, as an operator does.

        The former holder can neither read nor acknowledge any more, nor renew.

        Args:
            partition: its number.
            seen_epoch: the epoch under which the holder was seen to hold it.

        Returns:
            The partition's new epoch; None if it changed hands or became free meanwhile.
        """
        epoch = await self._session.run_script(
            load_script("lease_revoke"),
            [self._keys.lease(partition), self._keys.epoch(partition)],
            [seen_epoch],
        )
        return None if epoch is None else int(epoch)


#: For how long a renewal follows a key that a cluster has just moved.
RETRY_SECONDS = 0.1


class RedisLeaseRenewer:
    """Renews leases from a thread of its own. See contracts.LeaseRenewer.

    The thread has an event loop of its own, which runs during a renewal only: connections, clusters
    and Sentinel are found as everywhere else.

    Args:
        settings: where the server is, and time-outs.
        keys: the key names.
    """

    def __init__(self, settings: RedisSettings, keys: Keys) -> None:
        self._settings = settings
        self._keys = keys
        self._script = load_script("lease_renew")
        self._runner: asyncio.Runner | None = None
        self._session: Session | None = None

    def renew(self, leases: Sequence[Lease], duration_seconds: float) -> list[bool | None]:
        """Move the expiry of each lease, in one round trip; False for those that are lost.

        None for one whose node of a cluster does not answer, or refuses, while others do.

        Raises:
            StreamsUnavailableError: no answer within the command time-out; nothing is known.
            StreamsRefusedError: the server refused.
        """
        if not leases:
            return []
        if self._runner is None:
            self._runner = asyncio.Runner()
        replies = self._runner.run(self._renew(leases, duration_seconds))
        errors = [reply for reply in replies if isinstance(reply, StreamsError)]
        if len(errors) == len(replies):
            raise errors[0]
        return [None if isinstance(reply, StreamsError) else bool(reply) for reply in replies]

    def close(self) -> None:
        """Close the connections."""
        if self._runner is not None:
            self._runner.run(self._close())
            self._runner.close()
            self._runner = None

    async def _renew(self, leases: Sequence[Lease], duration_seconds: float) -> list[Any]:
        if self._session is None:
            # No node of a cluster may keep the leases on the others from being renewed in time.
            limit_seconds = self._settings.command_timeout_seconds
            connect_seconds = min(limit_seconds, self._settings.connect_timeout_seconds)
            settings = replace(self._settings, connect_timeout_seconds=connect_seconds)
            self._session = Session(
                Connector(settings), limit_seconds, self._keys.layout, RETRY_SECONDS
            )
        else:
            # Two turns of the loop: connections that were lost meanwhile are seen before their use.
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        replies = await self._evaluate(self._session, "EVALSHA", leases, duration_seconds)
        if any(isinstance(reply, ScriptMissingError) for reply in replies):
            replies = await self._evaluate(self._session, "EVAL", leases, duration_seconds)
        return replies

    async def _evaluate(
        self, session: Session, name: str, leases: Sequence[Lease], duration_seconds: float
    ) -> list[Any]:
        script = self._script.sha if name == "EVALSHA" else self._script.text
        commands: list[Command] = []
        for lease in leases:
            keys = (self._keys.lease(lease.partition), self._keys.epoch(lease.partition))
            arguments = (lease.holder, lease.epoch, to_ms(duration_seconds))
            commands.append((name, script, len(keys), *keys, *arguments))
        return await session.call(*commands)

    async def _close(self) -> None:
        if self._session is not None:
            self._session.close()
