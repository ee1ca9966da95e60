"""What the stored layout says: how many partitions there are, and how far a resize is. Pure."""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping

import msgspec


class Phase(enum.Enum):
    """Where a resize stands; the steps are told in docs/decisions/0008-online-resize.md."""

    stable = "stable"
    """None is under way."""
    sealing = "sealing"
    """The streams are being closed for appends; the old count is in force."""
    undoing = "undoing"
    """It is given up: the streams are being opened again; the old count is in force."""
    fencing = "fencing"
    """The new count is in force; publishers of the old one are being cut off, streams opened."""
    draining = "draining"
    """Publishers use the new count; workers finish what was appended under the old one."""


class FormerCount(msgspec.Struct, frozen=True, gc=False):
    """A partition count that was in force before.

    Attributes:
        count: the number of partitions.
        ended_at: until when, in seconds since 1970 by the server's clock.
    """

    count: int
    ended_at: float


class LayoutView(msgspec.Struct, frozen=True, kw_only=True):
    """The layout as it was when it was read.

    Attributes:
        partition_count: how many partitions there are: where a message is appended now.
        generation: grows with each change of the count, also with one that is given up.
        last_generation: the greatest number that was ever given out; none is used twice.
        phase: where a resize stands.
        target_count: while sealing, the count that is to come; else 0.
        previous_count: while draining, the count before; else 0.
        former_counts: every other count that was ever in force, each once.
        touched_at: when the phase changed last, in seconds since 1970 by the server's clock.
        read_at: when this was read, by the same clock.
    """

    partition_count: int
    generation: int = 0
    last_generation: int = 0
    phase: Phase = Phase.stable
    target_count: int = 0
    previous_count: int = 0
    former_counts: tuple[FormerCount, ...] = ()
    touched_at: float = 0.0
    read_at: float = 0.0

    @property
    def is_stable(self) -> bool:
        """Whether no resize is under way."""
        return self.phase is Phase.stable

    @property
    def takes_appends(self) -> bool:
        """Whether the streams are open, so that what is appended is taken."""
        return self.phase in (Phase.stable, Phase.draining)

    @property
    def covered_count(self) -> int:
        """How many partitions need an owner now: those of the count before, too, until drained."""
        return max(self.partition_count, self.previous_count)

    @property
    def ever_count(self) -> int:
        """How many partitions have ever been in use: dead letters may lie in any of them."""
        return max(self.partition_count, *(former.count for former in self.former_counts), 0)

    def sources_of(self, partition: int) -> list[int]:
        """Return the partitions of the count before whose channels may live in one now.

        A hash with the remainder p by the one count and q by the other leaves the same remainder,
        that of p and of q, by every divisor that both counts have. So after a doubling each
        partition gets channels from one partition only.
        """
        divisor = math.gcd(self.partition_count, self.previous_count)
        return [q for q in range(self.previous_count) if (q - partition) % divisor == 0]

    @property
    def standing_seconds(self) -> float:
        """For how long the phase has not changed."""
        return max(0.0, self.read_at - self.touched_at)


def parse_layout(fields: Mapping[bytes, bytes], read_at: float) -> LayoutView:
    """Return what the stored hash says.

    Args:
        fields: of the hash; a layout of an earlier release has only the partition count.
        read_at: when it was read, in seconds since 1970 by the server's clock.
    """

    def number(name: bytes) -> int:
        return int(fields.get(name, b"0"))

    generation = number(b"generation")
    return LayoutView(
        partition_count=number(b"partition_count"),
        generation=generation,
        last_generation=max(generation, number(b"last_generation")),
        phase=Phase(fields.get(b"phase", b"stable").decode()),
        target_count=number(b"target_count"),
        previous_count=number(b"previous_count"),
        former_counts=tuple(
            FormerCount(int(count), int(ended_ms) / 1000)
            for count, _, ended_ms in (
                word.partition("@") for word in fields.get(b"former_counts", b"").decode().split()
            )
        ),
        touched_at=number(b"touched_at") / 1000,
        read_at=read_at,
    )


def former_counts_text(view: LayoutView, new_count: int) -> str:
    """Return how the former counts are stored once `new_count` replaces the present one."""
    former = {f.count: f.ended_at for f in view.former_counts}
    former[view.partition_count] = view.read_at
    former.pop(new_count, None)
    return " ".join(f"{count}@{ended_at * 1000:.0f}" for count, ended_at in sorted(former.items()))


def resize_sentence(layout: LayoutView) -> str:
    """Say how far a resize is that is under way."""
    if layout.phase is Phase.draining:
        return (
            f"resize from {layout.previous_count} to {layout.partition_count}: workers finish what "
            "was published before it"
        )
    after = layout.target_count or layout.partition_count
    return (
        f"resize to {after}: {layout.phase.value} for {layout.standing_seconds:.1f} s, publishers "
        "wait; run it again to carry it on"
    )
