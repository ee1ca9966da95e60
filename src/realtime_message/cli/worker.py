"""`rtm worker`."""

from __future__ import annotations

from typing import Annotated

import typer

from realtime_message.cli.become import become_part
from realtime_message.cli.options import ConfigOption, SetOption, effective_settings


def worker(
    app: Annotated[str, typer.Argument(metavar="APP", help="Your app as module:attribute.")],
    *,
    worker_id: Annotated[
        str | None,
        typer.Option(help="Its name, the same over restarts; with --total-workers its number."),
    ] = None,
    total_workers: Annotated[
        int | None,
        typer.Option(help="Static assignment: it takes each partition i with i mod this = id."),
    ] = None,
    partitions: Annotated[
        str | None, typer.Option(help="Static assignment: partitions such as 0,1,2.")
    ] = None,
    concurrency: Annotated[
        int | None, typer.Option(help="Messages handled at once, of different channels.")
    ] = None,
    reload: Annotated[
        bool, typer.Option("--reload", help="Start anew when the source changes.")
    ] = False,
    config: ConfigOption = None,
    set_: SetOption = None,
) -> None:
    """Run a worker that hands messages to your app. Start as many as the load needs."""
    from realtime_message.settings import check_settings  # noqa: PLC0415 - --help needs none of it

    flags = {
        "worker.id": worker_id,
        "worker.total_workers": total_workers,
        "worker.partitions": partitions,
        "worker.concurrency": concurrency,
    }
    loaded = effective_settings(config, set_, flags)
    check_settings(loaded, "worker")
    if reload:
        from realtime_message.stack.reload import run_reloading  # noqa: PLC0415 - rarely needed

        raise typer.Exit(run_reloading(loaded, "worker", "--app", app))
    become_part(loaded, "worker", "--app", app)
