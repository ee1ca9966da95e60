"""`rtm gateway`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from realtime_message.cli.become import become_part
from realtime_message.cli.options import SetOption, effective_settings


def gateway(
    *,
    config: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A Centrifugo configuration in JSON; by default one is made from the settings.",
        ),
    ] = None,
    settings: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Settings file; rtm.toml if there is one."),
    ] = None,
    set_: SetOption = None,
) -> None:
    """Run the embedded gateway, for development and tests. Production runs Centrifugo itself."""
    # Imported here: --help needs none of it.
    from realtime_message.settings import check_settings  # noqa: PLC0415

    loaded = effective_settings(settings, set_)
    arguments = []
    if config is None:
        check_settings(loaded, "gateway")
    else:
        arguments = ["--config", str(config)]
    become_part(loaded, "gateway", *arguments)
