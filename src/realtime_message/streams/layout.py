"""Partition count and hash, stored beside the streams so that nobody starts with other ones.

The count can be changed while everything runs; see resize.py.
"""

from __future__ import annotations

from collections.abc import Mapping

from realtime_message.errors import LayoutMismatchError, StreamsError, StreamsFullError
from realtime_message.partitions import HASH_NAME
from realtime_message.streams.keys import Keys
from realtime_message.streams.layout_view import LayoutView, parse_layout
from realtime_message.streams.scripts import load_script
from realtime_message.streams.session import Session
from realtime_message.streams.wire import Command, pair_up
from realtime_message.telemetry.logs import get_logger

_log = get_logger("streams.layout")


class Layout:
    """The stored layout of one prefix.

    Args:
        session: where the commands go.
        keys: the key names.
        partition_count: as this process is set.

    Attributes:
        view: as it was read last; before the first read what the settings say.
    """

    def __init__(self, session: Session, keys: Keys, partition_count: int) -> None:
        self._session = session
        self._keys = keys
        self._partition_count = partition_count
        self.view = LayoutView(partition_count=partition_count)

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
        self._compare(*await self._stored(self._partition_count))

    async def compare(self) -> None:
        """Compare the layout if one is stored, and store nothing. Raises as `ensure` does."""
        fields, read_at = await self._stored()
        if fields:
            self._compare(fields, read_at)

    async def read(self) -> LayoutView:
        """Return the layout as it is now; as it was read last if none is stored any more.

        Raises:
            StreamsError: the server did not answer, or refused.
        """
        fields, read_at = await self._stored()
        if b"partition_count" in fields:
            self.view = parse_layout(fields, read_at)
        return self.view

    async def change(self, view: LayoutView, **fields: str | int) -> bool:
        """Store fields, unless generation or phase have changed since the view was read.

        Returns:
            Whether they were stored.

        Raises:
            StreamsError: the server did not answer, or refused.
        """
        flat = [part for name, value in fields.items() for part in (name, value)]
        changed = await self._session.run_script(
            load_script("layout_change"),
            [self._keys.layout],
            [view.generation, view.phase.value, *flat],
        )
        return bool(changed)

    async def create_groups(self) -> None:
        """Create the consumer groups that are missing, from the streams' beginnings.

        From the beginning: what was appended before the first worker came is unread.
        """
        commands: list[Command] = [
            (
                *("XGROUP", "CREATE", self._keys.stream(partition), self._keys.group(partition)),
                *("0", "MKSTREAM"),
            )
            for partition in range(self.view.covered_count)
        ]
        for reply in await self._session.call(*commands):
            if isinstance(reply, StreamsFullError):
                continue  # it may be there; else whoever reads first makes it
            if isinstance(reply, StreamsError) and "BUSYGROUP" not in str(reply):
                raise reply

    async def _stored(self, partition_count: int = 0) -> tuple[dict[bytes, bytes], float]:
        """Return the hash and the server's time; store a first one if a count is given."""
        flat, now_ms = await self._session.run_script(
            load_script("layout_store"), [self._keys.layout], [partition_count, HASH_NAME]
        )
        return pair_up(flat), int(now_ms) / 1000

    def _compare(self, stored: Mapping[bytes, bytes], read_at: float) -> None:
        stored_hash = stored.get(b"hash", b"").decode()
        if stored_hash != HASH_NAME:
            raise LayoutMismatchError(
                f"the streams under prefix {self._keys.prefix!r} were made with the partition hash "
                f"{stored_hash!r}, this version uses {HASH_NAME!r}: use the version that "
                "made them, or choose another redis.prefix for a new installation"
            )
        view = parse_layout(stored, read_at)
        if view.partition_count != self._partition_count:
            self._check_former(view)
        self.view = view

    def _check_former(self, view: LayoutView) -> None:
        """Let a process start that was set up before a resize, or with what one will lead to."""
        count, known = self._partition_count, {former.count for former in view.former_counts}
        if count in known or (count == view.target_count):
            _log.warning(
                "partition_count.outdated",
                set_to=count,
                stored=view.partition_count,
                advice="the stored number is used; set redis.partition_count to it",
            )
            return
        made = "have been resized to" if view.former_counts else "were made with"
        raise LayoutMismatchError(
            f"redis.partition_count is {count}, but the streams under prefix "
            f"{self._keys.prefix!r} {made} {view.partition_count}: set it to "
            f"{view.partition_count}, or choose another redis.prefix for a new installation"
        )
