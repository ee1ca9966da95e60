"""`rtm worker`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from realtime_message.cli.become import become_part
from realtime_message.cli.options import ConfigOption, SetOption, data_folder, effective_settings

if TYPE_CHECKING:
    from realtime_message.settings import LoadedSettings


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
    _tell_of_sharing(loaded, app)
    if reload:
        from realtime_message.stack.reload import run_reloading  # noqa: PLC0415 - rarely needed

        raise typer.Exit(run_reloading(loaded, "worker", "--app", app))
    become_part(loaded, "worker", "--app", app)


def _tell_of_sharing(loaded: LoadedSettings, app: str) -> None:
    """Say so if the partitions are shared with the workers of the `rtm up` that runs here."""
    from realtime_message.stack.data_folder import DataFolder  # noqa: PLC0415 - as above

    folder = DataFolder(data_folder())
    running = folder.running()
    if running is None or loaded.origins["redis.url"] != running.origin:
        return
    other = folder.running_app()
    text = f"rtm up already runs a worker for {other}; the partitions are shared with it"
    if other != app:
        text += f". For all messages to reach {app}: end it, and run `rtm up {app}`"
    print(text, file=sys.stderr, flush=True)
