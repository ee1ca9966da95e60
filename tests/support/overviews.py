"""Overviews of systems that do not run, as the live views get them."""

from __future__ import annotations

from typing import Any

import msgspec

from realtime_message.console.overview import Overview, PartitionRow
from realtime_message.streams.dead_letters import DeadLetter
from realtime_message.streams.flow import FlowView
from realtime_message.streams.inspect import MemoryView, OwnerView, PartitionView
from realtime_message.streams.layout_view import LayoutView
from realtime_message.streams.member_contracts import MemberView
from realtime_message.streams.parked import ParkedChannel
from realtime_message.streams.worker_views import WorkerView

#: A name that steers a terminal and one that styles text, as a client may choose it.
HOSTILE = "\x1b[2J\x1b]0;mine\x07[red]bad[/red]\u202e"
#: The same made visible.
HOSTILE_SHOWN = "\\x1b[2J\\x1b]0;mine\\x07[red]bad[/red]\\u202e"


def make_row(partition: int, **values: Any) -> PartitionRow:
    """Return a partition that ada holds, of 10 entries of which one is unread."""
    view = PartitionView(
        partition=partition,
        stream=f"messages:partition:{partition}",
        length=10,
        pending=0,
        lag=1,
        dead_letters=0,
        owner=OwnerView(holder="ada", epoch=1, acquired_at=0.0, remaining_seconds=5.0),
        groups=[],
    )
    flow = FlowView(
        partition=partition, oldest_seconds=2.0, appended_per_second=1.5, handled_per_second=0.5
    )
    of_flow = {name: value for name, value in values.items() if hasattr(flow, name)}
    of_view = {name: value for name, value in values.items() if name not in of_flow}
    replace = msgspec.structs.replace
    return PartitionRow(view=replace(view, **of_view), flow=replace(flow, **of_flow))


def make_overview(*rows: PartitionRow, **values: Any) -> Overview:
    """Return an overview of partitions; of one if none is given."""
    present = rows or (make_row(0),)
    given: dict[str, Any] = {
        "layout": LayoutView(partition_count=len(present)),
        "members": MemberView(("ada",), {}, 0),
        "workers": (
            WorkerView(
                name="ada",
                is_alive=True,
                holds=[row.view.partition for row in present],
                assigned=[],
                lag=1,
                pending=0,
            ),
        ),
        "parked": (),
        "has_more_parked": False,
        "memory": MemoryView(used_bytes=3 * 1024 * 1024, share=None),
    }
    return Overview(partitions=present, **given | values)


def make_parked(channel: str, reason: str = "ValueError: no") -> ParkedChannel:
    """Return a parked channel with two messages set aside."""
    return ParkedChannel(
        channel=channel,
        partition=3,
        is_resuming=False,
        entry_count=2,
        parked_at=1_764_000_000.0,
        reason=reason,
    )


def make_letter(channel: str, reason: str = "ValueError: no") -> DeadLetter:
    """Return a dead letter of a channel."""
    return DeadLetter(
        id="1764000000000-0",
        partition=3,
        entry_id="1763999990000-0",
        payload=msgspec.json.encode({"id": "m1", "channel": channel}),
        reason=reason,
        error="",
        attempts=5,
        worker="ada",
        buried_at=1_764_000_000.0,
        first_entry_id="1763999990000-0",
        fields=(),
    )
