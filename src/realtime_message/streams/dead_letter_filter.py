"""Which dead letters are meant. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from re import Pattern

from realtime_message.patterns import compile_pattern
from realtime_message.streams.dead_letters import DeadLetter


@dataclass(frozen=True)
class LetterFilter:
    """What a dead letter must be like; what is not given fits all.

    Attributes:
        names: these and no others, as DeadLetter.name; empty for all.
        channel: a channel or a pattern with `*`.
        error: part of the error, upper or lower case.
        reason: part of the reason, upper or lower case.
        partition: where it came from.
        buried_from: given up at this time or later, in seconds since 1970 by the server's clock.
        buried_to: given up at this time or earlier.
    """

    names: frozenset[str] = frozenset()
    channel: str = ""
    error: str = ""
    reason: str = ""
    partition: int | None = None
    buried_from: float | None = None
    buried_to: float | None = None

    def takes_partition(self, partition: int) -> bool:
        """Whether a partition may hold some that fit."""
        if self.partition is not None and self.partition != partition:
            return False
        return not self.names or any(n.startswith(f"{partition}:") for n in self.names)

    def takes(self, letter: DeadLetter) -> bool:
        """Whether a dead letter fits."""
        if self.names and letter.name not in self.names:
            return False
        if self.buried_from is not None and letter.buried_at < self.buried_from:
            return False
        if self.buried_to is not None and letter.buried_at > self.buried_to:
            return False
        return (
            self.takes_partition(letter.partition)
            and self.error.casefold() in letter.error.casefold()
            and self.reason.casefold() in letter.reason.casefold()
            and self._takes_channel(letter)
        )

    def _takes_channel(self, letter: DeadLetter) -> bool:
        if not self.channel:
            return True
        channel = letter.channel
        return channel is not None and self._channels.fullmatch(channel) is not None

    @cached_property
    def _channels(self) -> Pattern[str]:
        return compile_pattern(self.channel)


@dataclass(frozen=True, slots=True)
class LetterCriteria:
    """Which dead letters an operator means; ages count from when one looks.

    Attributes:
        names: these and no others; empty for all.
        channel: a channel or a pattern.
        error: part of the error.
        reason: part of the reason.
        older_seconds: given up at least so long ago.
        younger_seconds: given up at most so long ago.
        partition: where it came from.
    """

    names: frozenset[str] = frozenset()
    channel: str = ""
    error: str = ""
    reason: str = ""
    older_seconds: float | None = None
    younger_seconds: float | None = None
    partition: int | None = None

    @property
    def is_narrow(self) -> bool:
        """Whether anything is asked for at all."""
        ages = (self.older_seconds, self.younger_seconds, self.partition)
        texts = (self.names, self.channel, self.error, self.reason)
        return any(texts) or any(age is not None for age in ages)

    def filter_at(self, now: float) -> LetterFilter:
        """Return what fits at a time, in seconds since 1970 by the server's clock."""
        older, younger = self.older_seconds, self.younger_seconds
        return LetterFilter(
            names=self.names,
            channel=self.channel,
            error=self.error,
            reason=self.reason,
            partition=self.partition,
            buried_from=None if younger is None else now - younger,
            # What is given up while we look is not meant: it may be what was replayed just now.
            buried_to=now - (older or 0.0),
        )
