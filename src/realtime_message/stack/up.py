"""`rtm up`: the whole system on this machine, until Ctrl-C."""

from __future__ import annotations

import asyncio
import os
import shlex
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from realtime_message.settings import Layer, LoadedSettings, check_settings
from realtime_message.settings.environment import environment_with
from realtime_message.settings.masking import mask
from realtime_message.stack.app_check import check_app
from realtime_message.stack.browser import has_display, open_page
from realtime_message.stack.combined_log import CombinedLog
from realtime_message.stack.data_folder import DEFAULT_FOLDER, SECRET_SETTINGS, DataFolder
from realtime_message.stack.foreground import run_in_foreground
from realtime_message.stack.plan import (
    DEMO_APP,
    ROOMS,
    UpOptions,
    make_parts,
    settle,
    wanted_ports,
)
from realtime_message.stack.ports import check_ports
from realtime_message.telemetry.logs import has_colour


def run_up(options: UpOptions, load: Callable[[Layer], LoadedSettings]) -> int:
    """Run the whole system until it is stopped; return the exit code.

    Args:
        options: what was asked for.
        load: loads the settings above the secrets that the data folder keeps.

    Raises:
        StartupError: something is wrong before anything was started; the text says what.
    """
    started_at = time.monotonic()
    folder = DataFolder(options.data_folder)
    with folder.locked():
        loaded = settle(load(folder.secrets()), options)
        check_settings(loaded)
        check_ports(wanted_ports(loaded, options))
        is_terminal = sys.stdout.isatty()
        colour = has_colour(os.environ, is_terminal=is_terminal)
        environment = dict(os.environ) | ({"FORCE_COLOR": "1"} if colour else {})
        if options.app != DEMO_APP and not options.reloads:
            check_app(options.app, environment_with(environment, loaded.chosen()))
        parts = make_parts(loaded, options, folder, environment)
        folder.publish(_published(loaded), options.app)
        log = CombinedLog([part.name for part in parts], has_colour=colour)
        log.say(f"starting {', '.join(part.name for part in parts)}; data in {folder.path}")

        def on_ready() -> None:
            log.banner(_addresses(loaded, options, time.monotonic() - started_at))
            if options.opens_browser and has_display(os.environ):
                open_page(_page_url(options))

        return asyncio.run(
            run_in_foreground(parts, log, on_ready=on_ready, reloads=options.reloads)
        )


def _published(loaded: LoadedSettings) -> Mapping[str, object]:
    """Return what commands in other terminals need to know."""
    paths = (
        "redis.url",
        "redis.prefix",
        "redis.partition_count",
        "callback.host",
        "callback.port",
        "gateway.host",
        "gateway.port",
        "worker.receipts_channel",
        *SECRET_SETTINGS,
    )
    return {path: loaded.value(path) for path in paths}


def _addresses(loaded: LoadedSettings, options: UpOptions, seconds: float) -> list[tuple[str, str]]:
    settings = loaded.settings
    # Commands in other terminals look into the folder of this name unless they are told another.
    elsewhere = options.data_folder != Path(DEFAULT_FOLDER)
    prefix = f"RTM_DATA_DIR={shlex.quote(str(options.data_folder))} " if elsewhere else ""
    return [
        ("Chat page", _page_url(options)),
        ("Gateway", f"ws://localhost:{settings.gateway.port}/connection/websocket"),
        ("Callback", f"{settings.gateway.callback_url}/health/ready"),
        ("Redis", mask(settings.redis.url)),
        ("Ready", f"in {seconds:.1f} s; Ctrl-C ends everything"),
        ("Try", f"{prefix}rtm publish {ROOMS[0]} hello"),
        ("", "in another terminal, in this folder"),
    ]


def _page_url(options: UpOptions) -> str:
    return f"http://localhost:{options.page_port}"
