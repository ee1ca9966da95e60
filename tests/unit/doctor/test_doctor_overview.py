"""What the live views say in the doctor's words."""

from __future__ import annotations

from typing import Any

from realtime_message.console.overview import Overview, PartitionRow
from realtime_message.doctor.overview import review_overview
from realtime_message.settings import RedisSettings, Settings
from realtime_message.streams.flow import FlowView
from realtime_message.streams.inspect import GroupView, MemoryView, OwnerView, PartitionView
from realtime_message.streams.layout_view import LayoutView, Phase
from realtime_message.streams.member_contracts import MemberView


def _row(partition: int, **changes: Any) -> PartitionRow:
    group = GroupView(
        name=f"workers:partition-{partition}", consumers=1, pending=0, lag=0, last_read="0-0"
    )
    owner = OwnerView(holder="ada", epoch=1, acquired_at=0.0, remaining_seconds=5.0)
    fields: dict[str, Any] = {
        "partition": partition,
        "stream": f"messages:partition:{partition}",
        "length": 0,
        "pending": 0,
        "lag": 0,
        "dead_letters": 0,
        "owner": owner,
        "groups": [group],
    }
    flow = FlowView(
        partition=partition, oldest_seconds=None, appended_per_second=0.0, handled_per_second=0.0
    )
    return PartitionRow(PartitionView(**(fields | changes)), flow)


def _reviewed(*rows: PartitionRow, **changes: Any) -> list[str]:
    fields: dict[str, Any] = {
        "layout": LayoutView(partition_count=len(rows)),
        "partitions": rows,
        "members": MemberView(("ada",), {}, 1),
        "workers": (),
        "parked": (),
        "has_more_parked": False,
        "memory": MemoryView(used_bytes=None, share=None),
    }
    limits = changes.pop("limits", {})
    settings = Settings(redis=RedisSettings(partition_count=len(rows), **limits))
    found = review_overview(Overview(**(fields | changes)), settings)
    return [f"{finding.severity}: {finding.what}" for finding in found]


def test_sound_system_needs_nothing() -> None:
    """Notes are left out."""
    assert _reviewed(_row(0)) == []


def test_limits_above_which_publishers_are_refused() -> None:
    """A backlog and Redis' memory, as `rtm doctor` says it; below them nothing is said."""
    limits = {"max_backlog_entries": 10, "max_memory_share": 0.5}
    full = MemoryView(used_bytes=9, share=0.6)
    assert _reviewed(_row(0, pending=6, lag=5), memory=full, limits=limits) == [
        "error: partition 0: 11 messages wait, more than redis.max_backlog_entries = 10",
        "error: Redis uses 60% of its maxmemory, more than redis.max_memory_share = 0.5",
    ]
    half = MemoryView(used_bytes=9, share=0.5)
    assert _reviewed(_row(0, pending=5, lag=5), memory=half, limits=limits) == []
    assert _reviewed(_row(0, lag=11), memory=full, limits=dict.fromkeys(limits, 0)) == []


def test_worst_stands_first() -> None:
    """Partitions and a resize that stands still, in the doctor's words."""
    layout = LayoutView(
        partition_count=2, phase=Phase.sealing, target_count=4, touched_at=10.0, read_at=40.0
    )
    rows = [_row(0, dead_letters=2), _row(1, owner=None)]
    assert _reviewed(*rows, layout=layout) == [
        "error: a resize stands still in its phase sealing for 30 s",
        "error: partition 1 without an owner, 0 messages wait there",
        "warning: 2 dead letters wait in partition 0",
    ]
