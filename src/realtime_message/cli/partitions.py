"""`rtm partitions`: how much waits where, who handles it, where a channel lives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from realtime_message.cli.ages import shown_seconds
from realtime_message.cli.options import ConfigOption, JsonOption, SetOption, effective_settings
from realtime_message.cli.output import print_json, print_table
from realtime_message.partitions import partition_of

if TYPE_CHECKING:
    from realtime_message.streams import Streams

group = typer.Typer(
    name="partitions", help="Partitions: backlog, owner, place of a channel.", no_args_is_help=True
)


@group.command("list")
def list_(
    *,
    seconds: Annotated[
        float, typer.Option(min=0, help="For how long the rates are measured; 0: no rates.")
    ] = 1.0,
    config: ConfigOption = None,
    set_: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print each partition: entries, how many are unread, pending and dead, rates, and its owner.

    `oldest` is how long the oldest message that is not handled has waited; `in/s` and `done/s` are
    the entries that came and that were handled within the measured time.
    """
    from realtime_message.cli.streams_access import look  # noqa: PLC0415 - loads a Redis client

    shown = look(effective_settings(config, set_), lambda streams: _shown(streams, seconds))
    if as_json:
        print_json(shown)
        return
    columns = ("partition", "stream", "length", "unread", "pending", "dead", "oldest")
    rows = [
        (
            *(row[name] for name in ("partition", "stream", "length", "lag", "pending")),
            row["dead_letters"],
            shown_seconds(row["oldest_seconds"]),
            _rate(row["appended_per_second"]),
            _rate(row["handled_per_second"]),
            *((row["owner"]["holder"], row["owner"]["epoch"]) if row["owner"] else (None, None)),
        )
        for row in shown
    ]
    print_table((*columns, "in/s", "done/s", "owner", "epoch"), rows)


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


async def _shown(streams: Streams, seconds: float) -> list[dict[str, Any]]:
    import msgspec  # noqa: PLC0415 - --help needs none of it

    flows = await streams.flow.measure(seconds)
    views = await streams.inspect.partitions()
    return [
        {**msgspec.to_builtins(view), **msgspec.to_builtins(flow)}
        for view, flow in zip(views, flows, strict=True)
    ]


def _rate(per_second: float | None) -> str | None:
    return None if per_second is None else f"{per_second:.1f}"
