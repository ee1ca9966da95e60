"""The declarations. A setting is a field here and nowhere else.

`option` gives each field its help, its unit, the environment name that other systems know it by
(beside `RTM_SECTION__NAME`, which every setting has), whether it is a secret, and where the type
and its limits do not say it well enough, what fits in words.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from realtime_message.settings.masking import mask


def option(
    help_text: str,
    *,
    unit: str = "",
    environment: str = "",
    secret: bool = False,
    fits: str = "",
    **limits: Any,
) -> Meta:
    """Describe a setting; `limits` are msgspec's constraints, such as ge and max_length."""
    extra = {"unit": unit, "environment": environment, "secret": secret, "fits": fits}
    return Meta(description=help_text, extra=extra, **limits)


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A group of settings: a table in the TOML file. Its `repr` shows no secret."""

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [
            (field.name, mask(value) if _is_secret(field.type) else value)
            for field in msgspec.structs.fields(type(self))
            for value in (getattr(self, field.name),)
        ]

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self.__rich_repr__())
        return f"{type(self).__name__}({shown})"


def _is_secret(annotated: Any) -> bool:
    metas = getattr(annotated, "__metadata__", ())
    return any((meta.extra or {}).get("secret", False) for meta in metas)


class RedisSettings(Section, frozen=True, kw_only=True):
    """The streams' server."""

    url: Annotated[
        str,
        option(
            "Where Redis or Valkey is.",
            environment="REDIS_URL",
            secret=True,
            fits="a URL such as redis://localhost:6379",
            pattern=r"^[a-z0-9+]+://",
        ),
    ] = "redis://localhost:6379"
    prefix: Annotated[
        str,
        option(
            "First part of every key; streams are PREFIX:partition:N. Another prefix is another "
            "installation on the same server.",
            fits="1 to 64 letters, digits, dots, dashes and underscores",
            pattern=r"^[A-Za-z0-9_.-]{1,64}\Z",
        ),
    ] = "messages"
    partition_count: Annotated[
        int,
        option(
            "Partitions, stored at the first start. A process with another number refuses to "
            "start. At least as many as workers will ever run; more cost two connections each.",
            ge=1,
            le=1024,
        ),
    ] = 8
    connect_timeout_seconds: Annotated[
        float, option("How long one attempt to connect may take.", unit="seconds", gt=0)
    ] = 2.0
    command_timeout_seconds: Annotated[
        float,
        option(
            "How long a command may take before it counts as failed. For an append it must stay "
            "below the gateway's proxy time-out.",
            unit="seconds",
            gt=0,
        ),
    ] = 0.8
    startup_timeout_seconds: Annotated[
        float, option("How long a process waits for Redis at its start.", unit="seconds", ge=0)
    ] = 10.0


Who = Literal["anyone", "users", "owner", "nobody"]


class ChannelRule(Section, frozen=True, kw_only=True):
    """Who may use the channels of one pattern; the most specific pattern decides."""

    pattern: Annotated[str, option("Channel pattern; `*` is any run of characters.", min_length=1)]
    subscribe: Annotated[
        Who,
        option(
            "`anyone`, `users` (not anonymous), `owner` (the user whose id stands where the "
            "pattern has its `*`), `nobody`."
        ),
    ] = "users"
    publish: Annotated[Who, option("As for subscribe.")] = "users"
    payload: Annotated[
        Literal["chat", "any"],
        option("`chat` wants a text of 1 to 5000 characters; `any` takes every JSON value."),
    ] = "chat"


