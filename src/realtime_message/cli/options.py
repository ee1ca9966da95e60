"""The options that every command has, and what they mean: the effective settings."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from realtime_message.settings import Layer, LoadedSettings

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="Settings file; rtm.toml if there is one."),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="SECTION.NAME=VALUE",
        help="Set any setting; may be given several times.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]

_NO_FLAGS: Mapping[str, Any] = MappingProxyType({})


def data_folder() -> Path:
    """Return the data folder of `rtm up`: RTM_DATA_DIR, else `.rtm` here."""
    return Path(os.environ.get("RTM_DATA_DIR") or ".rtm")


def effective_settings(
    file: Path | None,
    assignments: Sequence[str] | None,
    flags: Mapping[str, Any] = _NO_FLAGS,
    *,
    beneath: Layer | None = None,
) -> LoadedSettings:
    """Return the settings that a command works with.

    Args:
        file: from `--config`.
        assignments: from `--set`, each `section.name=value`.
        flags: the command's own flags by setting; None values are passed over.
        beneath: what stands beneath the file; by default the `rtm up` that runs here.

    Raises:
        ConfigurationError: something is wrong with them.
    """
    # Imported here: --help needs none of it.
    from realtime_message.settings import load_settings  # noqa: PLC0415
    from realtime_message.stack.data_folder import DataFolder  # noqa: PLC0415

    if beneath is None:
        beneath = DataFolder(data_folder()).running()
    return load_settings(
        os.environ, file=file, flags={**_assigned(assignments), **_given(flags)}, beneath=beneath
    )


def _given(flags: Mapping[str, Any]) -> dict[str, Any]:
    return {path: value for path, value in flags.items() if value is not None}


def _assigned(assignments: Sequence[str] | None) -> dict[str, str]:
    values = {}
    for assignment in assignments or ():
        path, sign, value = assignment.partition("=")
        if not sign:
            raise typer.BadParameter(
                f"--set {assignment}: expected SECTION.NAME=VALUE, such as callback.port=3001"
            )
        values[path.strip()] = value
    return values
