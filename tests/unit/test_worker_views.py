"""The workers as commands and pages show them."""

from __future__ import annotations

import msgspec

from realtime_message.streams.inspect import OwnerView, PartitionView
from realtime_message.streams.member_contracts import MemberView
from realtime_message.streams.worker_views import worker_views


def _partition(number: int, holder: str | None, *, pending: int, lag: int | None) -> PartitionView:
    owner = None
    if holder is not None:
        owner = OwnerView(holder=holder, epoch=1, acquired_at=0.0, remaining_seconds=5.0)
    return PartitionView(
        partition=number,
        stream=f"messages:partition:{number}",
        length=9,
        pending=pending,
        lag=lag,
        dead_letters=0,
        owner=owner,
        groups=[],
    )


def test_workers_are_those_that_live_or_hold_something() -> None:
    """A member without a partition, and a dead one whose leases have not run out; JSON's names."""
    partitions = [
        _partition(0, "ada", pending=1, lag=2),
        _partition(1, "ada", pending=1, lag=None),
        _partition(2, "gone", pending=3, lag=0),
        _partition(3, None, pending=0, lag=9),
    ]
    members = MemberView(("ada", "new"), {0: "ada", 1: "new", 3: "new"}, 1)
    views = worker_views(partitions, members)
    assert msgspec.to_builtins(views) == [
        {
            "worker": "ada",
            "alive": True,
            "holds": [0, 1],
            "assigned": [0],
            "unread": 2,
            "pending": 2,
        },
        {
            "worker": "gone",
            "alive": False,
            "holds": [2],
            "assigned": [],
            "unread": 0,
            "pending": 3,
        },
        {
            "worker": "new",
            "alive": True,
            "holds": [],
            "assigned": [1, 3],
            "unread": 0,
            "pending": 0,
        },
    ]
