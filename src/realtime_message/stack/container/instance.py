"""What an instance is made of: settings that a container fills in, and its parts' environment."""

from __future__ import annotations

import math
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from realtime_message.settings import LoadedSettings, Settings
from realtime_message.settings.environment import environment_with
from realtime_message.settings.load import reachable
from realtime_message.stack.container.admission import CENTRIFUGO
from realtime_message.stack.ports import WantedPort

ORIGIN = "container"

# What a part needs beyond its own time-out before it is killed.
_MARGIN_SECONDS = 2.0


def instance_settings(loaded: LoadedSettings, gateway: str) -> LoadedSettings:
    """Return the settings with what a container fills in where nobody chose.

    Args:
        loaded: the settings as given.
        gateway: which gateway runs.
    """
    wanted: dict[str, Any] = {}
    if not loaded.settings.callback.secret:
        # Only the gateway beside it calls this callback service: the two share a secret that
        # nobody else ever sees.
        wanted["callback.secret"] = secrets.token_hex(32)
    if gateway == CENTRIFUGO and not loaded.is_set("gateway.engine"):
        wanted["gateway.engine"] = "redis"
    if loaded.settings.log.format == "auto":
        wanted["log.format"] = "text"
    return loaded.with_values(wanted, ORIGIN)


def instance_environment(
    loaded: LoadedSettings,
    environment: Mapping[str, str],
    *,
    app: str,
    processes: int,
    folder: Path,
) -> dict[str, str]:
    """Return the environment of supervisord and of the parts.

    Args:
        loaded: the instance's settings.
        environment: what the container was given.
        app: the user's hooks as `module:attribute`; empty for none.
        processes: how many processes the callback service has.
        folder: where files of this run are kept.
    """
    settings = loaded.settings
    return {
        **environment_with(environment, loaded.chosen()),
        # Without it, what hooks print would wait in a buffer.
        "PYTHONUNBUFFERED": "1",
        "RTM_DATA_DIR": str(folder),
        "INSTANCE_APP": app,
        "INSTANCE_PROCESSES": str(processes),
        "INSTANCE_CALLBACK_STOP_SECONDS": _stop_seconds(settings.callback.drain_timeout_seconds),
        "INSTANCE_GATEWAY_STOP_SECONDS": _stop_seconds(settings.gateway.shutdown_timeout_seconds),
    }


def health_addresses(settings: Settings) -> list[str]:
    """Return the URLs that answer with 200 when the instance takes messages."""
    gateway, callback = settings.gateway, settings.callback
    scheme = "https" if callback.tls_certificate else "http"
    return [
        f"http://{reachable(gateway.host)}:{gateway.port}/health",
        f"{scheme}://{reachable(callback.host)}:{callback.port}/health/ready",
    ]


def wanted_ports(settings: Settings) -> list[WantedPort]:
    """Return the ports on which the parts will listen.

    Centrifugo would try a port that is taken again and again; and whoever waits for Redis first
    would hear of it late.
    """
    gateway, callback = settings.gateway, settings.callback
    return [
        WantedPort("gateway", gateway.host, gateway.port, "gateway.port"),
        WantedPort("callback service", callback.host, callback.port, "callback.port (PORT)"),
    ]


def instance_folder(environment: Mapping[str, str]) -> Path:
    """Return where the files of a run are kept: RTM_DATA_DIR, else `.rtm` here."""
    return Path(environment.get("RTM_DATA_DIR") or ".rtm").resolve()


def _stop_seconds(timeout_seconds: float) -> str:
    return str(math.ceil(timeout_seconds + _MARGIN_SECONDS))
