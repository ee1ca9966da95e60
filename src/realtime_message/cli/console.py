"""`rtm console`."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from realtime_message.cli.options import ConfigOption, SetOption, effective_settings


def console(
    *,
    host: Annotated[
        str | None, typer.Option(help="Address to listen on; 127.0.0.1 by default.")
    ] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 8090 by default.")] = None,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Do not open the page in a browser.")
    ] = False,
    refresh_seconds: Annotated[
        float | None, typer.Option(help="Time between two looks at Redis; 2 by default.")
    ] = None,
    config: ConfigOption = None,
    set_: SetOption = None,
) -> None:
    """Show the system in the browser, live: partitions, workers, dead letters, parked channels.

    It reads and changes nothing. Other machines reach it only with --host and a password
    (console.password).
    """
    # Imported here: --help needs none of it.
    from realtime_message.console.server import run_console  # noqa: PLC0415
    from realtime_message.doctor.overview import review_overview  # noqa: PLC0415
    from realtime_message.settings import check_settings  # noqa: PLC0415
    from realtime_message.stack.browser import has_display, open_page  # noqa: PLC0415
    from realtime_message.telemetry.logs import configure_command_logging  # noqa: PLC0415

    flags = {
        "console.host": host,
        "console.port": port,
        "console.refresh_seconds": refresh_seconds,
    }
    loaded = effective_settings(config, set_, flags)
    check_settings(loaded, "console")
    configure_command_logging("error")

    def on_ready(url: str) -> None:
        print(f"the console is at {url} (Ctrl-C ends it)", flush=True)
        if not no_browser and has_display(os.environ):
            open_page(url)

    settings = loaded.settings
    raise typer.Exit(run_console(settings, lambda seen: review_overview(seen, settings), on_ready))
