"""`rtm workers`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from realtime_message.cli.options import ConfigOption, JsonOption, SetOption, effective_settings
from realtime_message.cli.output import print_json, print_table
from realtime_message.partitions import shown_partitions

if TYPE_CHECKING:
    from realtime_message.streams import Streams
    from realtime_message.streams.worker_views import WorkerView


def workers(
    *,
    config: ConfigOption = None,
    set_: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the live workers, and the partitions that each holds and should hold."""
    from realtime_message.cli.streams_access import look  # noqa: PLC0415 - loads a Redis client

    views = look(effective_settings(config, set_), _workers)
    if as_json:
        print_json(views)
    elif views:
        columns = ("worker", "alive", "holds", "assigned", "unread", "pending")
        print_table(columns, [_row(view) for view in views])
    else:
        print("no worker is running")


async def _workers(streams: Streams) -> list[WorkerView]:
    from realtime_message.streams.worker_views import worker_views  # noqa: PLC0415 - as above

    members = await streams.inspect.members()
    return worker_views(await streams.inspect.partitions(), members)


def _row(view: WorkerView) -> tuple[object, ...]:
    return (
        view.name,
        "yes" if view.is_alive else "no",
        shown_partitions(view.holds) or None,
        shown_partitions(view.assigned) or None,
        view.lag,
        view.pending,
    )
