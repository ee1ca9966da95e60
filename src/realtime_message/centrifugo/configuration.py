"""The configuration of Centrifugo v6, made from our settings.

One file serves both gateways. It holds no secret: those reach the gateway through its environment,
under the names that Centrifugo reads (`launch_environment`). Durations are always texts: Centrifugo
takes a number for nanoseconds, its own check lets that pass, and every proxy call then fails.
"""

from __future__ import annotations

from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec

from realtime_message.centrifugo.configuration_reader import read_configuration, unused_variables
from realtime_message.centrifugo.durations import format_duration
from realtime_message.centrifugo.gateway_configuration import GatewayConfiguration
from realtime_message.errors import ConfigurationError

__all__ = [
    "CALLBACK_SECRET_HEADER",
    "GatewayConfiguration",
    "GatewayOptions",
    "build_configuration",
    "launch_environment",
    "read_configuration",
    "unused_variables",
]

#: The header in which the gateway proves to the callback service who it is.
CALLBACK_SECRET_HEADER = "X-Callback-Secret"  # noqa: S105 - the header's name, not a secret
_CALLBACK_SECRET_VARIABLE = "CENTRIFUGO_VAR_CALLBACK_SECRET"  # noqa: S105 - a variable's name

EventName = Literal["connect", "refresh", "subscribe", "publish", "sub_refresh", "rpc"]
_CLIENT_EVENTS: tuple[EventName, ...] = ("connect", "refresh")
_CHANNEL_EVENTS: tuple[EventName, ...] = ("subscribe", "publish", "sub_refresh")

# Centrifugo splits a channel name at this text to find its namespace. No client uses it, so every
# name, `room:1` and `a:b:c` included, follows the rules without namespace. It cannot be empty:
# a zero value falls back to `:`.
_NEVER_A_BOUNDARY = "::::"


class GatewayOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What the configuration is made from.

    Attributes:
        host: the address to listen on; empty for all.
        port: the port of WebSocket, server API and health.
        internal_port: a port of its own for server API and health; 0 for the same.
        callback_url: where the callback service is, without a path.
        callback_ca: path of the certificates (PEM) by which it is known over HTTPS; empty: those
            that the machine trusts.
        callback_server_name: the name that its certificate has; empty: the URL's host.
        events: the proxy events that the callback service answers.
        proxy_timeout_seconds: how long the gateway waits for the callback service.
        has_callback_secret: whether every call carries the shared secret.
        forwarded_headers: headers of the client's handshake that the connect event carries. The
            other events carry none: heads that differ from client to client would cost the publish
            route most of its speed (decision 0005), and what a connection shall be known by later
            belongs into its `meta`.
        publish_headers: the same for the publish event, for all that it costs: a trace needs it.
        emulated_headers: headers that browsers send inside the connect command, carried by the
            connect event; a client can put anything there.
        tokens: what `client.token` holds beside secrets, such as `rsa_public_key`.
        subscription_tokens: the same of `client.subscription_token`; empty: as `tokens`.
        allowed_origins: origins whose pages may connect; none lets only clients without an Origin
            header in.
        engine: where Centrifugo keeps history and presence; the embedded gateway has memory only.
        redis_address: Centrifugo's Redis, when the engine is redis; see `redis_engine`.
        redis_tls: its TLS files, as `engine.redis.tls` holds them.
        redis_prefix: first part of Centrifugo's own keys; must differ from our streams' prefix.
        namespaces: names of channel namespaces. None: one rule for any channel name. Otherwise
            `name:rest` needs one of these names, and all of them follow the same rule.
        history_size: publications kept per channel.
        history_ttl_seconds: how long they are kept, in whole seconds.
        ping_interval_seconds: how often the gateway asks a client whether it is there.
        pong_timeout_seconds: how long it waits for the answer; shorter than the interval.
        shutdown_timeout_seconds: how long a stop may take.
        has_metrics: Centrifugo's Prometheus endpoint; the embedded gateway has none.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    internal_port: int = 0
    callback_url: str = "http://127.0.0.1:3000"
    callback_ca: str = ""
    callback_server_name: str = ""
    events: tuple[EventName, ...] = ("connect", "subscribe", "publish")
    proxy_timeout_seconds: float = 1.0
    has_callback_secret: bool = False
    forwarded_headers: tuple[str, ...] = (
        "Authorization",
        "Cookie",
        "Origin",
        "Traceparent",
        "User-Agent",
        "X-Forwarded-For",
        "X-Real-Ip",
        "X-Request-Id",
    )
    publish_headers: tuple[str, ...] = ()
    emulated_headers: tuple[str, ...] = ()
    tokens: dict[str, str] = {}
    subscription_tokens: dict[str, Any] = {}
    allowed_origins: tuple[str, ...] = ()
    engine: Literal["memory", "redis"] = "memory"
    redis_address: str = ""
    redis_tls: dict[str, Any] = {}
    redis_prefix: str = "centrifugo"
    namespaces: tuple[str, ...] = ()
    history_size: int = 100
    history_ttl_seconds: float = 300.0
    ping_interval_seconds: float = 25.0
    pong_timeout_seconds: float = 8.0
    shutdown_timeout_seconds: float = 30.0
    has_metrics: bool = False


