"""Asking before something is done that cannot be undone."""

from __future__ import annotations

import sys

import typer


def confirm(question: str, *, is_sure: bool) -> None:
    """Ask, unless the operator said that they are sure.

    Raises:
        typer.BadParameter: nobody is there to answer.
        typer.Abort: the answer was no.
    """
    if is_sure:
        return
    if not sys.stdin.isatty():
        raise typer.BadParameter(f"{question} There is no terminal to ask on: add --yes")
    typer.confirm(question, abort=True, err=True)
