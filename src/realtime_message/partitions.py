"""Partitions: where a channel lives, the hash tag of their keys, how they are named. Pure.

The rule is part of the wire format: consumers of other languages compute the same number.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import md5

#: Stored in Redis beside the streams, so that a process with another rule refuses to start.
HASH_NAME = "md5-first-4-bytes-big-endian"


def partition_of(channel: str, partition_count: int) -> int:
    """Return the partition of a channel.

    The first four bytes of the MD5 of the channel's UTF-8 form, read as a big-endian unsigned
    number, modulo the partition count.
    """
    digest = md5(channel.encode(), usedforsecurity=False).digest()
    return int.from_bytes(digest[:4], "big") % partition_count


def hash_tag(stream: str) -> str:
    """Return the hash tag that puts a key beside a stream.

    Redis Cluster hashes only what stands between the first `{` and `}` of a key, so `{X}:lease`
    lands on the slot of the plain key `X`: one script may touch both.
    """
    return f"{{{stream}}}"


def shown_partitions(partitions: Iterable[int], between: str = ",") -> str:
    """Return numbers for people, in their order, with runs drawn together: `0-5,7,9,10`."""
    runs: list[list[int]] = []
    for number in sorted(partitions):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return between.join(
        f"{run[0]}-{run[-1]}" if len(run) > 2 else between.join(map(str, run))  # noqa: PLR2004 - a pair
        for run in runs
    )
