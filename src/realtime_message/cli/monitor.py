"""`rtm monitor`."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from math import isnan
from typing import TYPE_CHECKING, Annotated, Any

import typer

from realtime_message.cli.options import ConfigOption, JsonOption, SetOption, effective_settings
from realtime_message.errors import StartupError

if TYPE_CHECKING:
    from realtime_message.console.overview import Overview
    from realtime_message.console.terminal.summary import Concern
    from realtime_message.settings import Settings

RefreshOption = Annotated[
    float,
    typer.Option(
        "--refresh-seconds",
        min=0.2,
        max=3600,
        help="How often to look; with --once for how long the rates are measured.",
    ),
]
OnceOption = Annotated[bool, typer.Option("--once", help="Print one frame as plain text and end.")]


def monitor(
    *,
    refresh_seconds: RefreshOption = 1.0,
    once: OnceOption = False,
    config: ConfigOption = None,
    set_: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Watch partitions, workers, parked channels and dead letters, live in the terminal.

    It only reads. While Redis does not answer, what was seen last stays, with its age and the
    reason. `q` ends it, `?` shows the other keys. `--once` is for scripts, pipes and terminals that
    cannot show a live screen; `--json` goes with it.
    """
    if isnan(refresh_seconds):
        raise typer.BadParameter("--refresh-seconds nan: expected a number of seconds")
    if as_json and not once:
        raise typer.BadParameter("--json needs --once")
    if not once:
        _require_terminal()
    settings = effective_settings(config, set_).settings
    # Imported here: --help needs none of it.
    from realtime_message.cli.monitor_frame import print_frame  # noqa: PLC0415
    from realtime_message.console.terminal.run import run_live, take_frame  # noqa: PLC0415
    from realtime_message.telemetry.logs import configure_command_logging  # noqa: PLC0415

    # What the streams would log would be written over the screen.
    configure_command_logging("warning" if once else "critical")
    if once:
        frame = take_frame(settings.redis, refresh_seconds)
        print_frame(frame, _concerns(frame.overview, settings), as_json=as_json)
        return
    raise typer.Exit(
        run_live(settings.redis, lambda overview: _concerns(overview, settings), refresh_seconds)
    )


def _require_terminal() -> None:
    """Refuse to start a live screen where none can be shown.

    Raises:
        typer.BadParameter: there is no terminal, or one that cannot move its cursor.
        StartupError: textual is not installed.
    """
    streams: tuple[Any, ...] = (sys.stdin, sys.stdout, sys.stderr)
    if not all(stream.isatty() for stream in streams):
        raise typer.BadParameter(
            "input and output are not a terminal: --once prints one frame as plain text"
        )
    terminal = os.environ.get("TERM", "")
    if terminal in ("", "dumb", "unknown"):
        raise typer.BadParameter(
            f"this terminal (TERM={terminal}) cannot show a live screen: --once prints one frame "
            "as plain text"
        )
    if find_spec("textual") is None:
        raise StartupError(
            "textual is not installed, which shows the live screen: pip install "
            "'centrifuge-realtime-message[monitor]', or let --once print one frame as plain text"
        )


def _concerns(overview: Overview, settings: Settings) -> list[Concern]:
    from realtime_message.console.terminal.summary import Concern  # noqa: PLC0415 - as above
    from realtime_message.doctor.overview import review_overview  # noqa: PLC0415 - as above

    return [
        Concern(f"{finding.severity}: {finding.what}", finding.fix)
        for finding in review_overview(overview, settings)
    ]
