"""The options that say which dead letters are meant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import typer

from realtime_message.cli.ages import parse_age

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


@dataclass(frozen=True, slots=True)
class LetterCriteria:
    """Which dead letters an operator means; ages count from when the command looks.

    Attributes:
        names: these and no others; empty for all.
        channel: a channel or a pattern.
        error: part of the error.
        reason: part of the reason.
        older_seconds: given up at least so long ago.
        younger_seconds: given up at most so long ago.
        partition: where it came from.
    """

    names: frozenset[str]
    channel: str
    error: str
    reason: str
    older_seconds: float | None
    younger_seconds: float | None
    partition: int | None

    @property
    def is_narrow(self) -> bool:
        """Whether anything is asked for at all."""
        ages = (self.older_seconds, self.younger_seconds, self.partition)
        texts = (self.names, self.channel, self.error, self.reason)
        return any(texts) or any(age is not None for age in ages)


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
    if channel == "":
        raise typer.BadParameter('--channel: an empty pattern fits nothing; use "*" for all')
    criteria = LetterCriteria(
        names=frozenset(ids or ()),
        channel=channel or "",
        error=error,
        reason=reason,
        older_seconds=parse_age(older_than, "--older-than"),
        younger_seconds=parse_age(younger_than, "--younger-than"),
        partition=partition,
    )
    if must_narrow and criteria.is_narrow == is_all:
        raise typer.BadParameter(
            "--all cannot be joined with ids or filters"
            if is_all
            else "say which: ids, filters such as --channel, or --all"
        )
    return criteria
