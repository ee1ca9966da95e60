"""`rtm channels`: channels that are held back after a message failed for good."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from realtime_message.ages import shown_time
from realtime_message.cli.options import ConfigOption, JsonOption, SetOption, effective_settings
from realtime_message.cli.output import print_json, print_table
from realtime_message.errors import RealtimeMessageError
from realtime_message.partitions import shown_partitions

if TYPE_CHECKING:
    from realtime_message.streams import Streams
    from realtime_message.streams.parked import ParkedChannel

group = typer.Typer(
    name="channels",
    help="Channels that are held back after a message failed for good.",
    no_args_is_help=True,
)


@group.command("parked", short_help="List the parked channels, and why they are.")
def parked(
    *,
    config: ConfigOption = None,
    set_: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the parked channels: since when, how many messages are set aside, and why."""
    from realtime_message.cli.streams_access import look  # noqa: PLC0415 - loads a Redis client

    channels = look(effective_settings(config, set_), lambda s: s.parked_channels.list_all())
    if as_json:
        print_json(channels)
    elif channels:
        columns = ("channel", "partition", "state", "since", "set aside", "reason")
        print_table(columns, [_row(channel) for channel in channels])
    else:
        print("no channel is parked")


@group.command("resume", short_help="Let a parked channel go on.")
def resume(
    channel: Annotated[
        str | None, typer.Argument(metavar="CHANNEL", help="A parked channel.")
    ] = None,
    *,
    all_: Annotated[bool, typer.Option("--all", help="All that are parked.")] = False,
    config: ConfigOption = None,
    set_: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let a parked channel go on: what was set aside is handled first, in order.

    The worker that holds its partition begins within about a second. If one of those messages fails
    for good, the channel is parked again.
    """
    from realtime_message.cli.streams_access import look  # noqa: PLC0415 - as above

    if (channel is None) != all_:
        raise typer.BadParameter("name a CHANNEL, or give --all")
    resumed, orphans = look(effective_settings(config, set_), lambda s: _resume(s, channel))
    if as_json:
        print_json({"resumed": resumed, "partitions_without_owner": orphans})
        return
    if not resumed:
        print("no channel is parked")
    for found in resumed:
        waiting = f"{found.entry_count} set aside" if found.entry_count else "nothing set aside"
        print(f"{found.channel} goes on ({waiting}, partition {found.partition})")
    if orphans:
        numbers = shown_partitions(orphans, ", ")
        print(f"no worker holds partition {numbers}: it goes on when one does", file=sys.stderr)


async def _resume(streams: Streams, channel: str | None) -> tuple[list[ParkedChannel], list[int]]:
    """Ask for channels to go on; return them, and those of their partitions that nobody holds."""
    wanted = [c for c in await streams.parked_channels.list_all() if channel in (None, c.channel)]
    if channel is not None and not wanted:
        raise RealtimeMessageError(
            f"{channel} is not parked: `rtm channels parked` shows those that are"
        )
    resumed = [c for c in wanted if await streams.parked_channels.resume(c.partition, c.channel)]
    free = {view.partition for view in await streams.inspect.partitions() if view.owner is None}
    return resumed, sorted({c.partition for c in resumed} & free)


def _row(channel: ParkedChannel) -> tuple[object, ...]:
    return (
        channel.channel,
        channel.partition,
        "resuming" if channel.is_resuming else "parked",
        None if channel.parked_at is None else shown_time(channel.parked_at),
        channel.entry_count,
        channel.reason or None,
    )
