"""`rtm partitions`: how much waits where, who handles it, where a channel lives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from realtime_message.ages import shown_seconds
from realtime_message.cli.options import ConfigOption, JsonOption, SetOption, effective_settings
from realtime_message.cli.output import print_json, print_table
from realtime_message.partitions import partition_of

if TYPE_CHECKING:
    from realtime_message.streams import Streams
    from realtime_message.streams.layout_view import LayoutView

group = typer.Typer(
    name="partitions", help="Partitions: backlog, owner, place of a channel.", no_args_is_help=True
)


@group.command("list", short_help="List each partition: what waits, rates, owner.")
def list_(
    *,
    seconds: Annotated[
        float, typer.Option(min=0, help="For how long the rates are measured; 0: no rates.")
    ] = 1.0,
    config: ConfigOption = None,
    set_: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """List each partition: entries, how many are unread, pending and dead, rates, and its owner.

    `oldest` is how long the oldest message that is not handled has waited; `in/s` and `done/s` are
    the entries that came and that were handled within the measured time.
    """
    from realtime_message.cli.streams_access import look  # noqa: PLC0415 - loads a Redis client

    loaded = effective_settings(config, set_)
    layout, shown = look(loaded, lambda streams: _shown(streams, seconds))
    if as_json:
        print_json(shown)
        return
    # Narrow enough for 80 columns: streams and epochs are in --json, epochs in `rtm leases`, too.
    columns = ("partition", "length", "unread", "pending", "dead", "oldest", "in/s", "done/s")
    rows = [
        (
            *(row[name] for name in ("partition", "length", "lag", "pending")),
            row["dead_letters"],
            shown_seconds(row["oldest_seconds"]),
            _rate(row["appended_per_second"]),
            _rate(row["handled_per_second"]),
            row["owner"]["holder"] if row["owner"] else None,
        )
        for row in shown
    ]
    print_table((*columns, "owner"), rows)
    if not layout.is_stable:
        from realtime_message.streams.layout_view import resize_sentence  # noqa: PLC0415 - as above

        print(resize_sentence(layout))


@group.command("resize", short_help="Change the number of partitions while everything runs.")
def resize(
    count: Annotated[
        int | None, typer.Argument(metavar="[N]", help="The new number of partitions.")
    ] = None,
    *,
    plan: Annotated[
        bool, typer.Option("--plan", help="Only say what would happen; change nothing.")
    ] = False,
    undo: Annotated[
        bool,
        typer.Option("--undo", help="Give up an interrupted resize, if it is not too late."),
    ] = False,
    wait_seconds: Annotated[
        float,
        typer.Option(
            "--wait-seconds",
            min=0,
            help="How long to wait until the workers are through; they go on in any case.",
        ),
    ] = 60.0,
    config: ConfigOption = None,
    set_: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Change the number of partitions while everything runs. Interrupted, it can be run again."""
    if (count is None) != undo or (plan and undo):
        raise typer.BadParameter("give the new number of partitions, or --undo alone")
    from realtime_message.cli.resizing import run_plan, run_resize, run_undo  # noqa: PLC0415

    loaded = effective_settings(config, set_)
    if count is None:
        run_undo(loaded, as_json=as_json)
    elif plan:
        run_plan(loaded, count, as_json=as_json)
    else:
        run_resize(loaded, count, wait_seconds, as_json=as_json)


@group.command("of", short_help="Print the partition of a channel.")
def of(
    channel: Annotated[str, typer.Argument(metavar="CHANNEL", help="A channel's name.")],
    *,
    config: ConfigOption = None,
    set_: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print the partition of a channel, by the partition count that is stored in Redis.

    Where Redis does not answer, by the one of the settings.
    """
    from realtime_message.cli.streams_access import stored_partition_count  # noqa: PLC0415 - as above
    from realtime_message.streams.keys import Keys  # noqa: PLC0415 - as above

    loaded = effective_settings(config, set_)
    partition = partition_of(channel, stored_partition_count(loaded))
    stream = Keys(loaded.settings.redis.prefix).stream(partition)
    if as_json:
        print_json({"channel": channel, "partition": partition, "stream": stream})
    else:
        print(f"{partition}  ({stream})")


async def _shown(streams: Streams, seconds: float) -> tuple[LayoutView, list[dict[str, Any]]]:
    import msgspec  # noqa: PLC0415 - --help needs none of it

    layout = await streams.layout.read()
    flows = await streams.flow.measure(seconds)
    views = await streams.inspect.partitions()
    return layout, [
        {**msgspec.to_builtins(view), **msgspec.to_builtins(flow)}
        for view, flow in zip(views, flows, strict=True)
    ]


def _rate(per_second: float | None) -> str | None:
    return None if per_second is None else f"{per_second:.1f}"
