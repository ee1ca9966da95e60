"""`rtm centrifugo`: the configuration of the real gateway, and running it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from realtime_message.cli.become import become
from realtime_message.cli.options import (
    ConfigOption,
    SetOption,
    data_folder,
    effective_settings,
)
from realtime_message.cli.output import print_json

group = typer.Typer(
    name="centrifugo", help="Centrifugo: its configuration, and running it.", no_args_is_help=True
)


@group.command("config")
def config_(
    *,
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write it there instead of printing it.")
    ] = None,
    config: ConfigOption = None,
    set_: SetOption = None,
) -> None:
    """Make the configuration of Centrifugo v6 from the settings.

    It holds no secret: Centrifugo gets those from its environment, CENTRIFUGO_HTTP_API_KEY,
    CENTRIFUGO_VAR_CALLBACK_SECRET and CENTRIFUGO_CLIENT_TOKEN_HMAC_SECRET_KEY.
    """
    # Imported here: --help needs none of it.
    from realtime_message.stack.gateway_launch import (  # noqa: PLC0415
        gateway_configuration,
        write_configuration,
    )

    settings = effective_settings(config, set_).settings
    if output is None:
        print_json(gateway_configuration(settings))
    else:
        write_configuration(settings, output)
        print(f"wrote {output}")


@group.command("run")
def run(
    *,
    config: ConfigOption = None,
    set_: SetOption = None,
) -> None:
    """Run Centrifugo from RTM_CENTRIFUGO_BIN or PATH, configured and keyed by the settings."""
    # Imported here, as above.
    from realtime_message.settings import check_settings  # noqa: PLC0415
    from realtime_message.stack.gateway_launch import (  # noqa: PLC0415
        find_centrifugo,
        gateway_environment,
        write_configuration,
    )

    loaded = effective_settings(config, set_)
    check_settings(loaded, "gateway")
    program = find_centrifugo(os.environ)
    folder = data_folder()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = folder / "centrifugo.json"
    write_configuration(loaded.settings, file)
    become([str(program), "-c", str(file)], gateway_environment(loaded.settings, os.environ))
