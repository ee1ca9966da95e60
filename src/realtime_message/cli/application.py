"""All commands, put together."""

from __future__ import annotations

from typing import Annotated

import typer

from realtime_message.cli import (
    callback,
    centrifugo,
    channels,
    config,
    dead_letters,
    doctor,
    gateway,
    leases,
    partitions,
    publish,
    subscribe,
    token,
    up,
    worker,
    workers,
)

application = typer.Typer(
    help="Every message people send over Centrifugo reaches your Python code.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _print_version(*, wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version  # noqa: PLC0415 - rarely needed, slow to load

        print(f"rtm {version('centrifuge-realtime-message')}")
        raise typer.Exit


@application.callback()
def _root(
    *,
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            help="Print the version.",
            is_eager=True,
            callback=lambda wanted: _print_version(wanted=wanted),
        ),
    ] = False,
) -> None:
    del version


application.command("up")(up.up)
application.command("callback")(callback.callback)
application.command("worker")(worker.worker)
application.command("gateway")(gateway.gateway)
application.add_typer(centrifugo.group)
application.command("token")(token.token)
application.command("publish")(publish.publish)
application.command("subscribe")(subscribe.subscribe)
application.add_typer(partitions.group)
application.command("workers")(workers.workers)
application.add_typer(leases.group)
application.add_typer(dead_letters.group)
application.add_typer(channels.group)
application.add_typer(config.group)
application.command("doctor")(doctor.doctor)
