"""All commands, put together."""

from __future__ import annotations

from typing import Annotated

import typer

from realtime_message.cli import (
    callback,
    centrifugo,
    channels,
    config,
    console,
    dead_letters,
    doctor,
    gateway,
    leases,
    monitor,
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


application.command("up", short_help="Run the whole system on this machine, with a chat page.")(
    up.up
)
application.command("callback", short_help="Run the callback service that Centrifugo calls.")(
    callback.callback
)
application.command("worker", short_help="Run a worker that hands messages to your app.")(
    worker.worker
)
application.command("gateway", short_help="Run the embedded gateway, for development and tests.")(
    gateway.gateway
)
application.add_typer(centrifugo.group)
application.command("token", short_help="Print a token for a client.")(token.token)
application.command("publish", short_help="Publish through the gateway, as a client would.")(
    publish.publish
)
application.command("subscribe", short_help="Print what is published in channels.")(
    subscribe.subscribe
)
application.add_typer(partitions.group)
application.command("workers", short_help="List the live workers and their partitions.")(
    workers.workers
)
application.add_typer(leases.group)
application.add_typer(dead_letters.group)
application.add_typer(channels.group)
application.add_typer(config.group)
application.command("console", short_help="Show the system in the browser, live.")(console.console)
application.command("doctor", short_help="Check the whole installation, and say what to do.")(
    doctor.doctor
)
application.command("monitor", short_help="Watch the system live in the terminal.")(monitor.monitor)
