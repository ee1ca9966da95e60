"""`rtm callback`."""

from __future__ import annotations

from typing import Annotated

import typer

from realtime_message.cli.become import become_part
from realtime_message.cli.options import ConfigOption, SetOption, effective_settings


def callback(
    app: Annotated[
        str,
        typer.Argument(
            metavar="APP", help="Your app as module:attribute; without one there are no hooks."
        ),
    ] = "",
    *,
    processes: Annotated[int, typer.Option(min=1, max=256, help="How many processes.")] = 1,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 3000 by default.")] = None,
    config: ConfigOption = None,
    set_: SetOption = None,
) -> None:
    """Run the callback service that Centrifugo calls."""
    from realtime_message.settings import check_settings  # noqa: PLC0415 - --help needs none of it

    loaded = effective_settings(config, set_, {"callback.host": host, "callback.port": port})
    check_settings(loaded, "callback")
    arguments = ["--processes", str(processes), *(["--app", app] if app else [])]
    become_part(loaded, "callback", *arguments)
