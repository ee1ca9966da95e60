"""What the doctor says about partitions and numbers."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from realtime_message.doctor.accounts import review_accounts
from realtime_message.doctor.partition_work import Work, review_work
from realtime_message.streams.flow import FlowCount, FlowView
from realtime_message.streams.inspect import GroupView, OwnerView, PartitionView
from realtime_message.streams.keys import Keys
from realtime_message.streams.member_contracts import MemberView
from realtime_message.streams.parked import ParkedChannel

OWNER = OwnerView(holder="ada", epoch=1, acquired_at=0.0, remaining_seconds=5.0)


def _group(name: str, pending: int = 0, lag: int | None = 0) -> GroupView:
    return GroupView(name=name, consumers=1, pending=pending, lag=lag, last_read="0-0")


VIEW = PartitionView(
    partition=0,
    stream="messages:partition:0",
    length=0,
    pending=0,
    lag=0,
    dead_letters=0,
    owner=OWNER,
    groups=[_group("workers:partition-0")],
)
FLOW = FlowView(partition=0, oldest_seconds=None, appended_per_second=0.0, handled_per_second=0.0)


def _found(
    view: dict[str, Any] | None = None,
    flow: dict[str, Any] | None = None,
    members: tuple[str, ...] = ("ada",),
    parked: tuple[ParkedChannel, ...] = (),
    registered: tuple[str, ...] = (),
) -> list[str]:
    work = Work(
        keys=Keys("messages"),
        partitions=[msgspec.structs.replace(VIEW, **(view or {}))],
        flows=[msgspec.structs.replace(FLOW, **(flow or {}))],
        members=MemberView(members, {}, 1),
        parked=parked,
        registered_groups=registered,
    )
    return [f"{finding.severity}: {finding.what}" for finding in review_work(work)]


def test_sound_partitions_are_not_mentioned() -> None:
    """Nothing to say."""
    assert _found() == []


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"view": {"owner": None}}, "error: partition 0 without an owner"),
        ({"view": {"owner": None}, "members": ()}, "note: no worker is running"),
        ({"view": {"owner": None, "lag": 3}, "members": ()}, "warning: no worker is running; 3"),
        ({"view": {"groups": []}}, "warning: partition 0 without the workers' consumer group"),
        ({"view": {"dead_letters": 1}}, "warning: 1 dead letter waits in partition 0"),
        ({"view": {"owner": None, "lag": 1}, "members": ()}, "running; 1 message waits"),
        ({"view": {"dead_letters": 2}}, "warning: 2 dead letters wait in partition 0"),
        (
            {"flow": {"oldest_seconds": 90, "appended_per_second": 5}},
            "error: partition 0: the oldest message has waited for 90 s",
        ),
        ({"flow": {"oldest_seconds": 90}}, "warning: partition 0: the oldest message has waited"),
        (
            {
                "flow": {
                    "oldest_seconds": 90,
                    "appended_per_second": 9,
                    "handled_per_second": 5,
                }
            },
            "warning: partition 0: the oldest message",
        ),
    ],
)
def test_each_fault_is_named(arguments: dict[str, Any], expected: str) -> None:
    """Once."""
    (found,) = _found(**arguments)
    assert expected in found


def test_backlog_that_shrinks_is_not_mentioned() -> None:
    """It is on its way."""
    flow = {"oldest_seconds": 90, "appended_per_second": 1, "handled_per_second": 5}
    assert _found(flow=flow) == []


def test_foreign_group_is_named_until_it_is_registered() -> None:
    """With how far it lags; a pattern registers many."""
    groups = [_group("workers:partition-0"), _group("audit:0", pending=2, lag=7)]
    (found,) = _found({"groups": groups})
    assert "'audit:0'" in found
    assert "has not read 7 entries and not acknowledged 2" in found
    assert _found({"groups": groups}, registered=("audit:*",)) == []


def test_parked_channels_are_named_but_those_being_resumed() -> None:
    """The first few by name."""
    channels = tuple(
        ParkedChannel(channel=f"c{n}", partition=0, is_resuming=n == 0, entry_count=2)
        for n in range(6)
    )
    (found,) = _found(parked=channels)
    assert found == (
        "warning: 5 channels are parked: c1, c2, c3 and 2 more; 10 messages are set aside"
    )


COUNT = FlowCount(
    at=0.0, added=10, read=7, pending=2, length=6, last_read="1-0", oldest_pending=None
)


def _accounts(**changes: Any) -> list[tuple[str, str]]:
    count = FlowCount(**{**{f: getattr(COUNT, f) for f in COUNT.__slots__}, **changes})
    return [(f.severity, f.what) for f in review_accounts([count, None], [1, 0], 1)]


def test_numbers_that_add_up_are_shown() -> None:
    """10 appended = 3 handled + 2 pending + 3 unread + 1 dead + 1 set aside."""
    (found,) = _accounts()
    severity, what = found
    assert severity == "note"
    assert what == (
        "entries appended: 10; of these handled: 3, pending: 2, unread: 3, dead letters: 1, "
        "set aside: 1"
    )


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"length": 4}, "3 entries are unread and 2 pending, but the stream holds only 4"),
        ({"read": 12}, "has read 12 entries, but only 10 appended"),
    ],
)
def test_numbers_that_do_not_add_up_are_errors(changes: dict[str, Any], expected: str) -> None:
    """Messages are missing."""
    severity, what = _accounts(**changes)[0]
    assert severity == "error"
    assert expected in what


def test_partition_that_cannot_be_told_is_left_out() -> None:
    """No guess."""
    assert _accounts(read=None)[1][1].startswith("1 partition left out")
