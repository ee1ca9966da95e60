"""What `[gateway]` holds."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from realtime_message.settings.sections.option import Section, option

_HTTP_URL = "an http:// or https:// URL"
_HTTP_URL_PATTERN = r"^https?://[^\s/]"


class GatewaySettings(Section, frozen=True, kw_only=True):
    """Centrifugo, or the embedded gateway in its place."""

    host: Annotated[str, option("Address to listen on.")] = "127.0.0.1"
    port: Annotated[int, option("Port of WebSocket and server API.", ge=1, le=65535)] = 8000
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
    previous_api_key: Annotated[
        str,
        option(
            "The key that the server API had before: workers offer it where the other is refused, "
            "while the key is changed.",
            secret=True,
        ),
    ] = ""
    callback_url: Annotated[
        str,
        option(
            "Where the gateway reaches the callback service. Follows callback.host and "
            "callback.port unless it is set, and is https:// with callback.tls_certificate.",
            fits=_HTTP_URL,
            pattern=_HTTP_URL_PATTERN,
        ),
    ] = "http://127.0.0.1:3000"
    callback_ca: Annotated[
        str,
        option(
            "File with the certificates (PEM) by which the gateway knows the callback service's "
            "over HTTPS; empty: those that its machine trusts."
        ),
    ] = ""
    callback_server_name: Annotated[
        str,
        option(
            "The name that the callback service's certificate has, where callback_url has another "
            "host, such as an address."
        ),
    ] = ""
    events: Annotated[
        list[Literal["connect", "refresh", "subscribe", "publish", "sub_refresh", "rpc"]],
        option(
            "The proxy events that the gateway asks the callback service about. With `refresh` or "
            "`sub_refresh`, a hook must prolong connections or subscriptions that expire: their "
            "clients no longer do it with a new token."
        ),
    ] = msgspec.field(default_factory=lambda: ["connect", "subscribe", "publish", "rpc"])
    namespaces: Annotated[
        list[str],
        option(
            "Names of channel namespaces. None: any channel name works, also `room:1`. Otherwise "
            "`name:rest` needs one of them."
        ),
    ] = msgspec.field(default_factory=list)
    proxy_timeout_seconds: Annotated[
        float, option("How long the gateway waits for the callback.", unit="seconds", gt=0)
    ] = 1.0
    engine: Annotated[
        Literal["memory", "redis"],
        option(
            "Where Centrifugo keeps history and presence. `redis` lets any number of instances act "
            "as one; the embedded gateway has `memory` only. The container image sets `redis`."
        ),
    ] = "memory"
    redis_url: Annotated[
        str,
        option(
            "Centrifugo's Redis, with the engine `redis`; empty: the one of redis.url. Its keys "
            "begin with redis.prefix and `.centrifugo`.",
            secret=True,
            fits="a URL such as redis://localhost:6379, or nothing",
            pattern=r"^([a-z0-9+]+://.*)?\Z",
        ),
    ] = ""
    shutdown_timeout_seconds: Annotated[
        float,
        option("How long the gateway's stop may take.", unit="seconds", gt=0),
    ] = 10.0
