"""`rtm workers`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from realtime_message.cli.options import ConfigOption, JsonOption, SetOption, effective_settings
from realtime_message.cli.output import print_json, print_table

if TYPE_CHECKING:
    from realtime_message.streams import Streams


def workers(
    *,
    config: ConfigOption = None,
    set_: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the live workers, and the partitions that each holds and should hold."""
    from realtime_message.cli.streams_access import look  # noqa: PLC0415 - loads a Redis client

    rows = look(effective_settings(config, set_), _workers)
    if as_json:
        print_json(rows)
    elif rows:
        columns = ("worker", "alive", "holds", "assigned", "unread", "pending")
        print_table(columns, [tuple(_cell(row[column]) for column in columns) for row in rows])
    else:
        print("no worker is running")


async def _workers(streams: Streams) -> list[dict[str, object]]:
    view = await streams.inspect.members()
    partitions = await streams.inspect.partitions()
    # A worker with a static assignment holds leases too; one that died may still hold some.
    holders = {p.owner.holder for p in partitions if p.owner}
    rows: list[dict[str, object]] = []
    for name in sorted({*view.members, *holders}):
        held = [p for p in partitions if p.owner and p.owner.holder == name]
        rows.append(
            {
                "worker": name,
                "alive": name in view.members,
                "holds": [p.partition for p in held],
                "assigned": sorted(n for n, member in view.assignment.items() if member == name),
                "unread": sum(p.lag or 0 for p in held),
                "pending": sum(p.pending for p in held),
            }
        )
    return rows


def _cell(value: object) -> object:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ",".join(map(str, value)) or None
    return value
