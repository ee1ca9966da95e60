"""How the partitions lie on the masters of a cluster."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from realtime_message.doctor.findings import Finding, note, warning


def review_spread(spread: Mapping[str, int]) -> Iterator[Finding]:
    """Yield how even the load can be at best.

    Args:
        spread: how many partitions each master has.
    """
    if len(spread) <= 1:
        return
    shown = ", ".join(f"{where} {count}" for where, count in sorted(spread.items()))
    idle = [where for where, count in spread.items() if count == 0]
    if idle:
        yield warning(
            f"of {len(spread)} masters {len(idle)} are without a partition ({shown})",
            "they carry nothing of the load, and the others carry all of it",
            "more partitions (redis.partition_count), or move the streams' slots",
        )
    else:
        yield note(f"partitions on the masters: {shown}")
