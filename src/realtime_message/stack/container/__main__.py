"""The way into an instance: checks, waits for Redis, becomes supervisord."""

from __future__ import annotations

import argparse
import asyncio
import errno
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from realtime_message.errors import StartupError
from realtime_message.settings import Settings, load_settings
from realtime_message.stack.container.admission import (
    CENTRIFUGO,
    check_instance,
    chosen_gateway,
)
from realtime_message.stack.container.instance import (
    health_addresses,
    instance_environment,
    instance_folder,
    instance_settings,
    wanted_ports,
)
from realtime_message.stack.container.part_lines import open_log
from realtime_message.stack.container.process_limit import check_process_limit
from realtime_message.stack.container.redis_wait import wait_for_redis
from realtime_message.stack.ending import run_to_exit_code
from realtime_message.stack.gateway_launch import find_centrifugo
from realtime_message.stack.ports import check_ports
from realtime_message.stack.terminal import prepare_output
from realtime_message.telemetry.logs import configure_logging

HEALTH_FILE = "health"


def main(arguments: Sequence[str] | None = None) -> int:
    """Check, wait and become supervisord; return the exit code of what goes wrong before."""
    prepare_output()
    parser = argparse.ArgumentParser(
        prog="instance", description="Run gateway and callback service in one container."
    )
    parser.add_argument("app", nargs="?", default="", help="your hooks as module:attribute")
    parser.add_argument("--processes", type=int, default=2, help="callback processes, 2 by default")
    options = parser.parse_args(arguments)
    return run_to_exit_code(lambda: _start(options))


def _start(options: argparse.Namespace) -> int:
    gateway = chosen_gateway(os.environ)
    loaded = instance_settings(load_settings(os.environ), gateway)
    settings = loaded.settings
    configure_logging(settings.log.level, settings.log.format)
    check_instance(loaded)
    if gateway == CENTRIFUGO:
        find_centrifugo(os.environ)
    check_process_limit()
    check_ports(wanted_ports(settings))
    folder = instance_folder(os.environ)
    _write_health_file(folder, settings)
    asyncio.run(wait_for_redis(settings.redis, open_log(settings.log.format).say))
    environment = instance_environment(
        loaded, os.environ, app=options.app, processes=options.processes, folder=folder
    )
    command = [
        sys.executable,
        "-P",
        "-m",
        "realtime_message.stack.container.supervision",
        settings.log.format,
    ]
    sys.stdout.flush()
    # Another program in this process: what the checks loaded is not kept in memory for ever.
    os.execve(command[0], command, environment)  # noqa: S606 - no shell is the point


def _write_health_file(folder: Path, settings: Settings) -> None:
    """Make the folder of this run, and say there what the health check asks.

    Raises:
        StartupError: the folder cannot be written.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (folder / HEALTH_FILE).write_text("\n".join(health_addresses(settings)) + "\n", "utf-8")
    except OSError as error:
        is_full = error.errno == errno.ENOSPC
        remedy = (
            "make room there"
            if is_full
            else "give the container a writable folder there (--tmpfs /tmp)"
        )
        raise StartupError(
            f"{folder} cannot be written ({error.strerror}): {remedy}, or name another one in "
            "RTM_DATA_DIR"
        ) from None


if __name__ == "__main__":
    sys.exit(main())
