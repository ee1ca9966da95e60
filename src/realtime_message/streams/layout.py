"""Partition count and hash, stored beside the streams so that nobody starts with other ones."""

from __future__ import annotations

from realtime_message.errors import LayoutMismatchError, StreamsError
from realtime_message.partitions import HASH_NAME
from realtime_message.streams.keys import Keys
from realtime_message.streams.scripts import load_script
from realtime_message.streams.session import Session


class Layout:
    """The stored layout of one prefix.

    Args:
        session: where the commands go.
        keys: the key names.
        partition_count: as this process is set.
    """

    def __init__(self, session: Session, keys: Keys, partition_count: int) -> None:
        self._session = session
        self._keys = keys
        self._partition_count = partition_count

    async def ensure(self) -> None:
        """Store the layout at the first start, compare it at each, and make what is missing.

        Raises:
            LayoutMismatchError: another layout is stored.
            StreamsError: the server did not answer, or refused.
        """
        await self.check()
        await self.create_groups()

    async def check(self) -> None:
        """Store the layout if there is none, else compare it. Raises as `ensure` does."""
        self._compare(
            await self._session.run_script(
                load_script("layout_store"),
                [self._keys.layout],
                [self._partition_count, HASH_NAME],
            )
        )

    async def compare(self) -> None:
        """Compare the layout if one is stored, and store nothing. Raises as `ensure` does."""
        stored = await self._session.run("HMGET", self._keys.layout, "partition_count", "hash")
        if stored != [None, None]:
            self._compare(stored)

    def _compare(self, stored: list[bytes]) -> None:
        stored_count, stored_hash = stored
        if int(stored_count) != self._partition_count:
            raise LayoutMismatchError(
                f"redis.partition_count is {self._partition_count}, but the streams under prefix "
                f"{self._keys.prefix!r} were made with {int(stored_count)}: set it to "
                f"{int(stored_count)}, or choose another redis.prefix for a new installation"
            )
        if stored_hash.decode() != HASH_NAME:
            raise LayoutMismatchError(
                f"the streams under prefix {self._keys.prefix!r} were made with the partition hash "
                f"{stored_hash.decode()!r}, this version uses {HASH_NAME!r}: use the version that "
                "made them, or choose another redis.prefix for a new installation"
            )

    async def create_groups(self) -> None:
        """Create the consumer groups that are missing, from the streams' beginnings.

        From the beginning: what was appended before the first worker came is unread.
        """
        commands = [
            (
                *("XGROUP", "CREATE", self._keys.stream(partition), self._keys.group(partition)),
                *("0", "MKSTREAM"),
            )
            for partition in range(self._partition_count)
        ]
        for reply in await self._session.call(*commands):
            if isinstance(reply, StreamsError) and "BUSYGROUP" not in str(reply):
                raise reply