def build_configuration(options: GatewayOptions) -> dict[str, Any]:
    """Return a Centrifugo v6 configuration, ready to be written as JSON.

    Raises:
        ConfigurationError: the engine is redis and there is no address.
    """
    configuration = {
        "http_server": _http_server(options),
        "client": _client(options),
        "channel": _channel(options),
        "rpc": _rpc(options),
        "engine": _engine(options),
        "health": {"enabled": True},
        "prometheus": {"enabled": options.has_metrics},
        "usage_stats": {"disabled": True},
        "shutdown": {"timeout": format_duration(options.shutdown_timeout_seconds)},
    }
    return {name: section for name, section in configuration.items() if section}


def launch_environment(
    options: GatewayOptions,
    *,
    token_secret: str = "",
    previous_token_secret: str = "",
    subscription_token_secret: str = "",
    api_key: str = "",
    callback_secret: str = "",
) -> dict[str, str]:
    """Return the environment variables that carry the secrets to the gateway.

    Args:
        options: what the configuration was made from.
        token_secret: the key that signs tokens. Centrifugo v6 reads another variable than earlier
            ones did and ignores the old name, so it is mapped here.
        previous_token_secret: the key that tokens were signed with before, accepted as well.
        subscription_token_secret: the key that signs subscription tokens, where it is another.
        api_key: the key of the server API; without one it answers 401 to everybody.
        callback_secret: what `X-Callback-Secret` carries.

    Raises:
        ConfigurationError: the configuration expects a callback secret and there is none.
    """
    if options.has_callback_secret and not callback_secret:
        raise ConfigurationError(
            "the gateway is configured to send a callback secret, but none is set; set "
            f"{_CALLBACK_SECRET_VARIABLE}"
        )
    variables = {
        "CENTRIFUGO_CLIENT_TOKEN_HMAC_SECRET_KEY": token_secret,
        "CENTRIFUGO_CLIENT_TOKEN_HMAC_PREVIOUS_SECRET_KEY": previous_token_secret,
        "CENTRIFUGO_CLIENT_SUBSCRIPTION_TOKEN_HMAC_SECRET_KEY": subscription_token_secret,
        "CENTRIFUGO_HTTP_API_KEY": api_key,
        _CALLBACK_SECRET_VARIABLE: callback_secret,
        "CENTRIFUGO_ENGINE_REDIS_ADDRESS": (
            options.redis_address if options.engine == "redis" else ""
        ),
    }
    return {name: value for name, value in variables.items() if value}


def _http_server(options: GatewayOptions) -> dict[str, Any]:
    server: dict[str, Any] = {"address": options.host, "port": options.port}
    if options.internal_port:
        # Centrifugo wants this one as a text.
        server |= {"internal_address": options.host, "internal_port": str(options.internal_port)}
    return server


