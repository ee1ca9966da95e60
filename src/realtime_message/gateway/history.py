"""Channel history in memory: a stream of publications per channel, with offset and epoch.

As in Centrifugo's memory engine, a stream forgets its publications after `history_ttl`, and its
position after `history_meta_ttl`; a position of an earlier epoch can then no longer be recovered.
"""

from __future__ import annotations

import secrets
import string
import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from msgspec.structs import replace

from realtime_message.gateway import codes
from realtime_message.gateway.codes import CommandError
from realtime_message.gateway.replies import Publication

_EPOCH_LENGTH = 8


class Position(NamedTuple):
    """A place in a channel's stream: the offset of its last publication, and which stream."""

    offset: int = 0
    epoch: str = ""


class Retention(NamedTuple):
    """How much of a channel is kept, in publications and in seconds."""

    size: int
    ttl_seconds: float
    meta_ttl_seconds: float


class _Stream:
    __slots__ = ("entries", "epoch", "expire_at", "remove_at", "top", "version", "version_epoch")

    def __init__(self) -> None:
        self.epoch = "".join(secrets.choice(string.ascii_letters) for _ in range(_EPOCH_LENGTH))
        self.top = 0
        self.entries: deque[Publication] = deque()
        self.expire_at = float("inf")
        self.remove_at = float("inf")
        self.version = 0
        self.version_epoch = ""

    @property
    def position(self) -> Position:
        return Position(self.top, self.epoch)


class History:
    """The streams of all channels.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._streams: dict[str, _Stream] = {}
        self._clock = clock

    def add(
        self,
        channel: str,
        publication: Publication,
        retention: Retention,
        *,
        version: int = 0,
        version_epoch: str = "",
    ) -> tuple[Publication | None, Position]:
        """Append a publication; return it with its offset, and the stream's position.

        Args:
            channel: the channel.
            publication: without an offset.
            retention: how much of the channel is kept.
            version: the state's version at the publisher; 0 for none.
            version_epoch: which series of versions this is.

        Returns:
            None for the publication when the stream has this version or a later one already.
        """
        stream = self._touch(channel, retention.meta_ttl_seconds)
        stream.expire_at = self._clock() + retention.ttl_seconds
        if version and version <= stream.version and version_epoch in ("", stream.version_epoch):
            return None, stream.position
        stream.top += 1
        stream.version, stream.version_epoch = version, version_epoch
        entry = replace(publication, offset=stream.top)
        stream.entries.append(entry)
        while len(stream.entries) > retention.size:
            stream.entries.popleft()
        return entry, stream.position

    def position(self, channel: str, meta_ttl_seconds: float) -> Position:
        """Return where a channel's stream stands; one that does not exist begins now."""
        return self._touch(channel, meta_ttl_seconds).position

    def read(
        self,
        channel: str,
        *,
        since: Position | None,
        limit: int,
        reverse: bool = False,
        meta_ttl_seconds: float,
    ) -> tuple[list[Publication], Position]:
        """Read publications after a position (before it, when reversed), oldest first.

        Args:
            channel: the channel.
            since: where to begin; None for the stream's end that is read first. An empty epoch
                matches any.
            limit: at most this many; 0 for the position alone, less than 0 for all.
            reverse: newest first.
            meta_ttl_seconds: as in Retention.

        Raises:
            CommandError: the position is of another epoch (112), or there is nothing before it
                (107).
        """
        if reverse and since is not None and since.offset == 0:
            raise CommandError(codes.BAD_REQUEST)
        stream = self._touch(channel, meta_ttl_seconds)
        if since is not None and since.epoch not in ("", stream.epoch):
            raise CommandError(codes.UNRECOVERABLE_POSITION)
        entries = list(stream.entries)
        if since is not None:
            if reverse:
                # Centrifugo finds nothing when the publication just before is gone.
                has_start = any(entry.offset == since.offset - 1 for entry in entries)
                entries = [e for e in entries if e.offset < since.offset] if has_start else []
            else:
                entries = [entry for entry in entries if entry.offset > since.offset]
        if reverse:
            entries.reverse()
        return (entries if limit < 0 else entries[:limit]), stream.position

    def remove(self, channel: str) -> None:
        """Forget a channel's publications; its position stays."""
        if stream := self._streams.get(channel):
            stream.entries.clear()

    def sweep(self) -> None:
        """Free what has expired in channels that nobody uses any more."""
        now = self._clock()
        for channel, stream in list(self._streams.items()):
            if stream.remove_at <= now:
                del self._streams[channel]
            elif stream.expire_at <= now:
                stream.entries.clear()

    def _touch(self, channel: str, meta_ttl_seconds: float) -> _Stream:
        now = self._clock()
        stream = self._streams.get(channel)
        if stream is None or stream.remove_at <= now:
            stream = self._streams[channel] = _Stream()
        elif stream.expire_at <= now:
            stream.entries.clear()
        stream.remove_at = now + meta_ttl_seconds
        return stream
