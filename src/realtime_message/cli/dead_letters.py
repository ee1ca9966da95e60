"""`rtm dead-letters`: what was given up, putting it back, and throwing it away."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from realtime_message.ages import shown_time
from realtime_message.cli.letter_options import (
    ChannelFilter,
    ErrorFilter,
    OlderFilter,
    PartitionFilter,
    ReasonFilter,
    YoungerFilter,
    letter_criteria,
)
from realtime_message.cli.options import ConfigOption, JsonOption, SetOption, effective_settings
from realtime_message.cli.output import print_json, print_table
from realtime_message.visible_text import many_lines, one_line

if TYPE_CHECKING:
    from realtime_message.cli.letter_views import ReplayResult
    from realtime_message.streams.dead_letters import DeadLetter

group = typer.Typer(
    name="dead-letters", help="Dead letters: messages that were given up.", no_args_is_help=True
)

IdsArgument = Annotated[
    list[str] | None, typer.Argument(metavar="ID", help="Only these, as `list` shows them.")
]
AllOption = Annotated[bool, typer.Option("--all", help="All that there are, without a filter.")]


@group.command("list", short_help="List dead letters, oldest first.")
def list_(
    *,
    channel: ChannelFilter = None,
    error: ErrorFilter = "",
    reason: ReasonFilter = "",
    older_than: OlderFilter = None,
    younger_than: YoungerFilter = None,
    partition: PartitionFilter = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 50,
    after: Annotated[
        str | None, typer.Option(metavar="ID", help="Only what comes after this one: a next page.")
    ] = None,
    config: ConfigOption = None,
    set_: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """List dead letters, oldest first: the one that was given up first."""
    # Imported here: loads a Redis client.
    from realtime_message.cli.letter_views import find_page, shown, summary  # noqa: PLC0415
    from realtime_message.cli.streams_access import look  # noqa: PLC0415

    criteria = letter_criteria(
        channel=channel,
        error=error,
        reason=reason,
        older_than=older_than,
        younger_than=younger_than,
        partition=partition,
    )
    loaded = effective_settings(config, set_)
    page = look(loaded, lambda streams: find_page(streams, criteria, limit, after))
    next_after = page[-1].name if len(page) == limit else None
    if as_json:
        print_json({"letters": [shown(letter) for letter in page], "next_after": next_after})
    elif page:
        columns = ("id", "channel", "attempts", "first seen", "given up", "reason")
        print_table(columns, [summary(letter) for letter in page])
        if next_after:
            print(f"there may be more: --after {next_after}", file=sys.stderr)
    else:
        print("no dead letter fits" if criteria.is_narrow else "no dead letters")


@group.command("show", short_help="Print all that is kept of one dead letter.")
def show(
    letter_id: Annotated[
        str, typer.Argument(metavar="ID", help="As `list` shows it, such as 3:1764000000000-0.")
    ],
    *,
    config: ConfigOption = None,
    set_: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print everything that is kept of one dead letter, its payload and error too."""
    # Imported here, as above.
    from realtime_message.cli.letter_views import find_one, shown  # noqa: PLC0415
    from realtime_message.cli.streams_access import look  # noqa: PLC0415

    letter = look(effective_settings(config, set_), lambda streams: find_one(streams, letter_id))
    if as_json:
        print_json(shown(letter, is_whole=True))
    else:
        _print_letter(letter)


