"""`rtm leases`: who owns which partition, and since when."""

from __future__ import annotations

import time

import typer

from realtime_message.cli.options import ConfigOption, JsonOption, SetOption, effective_settings
from realtime_message.cli.output import print_json, print_table

group = typer.Typer(name="leases", help="Leases: who owns which partition.", no_args_is_help=True)


@group.command("list")
def list_(
    *,
    config: ConfigOption = None,
    set_: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print each partition's lease: holder, epoch, since when, and for how long unless renewed."""
    from realtime_message.cli.streams_access import look  # noqa: PLC0415 - loads a Redis client

    views = look(effective_settings(config, set_), lambda streams: streams.inspect.partitions())
    if as_json:
        print_json([{"partition": view.partition, "owner": view.owner} for view in views])
        return
    rows: list[tuple[object, ...]] = []
    for view in views:
        owner = view.owner
        if owner is None:
            rows.append((view.partition, None, None, None, None))
            continue
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(owner.acquired_at))
        left = f"{owner.remaining_seconds:.1f} s"
        rows.append((view.partition, owner.holder, owner.epoch, since, left))
    print_table(("partition", "holder", "epoch", "since", "expires in"), rows)
