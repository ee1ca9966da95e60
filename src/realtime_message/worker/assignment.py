"""Which member should hold which partition. Pure: no clock, no network, the same for everyone.

Automatic assignment starts from the stored one, so that a member that joins or leaves moves as few
partitions as balance allows. Where several answers move equally few, the one nearest to a *home*
assignment is taken, which depends on nothing but the members' names. A named worker that restarts
therefore gets back what it had (perhaps but for one, where shares are uneven).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b

from realtime_message.errors import ConfigurationError

#: Between a worker's name, the same over restarts, and what tells its processes apart.
INCARNATION_SEPARATOR = "@"


def assign(
    previous: Mapping[int, str], members: Sequence[str], partition_count: int
) -> dict[int, str]:
    """Return the assignment of every partition to a member; empty without members.

    No member holds over one partition more than another, no balanced assignment moves fewer
    partitions away from `previous`, and the order of `members` does not matter.

    Args:
        previous: the last assignment; members that are gone and partitions outside the count are
            ignored.
        members: the names of the live members.
        partition_count: how many partitions there are.
    """
    names = sorted(set(members))
    if not names:
        return {}
    home = _home(names, partition_count)
    held: dict[str, list[int]] = {name: [] for name in names}
    for partition in range(partition_count):
        owner = previous.get(partition)
        if owner in held:
            held[owner].append(partition)
    shares = _shares(held, home, partition_count)
    kept = _keep(held, shares, home)
    return _fill(kept, shares, home, partition_count)


def stable_name(member: str) -> str:
    """Return the part of a member's name that is the same over restarts."""
    return member.rpartition(INCARNATION_SEPARATOR)[0] or member


def static_partitions(
    worker_id: str, total_workers: int, partitions: str, partition_count: int
) -> frozenset[int] | None:
    """Return the partitions that the settings fix, or None when assignment is automatic.

    `PARTITIONS=0,1,2` names them; otherwise, with `TOTAL_WORKERS`, partition i belongs to the
    worker whose number is `i mod TOTAL_WORKERS`.

    Raises:
        ConfigurationError: the settings contradict the layout or themselves.
    """
    if partitions.strip():
        return _listed(partitions, partition_count)
    if total_workers == 0:
        return None
    number = _worker_number(worker_id, total_workers)
    if number >= partition_count:
        raise ConfigurationError(
            f"WORKER_ID={number} of TOTAL_WORKERS={total_workers} has no partition: there are "
            f"only {partition_count}; run at most {partition_count} workers, or set up more "
            "partitions (redis.partition_count)"
        )
    return frozenset(i for i in range(partition_count) if i % total_workers == number)


def _listed(partitions: str, partition_count: int) -> frozenset[int]:
    try:
        numbers = frozenset(int(part) for part in partitions.split(",") if part.strip())
    except ValueError:
        numbers = frozenset()
    if not numbers:
        raise ConfigurationError(
            f'PARTITIONS="{partitions}" is no list of partitions; write numbers such as 0,1,2'
        )
    outside = sorted(n for n in numbers if not 0 <= n < partition_count)
    if outside:
        raise ConfigurationError(
            f"PARTITIONS names {outside[0]}, but the partitions are 0 to {partition_count - 1}"
        )
    return numbers


def _worker_number(worker_id: str, total_workers: int) -> int:
    text = worker_id.strip() or ("0" if total_workers == 1 else "")
    if not text.isdecimal() or int(text) >= total_workers:
        raise ConfigurationError(
            f'WORKER_ID="{worker_id}" does not fit TOTAL_WORKERS={total_workers}: give each worker '
            f"its own number from 0 to {total_workers - 1}, or leave TOTAL_WORKERS out to have "
            "partitions assigned automatically"
        )
    return int(text)


def _weight(member: str, partition: int) -> bytes:
    """The rendezvous weight: a hash, so that it is the same in every process and release.

    What follows the separator is left out: a worker that restarts is at home where it was.
    """
    return blake2b(f"{partition}:{stable_name(member)}".encode(), digest_size=8).digest()


def _home(names: Sequence[str], partition_count: int) -> dict[int, str]:
    """The balanced assignment that depends on names only: the heaviest pairs first."""
    base, extra = divmod(partition_count, len(names))
    pairs = sorted(
        (
            (_weight(name, partition), partition, name)
            for name in names
            for partition in range(partition_count)
        ),
        reverse=True,
    )
    home: dict[int, str] = {}
    counts: Counter[str] = Counter()
    for _, partition, name in pairs:
        if partition in home or counts[name] > base or (counts[name] == base and not extra):
            continue
        extra -= counts[name] == base
        counts[name] += 1
        home[partition] = name
    return home


def _shares(
    held: Mapping[str, Sequence[int]], home: Mapping[int, str], partition_count: int
) -> dict[str, int]:
    """How many partitions each member gets.

    The one partition more goes to members that would otherwise have to give one away, then to
    those that have it at home.
    """
    base, extra = divmod(partition_count, len(held))
    at_home = Counter(home.values())
    order = sorted(held, key=lambda name: (len(held[name]) <= base, at_home[name] <= base, name))
    return {name: base + (place < extra) for place, name in enumerate(order)}


def _keep(
    held: Mapping[str, Sequence[int]], shares: Mapping[str, int], home: Mapping[int, str]
) -> dict[int, str]:
    """What stays where it is. A member with too many gives first to whoever is at home there."""
    hungry = {name for name in held if len(held[name]) < shares[name]}

    kept: dict[int, str] = {}
    for name, partitions in held.items():

        def reluctance(partition: int, name: str = name) -> tuple[bool, bool, bytes]:
            owner = home[partition]
            return owner == name, owner not in hungry, _weight(name, partition)

        most_reluctant = sorted(partitions, key=reluctance, reverse=True)
        kept.update(dict.fromkeys(most_reluctant[: shares[name]], name))
    return kept


def _fill(
    kept: Mapping[int, str],
    shares: Mapping[str, int],
    home: Mapping[int, str],
    partition_count: int,
) -> dict[int, str]:
    """Give away the rest: home where there is room, then to the heaviest member with room."""
    assignment = dict(kept)
    room = Counter(shares)
    room.subtract(kept.values())
    free = [partition for partition in range(partition_count) if partition not in kept]

    def give(partition: int, name: str) -> None:
        assignment[partition] = name
        room[name] -= 1

    for partition in free:
        if room[home[partition]] > 0:
            give(partition, home[partition])
    for partition in free:
        if partition not in assignment:
            give(partition, _heaviest((n for n in room if room[n] > 0), partition))
    return dict(sorted(assignment.items()))


def _heaviest(names: Iterable[str], partition: int) -> str:
    return max(names, key=lambda name: _weight(name, partition))
