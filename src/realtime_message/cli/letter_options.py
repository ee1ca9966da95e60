"""The options that say which dead letters are meant."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from realtime_message.ages import parse_age

if TYPE_CHECKING:
    from realtime_message.streams.dead_letter_filter import LetterCriteria

ChannelFilter = Annotated[
    str | None,
    typer.Option("--channel", metavar="PATTERN", help="Of this channel; * stands for anything."),
]
ErrorFilter = Annotated[
    str, typer.Option("--error", metavar="TEXT", help="With this text in the error.")
]
ReasonFilter = Annotated[
    str, typer.Option("--reason", metavar="TEXT", help="With this text in the reason.")
]
OlderFilter = Annotated[
    str | None,
    typer.Option("--older-than", metavar="AGE", help="Given up longer ago than 90s, 2h, 7d."),
]
YoungerFilter = Annotated[
    str | None, typer.Option("--younger-than", metavar="AGE", help="Given up within this time.")
]
PartitionFilter = Annotated[
    int | None, typer.Option("--partition", metavar="N", min=0, help="Of this partition.")
]


def letter_criteria(
    *,
    channel: str | None,
    error: str,
    reason: str,
    older_than: str | None,
    younger_than: str | None,
    partition: int | None,
    ids: Sequence[str] | None = None,
    is_all: bool = False,
    must_narrow: bool = False,
) -> LetterCriteria:
    """Return what the options mean.

    Args:
        channel: from `--channel`.
        error: from `--error`.
        reason: from `--reason`.
        older_than: from `--older-than`.
        younger_than: from `--younger-than`.
        partition: from `--partition`.
        ids: from the command's arguments.
        is_all: from `--all`.
        must_narrow: whether one of the others, or `--all`, has to be given.

    Raises:
        typer.BadParameter: one of them cannot be understood, or none is given.
    """
    # Imported here: loads a Redis client.
    from realtime_message.streams.dead_letter_filter import LetterCriteria  # noqa: PLC0415

    if channel == "":
        raise typer.BadParameter('--channel: an empty pattern fits nothing; use "*" for all')
    criteria = LetterCriteria(
        names=frozenset(ids or ()),
        channel=channel or "",
        error=error,
        reason=reason,
        older_seconds=_age(older_than, "--older-than"),
        younger_seconds=_age(younger_than, "--younger-than"),
        partition=partition,
    )
    if must_narrow and criteria.is_narrow == is_all:
        raise typer.BadParameter(
            "--all cannot be joined with ids or filters"
            if is_all
            else "say which: ids, filters such as --channel, or --all"
        )
    return criteria


def _age(text: str | None, option: str) -> float | None:
    try:
        return None if text is None else parse_age(text)
    except ValueError as error:
        raise typer.BadParameter(f"{option} {error}") from None