class CallbackSettings(Section, frozen=True, kw_only=True):
    """The callback service that Centrifugo calls."""

    host: Annotated[str, option("Address to listen on.")] = "127.0.0.1"
    port: Annotated[int, option("Port to listen on.", environment="PORT", ge=0, le=65535)] = 3000
    token_secret: Annotated[
        str,
        option(
            "The key that signs connection tokens (HMAC). At least 16 characters.",
            environment="CENTRIFUGO_TOKEN_HMAC_SECRET_KEY",
            secret=True,
        ),
    ] = ""
    previous_token_secret: Annotated[
        str,
        option("The key that tokens were signed with before; accepted as well.", secret=True),
    ] = ""
    secret: Annotated[
        str,
        option(
            "Shared with Centrifugo, which sends it in the X-Callback-Secret header. Without one, "
            "only callers on the same machine are served.",
            environment="CENTRIFUGO_VAR_CALLBACK_SECRET",
            secret=True,
        ),
    ] = ""
    previous_secret: Annotated[
        str,
        option("The secret shared before; accepted as well, while it is changed.", secret=True),
    ] = ""
    allow_anonymous: Annotated[
        bool, option("Let clients without a token connect, as the user with the empty id.")
    ] = False
    max_body_bytes: Annotated[int, option("Larger bodies are refused.", unit="bytes", ge=1024)] = (
        262_144
    )
    max_channel_length: Annotated[
        int, option("Longer channel names are refused.", unit="characters", ge=1, le=1024)
    ] = 255
    max_in_flight: Annotated[
        int, option("Requests worked on at once; more get a temporary error.", ge=1)
    ] = 4096
    deadline_seconds: Annotated[
        float,
        option(
            "When a request is given up with a temporary error. Below the gateway's proxy "
            "time-out.",
            unit="seconds",
            gt=0,
        ),
    ] = 0.9
    hook_threads: Annotated[
        int, option("Hooks that are no coroutine functions, run at once in threads.", ge=1)
    ] = 16
    keep_alive_seconds: Annotated[
        float,
        option(
            "How long a connection stays open without a request. Centrifugo does not repeat a "
            "request that meets a closing connection: keep it long.",
            unit="seconds",
            gt=0,
        ),
    ] = 3600.0
    dedup_field: Annotated[
        str,
        option(
            "The field of the client's data that holds its message id; empty: resends are not "
            "detected."
        ),
    ] = "id"
    dedup_window_seconds: Annotated[
        float, option("How long a message id is remembered.", unit="seconds", gt=0)
    ] = 600.0
    drain_timeout_seconds: Annotated[
        float, option("How long a stop waits for requests in flight.", unit="seconds", ge=0)
    ] = 10.0
    channels: Annotated[
        list[ChannelRule],
        option("Rules by channel pattern; what no rule matches is open to users, as chat."),
    ] = msgspec.field(
        default_factory=lambda: [ChannelRule(pattern="user:*", subscribe="owner", publish="owner")]
    )


