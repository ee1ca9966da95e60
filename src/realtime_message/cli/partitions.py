"""`rtm partitions`: how much waits where, who handles it, where a channel lives."""

from __future__ import annotations

from typing import Annotated

import typer

from realtime_message.cli.options import ConfigOption, JsonOption, SetOption, effective_settings
from realtime_message.cli.output import print_json, print_table
from realtime_message.partitions import partition_of

group = typer.Typer(
    name="partitions", help="Partitions: backlog, owner, place of a channel.", no_args_is_help=True
)


@group.command("list")
def list_(
    *,
    config: ConfigOption = None,
    set_: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print each partition: entries, how many are unread, pending and dead, and its owner."""
    from realtime_message.cli.streams_access import look  # noqa: PLC0415 - loads a Redis client

    views = look(effective_settings(config, set_), lambda streams: streams.inspect.partitions())
    if as_json:
        print_json(views)
        return
    columns = ("partition", "stream", "length", "unread", "pending", "dead", "owner", "epoch")
    rows = [
        (
            view.partition,
            view.stream,
            view.length,
            view.lag,
            view.pending,
            view.dead_letters,
            view.owner.holder if view.owner else None,
            view.owner.epoch if view.owner else None,
        )
        for view in views
    ]
    print_table(columns, rows)


@group.command("of")
def of(
    channel: Annotated[str, typer.Argument(metavar="CHANNEL", help="A channel's name.")],
    *,
    config: ConfigOption = None,
    set_: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print the partition of a channel. Needs no server."""
    from realtime_message.streams.keys import Keys  # noqa: PLC0415 - loads a Redis client

    settings = effective_settings(config, set_).settings.redis
    partition = partition_of(channel, settings.partition_count)
    stream = Keys(settings.prefix).stream(partition)
    if as_json:
        print_json({"channel": channel, "partition": partition, "stream": stream})
    else:
        print(f"{partition}  ({stream})")
