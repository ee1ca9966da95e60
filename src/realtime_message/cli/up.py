"""`rtm up`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from realtime_message.cli.options import ConfigOption, SetOption, data_folder, effective_settings

AppArgument = Annotated[
    str, typer.Argument(metavar="APP", help="Your app as module:attribute; a demo by default.")
]
GatewayOption = Annotated[
    Literal["embedded", "centrifugo"],
    typer.Option(help="The embedded gateway, or Centrifugo from RTM_CENTRIFUGO_BIN or PATH."),
]
DataDirOption = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="Where data and keys are kept; .rtm by default."),
]
GatewayPortOption = Annotated[
    int | None, typer.Option(metavar="PORT", help="Port of the gateway; 8000 by default.")
]
CallbackPortOption = Annotated[
    int | None, typer.Option(metavar="PORT", help="Port of the callback; 3000 by default.")
]
PagePortOption = Annotated[
    int, typer.Option(metavar="PORT", min=1, max=65535, help="Port of the chat page.")
]
RedisPortOption = Annotated[
    int,
    typer.Option(
        metavar="PORT", min=0, max=65535, help="Port of the embedded Valkey; 0 takes a free one."
    ),
]
WorkersOption = Annotated[int, typer.Option(min=1, max=64, help="How many workers.")]
ReloadOption = Annotated[
    bool, typer.Option("--reload", help="Start callback and workers anew on source changes.")
]
NoBrowserOption = Annotated[bool, typer.Option("--no-browser", help="Do not open the chat page.")]


def up(
    app: AppArgument = "",
    *,
    gateway: GatewayOption = "embedded",
    data_dir: DataDirOption = None,
    gateway_port: GatewayPortOption = None,
    callback_port: CallbackPortOption = None,
    page_port: PagePortOption = 8080,
    redis_port: RedisPortOption = 0,
    workers: WorkersOption = 1,
    reload: ReloadOption = False,
    no_browser: NoBrowserOption = False,
    config: ConfigOption = None,
    set_: SetOption = None,
) -> None:
    """Run the whole system on this machine: Valkey, gateway, callback, workers and a chat page.

    Data and keys stay in the data folder. Ctrl-C ends everything in order. With REDIS_URL set, that
    server is used and no Valkey is started.
    """
    # Imported here: other commands need none of it.
    from realtime_message.stack.plan import DEMO_APP, UpOptions  # noqa: PLC0415
    from realtime_message.stack.up import run_up  # noqa: PLC0415

    flags = {"gateway.port": gateway_port, "callback.port": callback_port}
    options = UpOptions(
        app=app or DEMO_APP,
        gateway=gateway,
        data_folder=data_dir or data_folder(),
        page_port=page_port,
        redis_port=redis_port,
        workers=workers,
        reloads=reload,
        opens_browser=not no_browser,
    )
    raise typer.Exit(
        run_up(options, lambda keys: effective_settings(config, set_, flags, beneath=keys))
    )