@group.command("replay", short_help="Append the messages of dead letters again.")
def replay(
    ids: IdsArgument = None,
    *,
    all_: AllOption = False,
    channel: ChannelFilter = None,
    error: ErrorFilter = "",
    reason: ReasonFilter = "",
    older_than: OlderFilter = None,
    younger_than: YoungerFilter = None,
    partition: PartitionFilter = None,
    rate: Annotated[
        float, typer.Option(min=0, help="At most so many messages per second; 0 for no limit.")
    ] = 0.0,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say how many it would be, of which channels.")
    ] = False,
    config: ConfigOption = None,
    set_: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Append the messages of dead letters again, in the order in which they first came.

    A message goes to its channel's partition of today, behind what is there, and its dead letter
    is removed. It may be interrupted and run again: no message is appended twice.
    """
    # Imported here, as above.
    from realtime_message.cli.letter_views import count_by_channel, replay_letters  # noqa: PLC0415
    from realtime_message.cli.streams_access import look  # noqa: PLC0415

    criteria = letter_criteria(
        ids=ids,
        channel=channel,
        error=error,
        reason=reason,
        older_than=older_than,
        younger_than=younger_than,
        partition=partition,
        is_all=all_,
        must_narrow=True,
    )
    loaded = effective_settings(config, set_)
    if dry_run:
        counts = look(loaded, lambda streams: count_by_channel(streams, criteria))
        _print_counts(counts, as_json=as_json)
        return
    result = look(loaded, lambda streams: replay_letters(streams, criteria, rate))
    _print_replayed(result, as_json=as_json)
    if result.failures:
        raise typer.Exit(1)


@group.command("purge", short_help="Delete dead letters for good.")
def purge(
    ids: IdsArgument = None,
    *,
    all_: AllOption = False,
    channel: ChannelFilter = None,
    error: ErrorFilter = "",
    reason: ReasonFilter = "",
    older_than: OlderFilter = None,
    younger_than: YoungerFilter = None,
    partition: PartitionFilter = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    config: ConfigOption = None,
    set_: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Delete dead letters for good. Asks first, unless --yes is given."""
    # Imported here, as above.
    from realtime_message.cli.confirmation import confirm  # noqa: PLC0415
    from realtime_message.cli.letter_views import find_places, purge_places  # noqa: PLC0415
    from realtime_message.cli.streams_access import look  # noqa: PLC0415

    criteria = letter_criteria(
        ids=ids,
        channel=channel,
        error=error,
        reason=reason,
        older_than=older_than,
        younger_than=younger_than,
        partition=partition,
        is_all=all_,
        must_narrow=True,
    )
    loaded = effective_settings(config, set_)
    places = look(loaded, lambda streams: find_places(streams, criteria))
    if places:
        confirm(f"Delete {_letters(len(places))} for good?", is_sure=yes)
    purged = look(loaded, lambda streams: purge_places(streams, places))
    if as_json:
        print_json({"purged": purged})
    else:
        print(f"purged {_letters(purged)}")


def _letters(count: int) -> str:
    return f"{count} dead letter" if count == 1 else f"{count} dead letters"


def _print_replayed(result: ReplayResult, *, as_json: bool) -> None:
    for text in result.failures:
        print(text, file=sys.stderr)
    if as_json:
        print_json(result)
    else:
        gone = f", {result.gone} were gone already" if result.gone else ""
        print(f"replayed {_letters(len(result.replayed))}{gone}")


def _print_counts(counts: dict[str, int], *, as_json: bool) -> None:
    total = sum(counts.values())
    if as_json:
        print_json({"dry_run": True, "would_replay": total, "channels": counts})
        return
    if counts:
        print_table(("channel", "dead letters"), list(counts.items()))
    print(f"would replay {_letters(total)}")


def _print_letter(letter: DeadLetter) -> None:
    rows: list[tuple[str, Any]] = [
        ("id", letter.name),
        ("channel", letter.channel),
        ("message id", letter.message_id or None),
        ("entry", letter.entry_id),
        ("first seen", shown_time(letter.first_seen_at)),
        ("given up", shown_time(letter.buried_at)),
        ("attempts", letter.attempts),
        ("worker", letter.worker or None),
        ("reason", letter.reason),
    ]
    for title, value in rows:
        print(f"{title + ':':<12} {'-' if value is None else one_line(str(value))}")
    print(f"payload:\n{letter.payload_text}")
    if letter.error:
        print(f"error:\n{many_lines(letter.error.rstrip())}")
