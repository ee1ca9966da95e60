"""Which parts `rtm up` runs, with which settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from realtime_message.centrifugo.review_findings import LOOPBACK_HOSTS
from realtime_message.errors import ConfigurationError
from realtime_message.settings import ChannelRule, LoadedSettings
from realtime_message.settings.environment import environment_with
from realtime_message.stack.data_folder import DEFAULT_FOLDER, DataFolder
from realtime_message.stack.gateway_launch import (
    find_centrifugo,
    gateway_environment,
    write_configuration,
)
from realtime_message.stack.kept_part import STOP_MARGIN_SECONDS, Part
from realtime_message.stack.part_command import part_command
from realtime_message.stack.ports import WantedPort, free_port
from realtime_message.stack.readiness import http_ok
from realtime_message.stack.valkey import READY_LINE, find_server, is_warning, server_command

DEMO_APP = "realtime_message.stack.demo:app"
ROOMS = ("room:lobby", "room:kitchen", "room:garden")
RECEIPTS_CHANNEL = "receipts"
ORIGIN = "rtm up"

# The order of ending: what takes messages in ends before what hands them on.
_GATEWAY_ENDS, _CALLBACK_ENDS, _WORKERS_END, _VALKEY_ENDS = range(4)


@dataclass(frozen=True, slots=True, kw_only=True)
class UpOptions:
    """What `rtm up` is asked for beside the settings.

    Attributes:
        app: the user's app as `module:attribute`.
        gateway: the embedded gateway, or Centrifugo itself.
        data_folder: where data and secrets are kept.
        page_port: port of the chat page.
        redis_port: port of the embedded Valkey; 0 takes a free one.
        workers: how many workers.
        reloads: whether callback service and workers start again when the source changes.
        opens_browser: whether to open the chat page.
    """

    app: str = DEMO_APP
    gateway: Literal["embedded", "centrifugo"] = "embedded"
    data_folder: Path = field(default_factory=lambda: Path(DEFAULT_FOLDER))
    page_port: int = 8080
    redis_port: int = 0
    workers: int = 1
    reloads: bool = False
    opens_browser: bool = True


def settle(loaded: LoadedSettings, options: UpOptions) -> LoadedSettings:
    """Return the settings with what `rtm up` fills in where nobody chose.

    Raises:
        ConfigurationError: the settings assign partitions, which `rtm up` leaves to its workers.
    """
    for path in ("worker.total_workers", "worker.partitions"):
        if loaded.is_set(path) and loaded.value(path):
            raise ConfigurationError(
                f"{path} ({loaded.origins[path]}): `rtm up` runs its workers itself and lets them "
                "share the partitions out; leave it unset, or start workers with `rtm worker`"
            )
    wanted: dict[str, Any] = {
        "log.format": "text",
        "worker.receipts_channel": RECEIPTS_CHANNEL,
        "gateway.allowed_origins": _page_origins(loaded.settings.gateway.host, options.page_port),
    }
    if not loaded.is_set("redis.url"):
        port = options.redis_port or free_port()
        wanted["redis.url"] = f"redis://127.0.0.1:{port}"
    chosen = {path: value for path, value in wanted.items() if not loaded.is_set(path)}
    settled = loaded.with_values(chosen, ORIGIN)
    return settled.with_values({"callback.channels": _rules(settled)}, ORIGIN)


def wanted_ports(loaded: LoadedSettings, options: UpOptions) -> list[WantedPort]:
    """Return the ports that the parts will listen on, with the flag that moves each."""
    settings = loaded.settings
    ports = [
        WantedPort("gateway", settings.gateway.host, settings.gateway.port, "--gateway-port"),
        WantedPort("callback", settings.callback.host, settings.callback.port, "--callback-port"),
        WantedPort("chat page", settings.gateway.host, options.page_port, "--page-port"),
    ]
    if loaded.origins["redis.url"] == ORIGIN and options.redis_port:
        ports.append(WantedPort("valkey", "127.0.0.1", options.redis_port, "--redis-port"))
    return ports


def make_parts(
    loaded: LoadedSettings,
    options: UpOptions,
    folder: DataFolder,
    environment: Mapping[str, str],
) -> list[Part]:
    """Return the parts, in the order in which their start is told.

    Raises:
        StartupError: a program that is needed is not there.
    """
    # Without it, what a handler prints would wait in a buffer.
    shared = environment_with(environment, loaded.chosen()) | {"PYTHONUNBUFFERED": "1"}
    parts = []
    if loaded.origins["redis.url"] == ORIGIN:
        parts.append(_valkey(loaded, folder, environment))
    parts.append(_gateway(loaded, options, folder, environment, shared))
    parts.append(_callback(loaded, options, shared))
    parts += [_worker(loaded, options, shared, number) for number in range(1, options.workers + 1)]
    parts.append(_page(loaded, options, shared))
    return parts


def _page_origins(host: str, port: int) -> list[str]:
    if host in LOOPBACK_HOSTS:
        return [f"http://{name}:{port}" for name in ("localhost", "127.0.0.1", "[::1]")]
    # The page is opened under whatever name this machine has there.
    return [f"http://*:{port}"]


def _rules(loaded: LoadedSettings) -> list[ChannelRule]:
    """Return the channel rules, with one that lets only workers publish receipts."""
    rules = loaded.settings.callback.channels
    channel = loaded.settings.worker.receipts_channel
    if not channel or any(rule.pattern == channel for rule in rules):
        return rules
    return [
        *rules,
        ChannelRule(pattern=channel, subscribe="users", publish="nobody", payload="any"),
    ]


def _valkey(loaded: LoadedSettings, folder: DataFolder, environment: Mapping[str, str]) -> Part:
    port = int(loaded.settings.redis.url.rpartition(":")[2])
    return Part(
        name="valkey",
        command=server_command(find_server(), port=port, directory=folder.valkey),
        environment=environment,
        ready_line=READY_LINE,
        is_quiet_start=True,
        shows=is_warning,
        stop_after=_VALKEY_ENDS,
        stop_timeout_seconds=10.0,
    )


def _gateway(
    loaded: LoadedSettings,
    options: UpOptions,
    folder: DataFolder,
    environment: Mapping[str, str],
    shared: Mapping[str, str],
) -> Part:
    settings = loaded.settings
    write_configuration(settings, folder.gateway_configuration)
    secrets = gateway_environment(settings, environment)
    file = str(folder.gateway_configuration.resolve())
    is_embedded = options.gateway == "embedded"
    return Part(
        name="gateway",
        command=part_command("gateway", "--config", file)
        if is_embedded
        else [str(find_centrifugo(environment).resolve()), "-c", file],
        environment=dict(shared) | secrets if is_embedded else secrets,
        answers=_health(settings.gateway.host, settings.gateway.port, "/health"),
        # Centrifugo reads a file called .env in its working directory: not the user's.
        directory=None if is_embedded else folder.path,
        is_quiet_start=not is_embedded,
        stop_after=_GATEWAY_ENDS,
    )


def _callback(loaded: LoadedSettings, options: UpOptions, shared: Mapping[str, str]) -> Part:
    callback = loaded.settings.callback
    return Part(
        name="callback",
        command=part_command("callback", "--app", options.app),
        environment=shared,
        answers=_health(
            callback.host,
            callback.port,
            "/health/ready",
            is_https=bool(callback.tls_certificate),
        ),
        stop_after=_CALLBACK_ENDS,
        stop_timeout_seconds=callback.drain_timeout_seconds + STOP_MARGIN_SECONDS,
        follows_source=True,
    )


def _worker(
    loaded: LoadedSettings, options: UpOptions, shared: Mapping[str, str], number: int
) -> Part:
    worker = loaded.settings.worker
    # Its health is asked for on a port of its own, whatever it logs.
    port = worker.metrics_port if worker.metrics_port and number == 1 else free_port()
    names = {"RTM_WORKER__ID": str(number), "RTM_WORKER__METRICS_PORT": str(port)}
    return Part(
        name="worker" if options.workers == 1 else f"worker-{number}",
        command=part_command("worker", "--app", options.app),
        environment={**shared, **names},
        answers=_health(worker.metrics_host, port, "/health"),
        joins_partitions=True,
        stop_after=_WORKERS_END,
        stop_timeout_seconds=worker.drain_timeout_seconds + STOP_MARGIN_SECONDS,
        follows_source=True,
    )


def _page(loaded: LoadedSettings, options: UpOptions, shared: Mapping[str, str]) -> Part:
    rooms = [word for room in ROOMS for word in ("--room", room)]
    return Part(
        name="page",
        command=part_command("page", "--port", str(options.page_port), *rooms),
        environment=shared,
        answers=_health(loaded.settings.gateway.host, options.page_port, "/"),
        stop_after=_GATEWAY_ENDS,
    )


def _health(host: str, port: int, path: str, *, is_https: bool = False) -> Callable[[], Any]:
    reachable = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared
    return http_ok(port, path, reachable.get(host, host), is_https=is_https)
