"""The partitions: who works on them, what waits, what failed, and who else reads them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from realtime_message.doctor.findings import Finding, counted, error, note, warning
from realtime_message.partitions import shown_partitions
from realtime_message.patterns import compile_pattern
from realtime_message.streams.flow import FlowView
from realtime_message.streams.inspect import GroupView, PartitionView
from realtime_message.streams.keys import Keys
from realtime_message.streams.member_contracts import MemberView
from realtime_message.streams.parked import ParkedChannel

#: A message that waits for longer is worth a word.
OLD_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Work:
    """What was seen of the partitions.

    Attributes:
        keys: the key names.
        partitions: each partition.
        flows: what moved in each, measured for a moment.
        members: the live workers and the assignment.
        parked: the channels that are held back.
        registered_groups: other systems' groups that are known, as names or patterns.
    """

    keys: Keys
    partitions: Sequence[PartitionView]
    flows: Sequence[FlowView]
    members: MemberView
    parked: Sequence[ParkedChannel]
    registered_groups: Sequence[str]


def review_work(work: Work) -> Iterator[Finding]:
    """Yield what is wrong with the partitions."""
    yield from _owners(work)
    yield from _groups(work)
    yield from _backlog(work)
    yield from _failed(work)


def _owners(work: Work) -> Iterator[Finding]:
    free = [view for view in work.partitions if view.owner is None]
    waiting = sum(_unhandled(view) for view in free)
    if free and len(free) == len(work.partitions) and not work.members.members:
        yield (warning if waiting else note)(
            f"no worker is running; {_waiting(waiting)}",
            "messages are kept and nobody handles them",
            "rtm worker APP",
        )
    elif free:
        yield error(
            f"{_partitions(free)} without an owner, {_waiting(waiting)} there",
            "workers run, but none holds it: it may be on its way from one to the other, or static "
            "assignments leave it out",
            "look again in some seconds; then compare `rtm workers` with TOTAL_WORKERS and "
            "PARTITIONS of each",
        )


def _groups(work: Work) -> Iterator[Finding]:
    missing = [v for v in work.partitions if not _has_group(v, work.keys.group(v.partition))]
    if missing:
        yield warning(
            f"{_partitions(missing)} without the workers' consumer group",
            "it was deleted, or nothing was started yet; trimming stands still meanwhile",
            "start a worker or the callback service: each makes the groups that are missing",
        )
    known = [compile_pattern(pattern) for pattern in work.registered_groups]
    for view in work.partitions:
        for group in view.groups:
            is_ours = group.name == work.keys.group(view.partition)
            if not is_ours and not any(pattern.fullmatch(group.name) for pattern in known):
                yield _foreign(view, group)


def _foreign(view: PartitionView, group: GroupView) -> Finding:
    behind = "unknown many entries"
    if group.lag is not None:
        behind = counted(group.lag, "entry", "entries")
    return warning(
        f"the consumer group {group.name!r} on {view.stream} is not registered; it has not read "
        f"{behind} and not acknowledged {group.pending}",
        "trimming keeps what it has not handled: if nobody reads with it any more, the stream "
        "grows forever",
        f"if it is in use, add it to worker.registered_groups; if not: XGROUP DESTROY "
        f"{view.stream} {group.name}",
    )


def _backlog(work: Work) -> Iterator[Finding]:
    for view, flow in zip(work.partitions, work.flows, strict=True):
        if view.owner is None or flow.oldest_seconds is None:
            continue
        is_still = flow.handled_per_second == 0
        if flow.oldest_seconds < OLD_SECONDS:
            continue
        where = (
            f"partition {view.partition}: the oldest message has waited for "
            f"{flow.oldest_seconds:.0f} s, {_waiting(_unhandled(view))}"
        )
        if is_still and flow.appended_per_second:
            yield error(
                f"{where}, more come and none was handled while it was looked at",
                f"its owner {view.owner.holder} holds it and does not get on",
                f"look at that worker's log; `rtm leases release {view.partition}` takes the "
                "partition from it",
            )
        elif is_still or (flow.appended_per_second or 0) > (flow.handled_per_second or 0):
            yield warning(
                f"{where}",
                "a channel waits for a retry or a slow handler, or the workers are too few",
                "look for message.failed in the workers' logs; raise worker.concurrency or start "
                "more workers",
            )


def _failed(work: Work) -> Iterator[Finding]:
    dead = [view for view in work.partitions if view.dead_letters]
    count = sum(view.dead_letters for view in dead)
    if count:
        yield warning(
            f"{counted(count, 'dead letter waits', 'dead letters wait')} in {_partitions(dead)}",
            "these messages failed for good and were not handled; they take memory until replayed "
            "or purged",
            "rtm dead-letters list",
        )
    held = [channel for channel in work.parked if not channel.is_resuming]
    if held:
        names = ", ".join(channel.channel for channel in held[:3])
        more = f" and {len(held) - 3} more" if len(held) > 3 else ""  # noqa: PLR2004 - those named
        aside = sum(channel.entry_count for channel in held)
        yield warning(
            f"{counted(len(held), 'channel is', 'channels are')} parked: {names}{more}; "
            f"{counted(aside, 'message is', 'messages are')} set aside",
            "their messages are kept and not handled until the channel is resumed",
            "rtm channels parked; rtm channels resume CHANNEL",
        )


def _waiting(count: int) -> str:
    return counted(count, "message waits", "messages wait")


def _unhandled(view: PartitionView) -> int:
    return view.pending + (view.lag or 0)


def _has_group(view: PartitionView, name: str) -> bool:
    return any(group.name == name for group in view.groups)


def _partitions(views: Sequence[PartitionView]) -> str:
    numbers = shown_partitions((view.partition for view in views), ", ")
    return f"partition{'s' if len(views) > 1 else ''} {numbers}"
