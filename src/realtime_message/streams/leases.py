"""Leases: who may process a partition, and until when by the server's clock."""

from __future__ import annotations

from collections.abc import Sequence

import redis
from redis.exceptions import NoScriptError

from realtime_message.streams.connection import Connector
from realtime_message.streams.contracts import Lease
from realtime_message.streams.keys import Keys
from realtime_message.streams.scripts import load_script
from realtime_message.streams.server_errors import from_client
from realtime_message.streams.session import Session


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


class RedisLeaseRenewer:
    """Renews leases from a thread of its own. See contracts.LeaseRenewer.

    Args:
        connector: opens the connection, at the first renewal and after each loss.
        keys: the key names.
    """

    def __init__(self, connector: Connector, keys: Keys) -> None:
        self._client = connector.connect_in_thread()
        self._where = connector.where
        self._keys = keys
        self._script = load_script("lease_renew")

    def renew(self, leases: Sequence[Lease], duration_seconds: float) -> list[bool]:
        """Move the expiry of each lease, in one round trip; False for those that are lost.

        Raises:
            StreamsUnavailableError: no answer within the command time-out; nothing is known.
            StreamsRefusedError: the server refused.
        """
        if not leases:
            return []
        try:
            try:
                replies = self._evaluate(leases, duration_seconds)
            except NoScriptError:
                self._client.script_load(self._script.text)
                replies = self._evaluate(leases, duration_seconds)
        except (redis.RedisError, OSError) as error:
            raise from_client(error, self._where) from None
        return [bool(reply) for reply in replies]

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def _evaluate(self, leases: Sequence[Lease], duration_seconds: float) -> list[object]:
        pipeline = self._client.pipeline(transaction=False)
        for lease in leases:
            keys = (self._keys.lease(lease.partition), self._keys.epoch(lease.partition))
            arguments = (lease.holder, lease.epoch, to_ms(duration_seconds))
            pipeline.evalsha(self._script.sha, 2, *keys, *arguments)
        replies: list[object] = pipeline.execute()
        return replies