class WorkerSettings(Section, frozen=True, kw_only=True):
    """A worker."""

    id: Annotated[
        str,
        option(
            "The worker's name, the same over restarts. With TOTAL_WORKERS it is its number from "
            "0. Empty: a name is made up.",
            environment="WORKER_ID",
            fits="up to 64 letters, digits, dots, dashes and underscores",
            pattern=r"^[A-Za-z0-9_.-]{0,64}\Z",
        ),
    ] = ""
    total_workers: Annotated[
        int,
        option(
            "Static assignment: partition i belongs to worker i mod TOTAL_WORKERS. 0: partitions "
            "are assigned automatically.",
            environment="TOTAL_WORKERS",
            ge=0,
        ),
    ] = 0
    partitions: Annotated[
        str,
        option(
            "Static assignment: partitions such as 0,1,2.",
            environment="PARTITIONS",
            fits="numbers with commas between them",
            pattern=r"^\s*(\d+\s*(,\s*\d+\s*)*)?\Z",
        ),
    ] = ""
    concurrency: Annotated[
        int, option("Messages handled at once, of different channels.", ge=1)
    ] = 100
    lease_seconds: Annotated[
        float,
        option(
            "How long a partition stays with a worker that went silent. Renewed every third of "
            "it; a dead worker's partitions move within about this time.",
            unit="seconds",
            ge=1,
        ),
    ] = 9.0
    max_attempts: Annotated[
        int, option("Attempts before a message becomes a dead letter.", ge=1)
    ] = 5
    handler_timeout_seconds: Annotated[
        float,
        option("A handler that takes longer is cancelled; 0 for never.", unit="seconds", ge=0),
    ] = 30.0
    backoff_initial_seconds: Annotated[
        float,
        option(
            "Wait before the second attempt; doubled for each further one.", unit="seconds", ge=0
        ),
    ] = 0.2
    backoff_max_seconds: Annotated[
        float, option("The longest wait between attempts.", unit="seconds", ge=0)
    ] = 30.0
    max_buffered_messages: Annotated[int, option("Messages read ahead per partition.", ge=1)] = 1000
    drain_timeout_seconds: Annotated[
        float,
        option("How long a stop waits for handlers before it cancels them.", unit="seconds", ge=0),
    ] = 20.0
    unhandled: Annotated[
        Literal["ack", "dead_letter"],
        option("What happens to a message of a channel that no handler wants."),
    ] = "ack"
    retention_seconds: Annotated[
        float,
        option(
            "How long handled entries stay in the stream; unread ones always stay.",
            unit="seconds",
            ge=0,
        ),
    ] = 3600.0
    receipts_channel: Annotated[
        str,
        option(
            "Channel to which the worker publishes a receipt of each handled message; empty: none."
        ),
    ] = ""
    metrics_port: Annotated[
        int, option("Port of the worker's /metrics and /health; 0: none.", ge=0, le=65535)
    ] = 0


_HTTP_URL = "an http:// or https:// URL"
_HTTP_URL_PATTERN = r"^https?://[^\s/]"


class GatewaySettings(Section, frozen=True, kw_only=True):
    """Centrifugo, or the embedded gateway in its place."""

    host: Annotated[str, option("Address to listen on.")] = "127.0.0.1"
    port: Annotated[int, option("Port of WebSocket and server API.", ge=0, le=65535)] = 8000
    allowed_origins: Annotated[
        list[str],
        option(
            "Origins whose pages may connect, such as https://*.example.com; clients without "
            "an Origin always may."
        ),
    ] = msgspec.field(default_factory=list)
    api_url: Annotated[
        str,
        option(
            "Where workers reach the server API. Follows host and port unless it is set.",
            fits=_HTTP_URL,
            pattern=_HTTP_URL_PATTERN,
        ),
    ] = "http://127.0.0.1:8000/api"
    api_key: Annotated[
        str,
        option("Key of the server API.", environment="CENTRIFUGO_HTTP_API_KEY", secret=True),
    ] = ""
    callback_url: Annotated[
        str,
        option(
            "Where the gateway reaches the callback service. Follows callback.host and "
            "callback.port unless it is set.",
            fits=_HTTP_URL,
            pattern=_HTTP_URL_PATTERN,
        ),
    ] = "http://127.0.0.1:3000"
    proxy_timeout_seconds: Annotated[
        float, option("How long the gateway waits for the callback.", unit="seconds", gt=0)
    ] = 1.0


class LogSettings(Section, frozen=True, kw_only=True):
    """Logs."""

    level: Annotated[
        Literal["debug", "info", "warning", "error"],
        option("The least severe level that is logged."),
    ] = "info"
    format: Annotated[
        Literal["auto", "text", "json"],
        option("`text`, `json`, or `auto`: text on a terminal, json elsewhere."),
    ] = "auto"


class Settings(Section, frozen=True, kw_only=True):
    """All settings."""

    redis: RedisSettings = msgspec.field(default_factory=RedisSettings)
    callback: CallbackSettings = msgspec.field(default_factory=CallbackSettings)
    worker: WorkerSettings = msgspec.field(default_factory=WorkerSettings)
    gateway: GatewaySettings = msgspec.field(default_factory=GatewaySettings)
    log: LogSettings = msgspec.field(default_factory=LogSettings)
