"""The way into a process that serves: `python -P -m realtime_message.stack.part NAME …`.

`rtm` checks what the user typed and then becomes one of these, and `rtm up` starts them. What the
command line needs for parsing and for tables is never loaded here. Settings come from the
environment alone; whoever started the process put the effective ones there.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from realtime_message.app import App, check_handlers
from realtime_message.app_import import import_app
from realtime_message.settings import LoadedSettings, check_settings, load_settings
from realtime_message.stack.ending import run_to_exit_code
from realtime_message.stack.gateway_launch import gateway_environment, write_configuration
from realtime_message.stack.interrupts import end_at_interrupts, raise_interrupts
from realtime_message.stack.terminal import prepare_output
from realtime_message.telemetry.logs import configure_logging


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the part that the command line names; return the exit code."""
    end_at_interrupts()
    prepare_output()
    options = _parser().parse_args(arguments)

    def run() -> int | None:
        loaded = load_settings(os.environ, search_file=False)
        log = loaded.settings.log
        configure_logging(log.level, log.format)
        return _PARTS[options.part](loaded, options)

    return run_to_exit_code(run)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="realtime_message.stack.part")
    parser.add_argument("part", choices=sorted(_PARTS))
    parser.add_argument("--app", default="")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--config", type=Path)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--room", action="append", default=[])
    return parser


def _callback(loaded: LoadedSettings, options: argparse.Namespace) -> int | None:
    from realtime_message.callback.service import run_callback  # noqa: PLC0415 - this part only

    raise_interrupts()
    check_settings(loaded, "callback")
    app = (lambda: import_app(options.app)) if options.app else App()
    return run_callback(loaded.settings, app, processes=options.processes)


def _worker(loaded: LoadedSettings, options: argparse.Namespace) -> int | None:
    from realtime_message.worker.run import run_worker  # noqa: PLC0415 - this part only

    raise_interrupts()
    check_settings(loaded, "worker")
    return run_worker(loaded.settings, import_app(options.app))


def _gateway(loaded: LoadedSettings, options: argparse.Namespace) -> int | None:
    from realtime_message.centrifugo.configuration import (  # noqa: PLC0415 - this part only
        read_configuration,
    )
    from realtime_message.gateway.server import run_gateway  # noqa: PLC0415 - this part only

    raise_interrupts()
    # Its secrets come from our settings, whatever they were set by.
    environment = gateway_environment(loaded.settings, os.environ)
    if options.config is not None:
        configuration = read_configuration(options.config, environment)
    else:
        check_settings(loaded, "gateway")
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "centrifugo.json"
            write_configuration(loaded.settings, file)
            configuration = read_configuration(file, environment)
    return run_gateway(configuration)


def _page(loaded: LoadedSettings, options: argparse.Namespace) -> None:
    from realtime_message.stack.page_run import run_page  # noqa: PLC0415 - this part only

    raise_interrupts()
    run_page(loaded.settings, port=options.port, rooms=options.room)


def _app(_loaded: LoadedSettings, options: argparse.Namespace) -> None:
    """See whether a worker could use the app, and end."""
    raise_interrupts()
    app = import_app(options.app)
    check_handlers(app)


_PARTS: dict[str, Callable[[LoadedSettings, argparse.Namespace], int | None]] = {
    "callback": _callback,
    "worker": _worker,
    "gateway": _gateway,
    "page": _page,
    "app": _app,
}


if __name__ == "__main__":
    sys.exit(main())
