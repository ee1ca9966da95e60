"""The workers as an operator sees them: who is there, what each holds and should hold. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from realtime_message.streams.inspect import PartitionView
from realtime_message.streams.member_contracts import MemberView


class WorkerView(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    rename={"name": "worker", "is_alive": "alive", "lag": "unread"},
):
    """One worker.

    Attributes:
        name: the member.
        is_alive: whether it says so; one that died may still hold leases.
        holds: the partitions whose leases it has.
        assigned: the partitions that it should hold; none for a static assignment.
        lag: entries of its partitions that were not read yet, as far as the server can tell.
        pending: entries of its partitions that were read and not acknowledged.
    """

    name: str
    is_alive: bool
    holds: list[int]
    assigned: list[int]
    lag: int
    pending: int


def worker_views(partitions: Sequence[PartitionView], members: MemberView) -> list[WorkerView]:
    """Return every worker that lives or holds something, by name."""
    # A worker with a static assignment holds leases too; one that died may still hold some.
    holders = {view.owner.holder for view in partitions if view.owner}
    views = []
    for name in sorted({*members.members, *holders}):
        held = [view for view in partitions if view.owner and view.owner.holder == name]
        views.append(
            WorkerView(
                name=name,
                is_alive=name in members.members,
                holds=[view.partition for view in held],
                assigned=sorted(n for n, member in members.assignment.items() if member == name),
                lag=sum(view.lag or 0 for view in held),
                pending=sum(view.pending for view in held),
            )
        )
    return views