def _proxy(options: GatewayOptions, event: EventName) -> dict[str, Any]:
    proxy: dict[str, Any] = {
        "endpoint": f"{options.callback_url.rstrip('/')}/centrifugo/{event}",
        "timeout": format_duration(options.proxy_timeout_seconds),
    }
    if event != "connect":
        # What the connect reply or the token attached to the connection; connect itself has none.
        proxy["include_connection_meta"] = True
        if event == "publish" and options.publish_headers:
            proxy["http_headers"] = list(options.publish_headers)
    else:
        proxy["http_headers"] = list(options.forwarded_headers)
        if options.emulated_headers:
            proxy["emulated_headers"] = list(options.emulated_headers)
    http: dict[str, Any] = {}
    if options.has_callback_secret:
        secret = f"${{{_CALLBACK_SECRET_VARIABLE}}}"
        http["static_headers"] = {CALLBACK_SECRET_HEADER: secret}
    if options.callback_ca or options.callback_server_name:
        http["tls"] = {"enabled": True} | {
            name: value
            for name, value in (
                ("server_ca_pem", options.callback_ca),
                ("server_name", options.callback_server_name),
            )
            if value
        }
    return proxy | ({"http": http} if http else {})


def _client(options: GatewayOptions) -> dict[str, Any]:
    tokens = {"token": options.tokens, "subscription_token": options.subscription_tokens}
    return {
        **{name: values for name, values in tokens.items() if values},
        "allowed_origins": list(options.allowed_origins),
        "proxy": {
            event: {"enabled": True, **_proxy(options, event)}
            for event in _CLIENT_EVENTS
            if event in options.events
        },
        "ping_interval": format_duration(options.ping_interval_seconds),
        "pong_timeout": format_duration(options.pong_timeout_seconds),
    }


def _channel(options: GatewayOptions) -> dict[str, Any]:
    events: list[EventName] = [event for event in _CHANNEL_EVENTS if event in options.events]
    rule = {
        "presence": True,
        "join_leave": True,
        "force_push_join_leave": True,
        "history_size": options.history_size,
        "history_ttl": format_duration(options.history_ttl_seconds),
        "force_recovery": True,
        "allow_presence_for_subscriber": True,
        "allow_history_for_subscriber": True,
        # Without these two, an anonymous subscriber sees neither presence nor history.
        "allow_presence_for_anonymous": True,
        "allow_history_for_anonymous": True,
        "allow_user_limited_channels": True,
        **{f"{event}_proxy_enabled": True for event in events},
    }
    channel: dict[str, Any] = {
        "proxy": {event: _proxy(options, event) for event in events},
        "without_namespace": rule,
    }
    if options.namespaces:
        channel["namespaces"] = [{"name": name, **rule} for name in options.namespaces]
    else:
        channel["namespace_boundary"] = _NEVER_A_BOUNDARY
    return channel


def _rpc(options: GatewayOptions) -> dict[str, Any]:
    if "rpc" not in options.events:
        return {}
    return {
        "proxy": _proxy(options, "rpc"),
        "without_namespace": {"proxy_enabled": True},
        # Method names are the application's; `ns:method` must not need a namespace.
        "namespace_boundary": _NEVER_A_BOUNDARY,
    }


def _engine(options: GatewayOptions) -> dict[str, Any]:
    if options.engine == "memory":
        return {"type": "memory"}
    if not options.redis_address:
        raise ConfigurationError(
            "the engine is redis, but the address of Centrifugo's Redis is empty"
        )
    redis: dict[str, Any] = {"prefix": options.redis_prefix}
    if options.redis_tls:
        redis["tls"] = options.redis_tls
        if "+sentinel://" in options.redis_address:
            redis["sentinel_tls"] = options.redis_tls
    address = options.redis_address
    if not urlsplit(address).password and "sentinel_password=" not in address:
        # With a password the address is a secret and comes from the environment alone.
        redis["address"] = address
    return {"type": "redis", "redis": redis}
