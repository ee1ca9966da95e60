"""`rtm leases`: who owns which partition, and since when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from realtime_message.ages import shown_time
from realtime_message.cli.confirmation import confirm
from realtime_message.cli.options import ConfigOption, JsonOption, SetOption, effective_settings
from realtime_message.cli.output import print_json, print_table

if TYPE_CHECKING:
    from realtime_message.streams import Streams
    from realtime_message.streams.inspect import OwnerView

group = typer.Typer(name="leases", help="Leases: who owns which partition.", no_args_is_help=True)


@group.command("list", short_help="List each partition's lease.")
def list_(
    *,
    config: ConfigOption = None,
    set_: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """List each partition's lease: holder, epoch, since when, and for how long unless renewed."""
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
        since = shown_time(owner.acquired_at)
        left = f"{owner.remaining_seconds:.1f} s"
        rows.append((view.partition, owner.holder, owner.epoch, since, left))
    print_table(("partition", "holder", "epoch", "since", "expires in"), rows)


@group.command("release", short_help="Take a partition away from a holder that is stuck.")
def release(
    partition: Annotated[int, typer.Argument(metavar="N", min=0, help="The partition.")],
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    config: ConfigOption = None,
    set_: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take a partition's lease away from a holder that is stuck. Asks first, unless --yes is given.

    The former holder can neither read nor acknowledge there any more, whatever it does; what it had
    in hand is handled again by the next one. A worker that still lives and to which the partition
    is assigned acquires it anew: to move it for good, stop that worker.
    """
    from realtime_message.cli.streams_access import look  # noqa: PLC0415 - as above

    loaded = effective_settings(config, set_)
    owner = look(loaded, lambda streams: _owner(streams, partition))
    if owner is not None:
        since = shown_time(owner.acquired_at)
        confirm(f"Take partition {partition} from {owner.holder} (since {since})?", is_sure=yes)
    result = look(loaded, lambda streams: _release(streams, partition, owner))
    if as_json:
        print_json(result)
    elif not result["released"]:
        print(f"partition {partition} has no holder any more: nothing was done")
    else:
        print(
            f"partition {partition} was taken from {result['from']}, which can neither read nor "
            f"acknowledge there any more (epoch {result['epoch']})\n"
            f"it is assigned to {result['assigned_to'] or 'nobody'}"
        )


async def _owner(streams: Streams, partition: int) -> OwnerView | None:
    # As many as there are: a resize may have left the settings behind.
    views = await streams.inspect.partitions()
    if partition >= len(views):
        raise typer.BadParameter(f"there is no partition {partition}, only 0 to {len(views) - 1}")
    return views[partition].owner


async def _release(streams: Streams, partition: int, owner: OwnerView | None) -> dict[str, Any]:
    epoch = None
    if owner is not None:
        epoch = await streams.leases.revoke(partition, owner.epoch)
    members = await streams.inspect.members()
    return {
        "partition": partition,
        "released": epoch is not None,
        "from": owner.holder if owner else None,
        "epoch": epoch,
        "assigned_to": members.assignment.get(partition),
    }
