"""Names of Centrifugo's options before v6, and where the same option stands now.

Centrifugo v6 only warns about a name that it does not know and starts without the option. Before v6
most options stood at the top of the file, so one table serves for the file and for the environment.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_PROXY_EVENTS = MappingProxyType(
    {
        "connect": "client.proxy.connect",
        "refresh": "client.proxy.refresh",
        "subscribe": "channel.proxy.subscribe",
        "publish": "channel.proxy.publish",
        "sub_refresh": "channel.proxy.sub_refresh",
        "rpc": "rpc.proxy",
    }
)
_PROXIES = {
    f"proxy_{event}_{option}": f"{path}.{option}"
    for event, path in _PROXY_EVENTS.items()
    for option in ("endpoint", "timeout")
}
_CHANNEL_SWITCHES = {
    "proxy_subscribe": "subscribe_proxy_enabled",
    "proxy_publish": "publish_proxy_enabled",
    "proxy_sub_refresh": "sub_refresh_proxy_enabled",
}
# Kept their names, but stood at the top of the file for channels without a namespace.
_CHANNEL_OPTIONS = (
    "presence",
    "join_leave",
    "force_push_join_leave",
    "history_size",
    "history_ttl",
    "force_recovery",
    "allow_recovery",
    "force_positioning",
    "allow_positioning",
    "allow_subscribe_for_client",
    "allow_subscribe_for_anonymous",
    "allow_publish_for_client",
    "allow_publish_for_subscriber",
    "allow_publish_for_anonymous",
    "allow_presence_for_client",
    "allow_presence_for_subscriber",
    "allow_presence_for_anonymous",
    "allow_history_for_client",
    "allow_history_for_subscriber",
    "allow_history_for_anonymous",
    "allow_user_limited_channels",
    "channel_regex",
)
_TOKEN_OPTIONS = (
    "hmac_secret_key",
    "rsa_public_key",
    "ecdsa_public_key",
    "jwks_public_endpoint",
    "audience",
    "issuer",
    "user_id_claim",
)

#: The v6 path by the name that stood at the top of the file.
EARLIER_NAMES: Mapping[str, str] = MappingProxyType(
    {
        **_PROXIES,
        **{f"token_{name}": f"client.token.{name}" for name in _TOKEN_OPTIONS},
        **{name: f"channel.without_namespace.{name}" for name in _CHANNEL_OPTIONS},
        **{old: f"channel.without_namespace.{new}" for old, new in _CHANNEL_SWITCHES.items()},
        "namespaces": "channel.namespaces",
        "channel_max_length": "channel.max_length",
        "channel_private_prefix": "channel.private_prefix",
        "channel_namespace_boundary": "channel.namespace_boundary",
        "global_history_meta_ttl": "channel.history_meta_ttl",
        "rpc_namespaces": "rpc.namespaces",
        "allowed_origins": "client.allowed_origins",
        "allow_anonymous_connect_without_token": "client.allow_anonymous_connect_without_token",
        "client_concurrency": "client.concurrency",
        "client_insecure": "client.insecure",
        "client_channel_limit": "client.channel_limit",
        "client_queue_max_size": "client.queue_max_size",
        "client_stale_close_delay": "client.stale_close_delay",
        "client_user_connection_limit": "client.user_connection_limit",
        "ping_interval": "client.ping_interval",
        "pong_timeout": "client.pong_timeout",
        "proxy_http_headers": "client.proxy.connect.http_headers (and each other proxy's)",
        "proxy_static_http_headers": "client.proxy.connect.http.static_headers (and each other's)",
        "proxy_include_connection_meta": (
            "channel.proxy.publish.include_connection_meta (and each other proxy's)"
        ),
        "granular_proxy_mode": "channel.namespaces[].publish_proxy_name and proxies",
        "connect_proxy_name": "client.proxy.connect",
        "refresh_proxy_name": "client.proxy.refresh",
        "rpc_proxy_name": "rpc.without_namespace.proxy_name",
        "api_key": "http_api.key",
        "api_insecure": "http_api.insecure",
        "admin_password": "admin.password",
        "admin_secret": "admin.secret",
        "admin_insecure": "admin.insecure",
        "address": "http_server.address",
        "port": "http_server.port",
        "internal_address": "http_server.internal_address",
        "internal_port": "http_server.internal_port",
        "redis_address": "engine.redis.address",
        "redis_password": "engine.redis.password",
        "redis_prefix": "engine.redis.prefix",
        "redis_tls": "engine.redis.tls.enabled",
        "redis_sentinel_address": "engine.redis.sentinel_address",
        "redis_cluster_address": "engine.redis.cluster_address",
        "websocket_message_size_limit": "websocket.message_size_limit",
        "log_level": "log.level",
        "shutdown_timeout": "shutdown.timeout",
    }
)

#: The v6 name by the name that a namespace's option had.
EARLIER_NAMESPACE_NAMES: Mapping[str, str] = MappingProxyType(_CHANNEL_SWITCHES)

#: These are sections now; before, they were a switch or a name.
SECTIONS_THAT_WERE_VALUES: Mapping[str, str] = MappingProxyType(
    {
        "engine": "engine.type",
        "admin": "admin.enabled",
        "health": "health.enabled",
        "prometheus": "prometheus.enabled",
        "grpc_api": "grpc_api.enabled",
        "swagger": "swagger.enabled",
        "debug": "debug.enabled",
    }
)

_PREFIX = "CENTRIFUGO_"
_VARIABLES = MappingProxyType(
    {f"{_PREFIX}{old.upper()}": path for old, path in EARLIER_NAMES.items()}
)


def variable_of(path: str) -> str:
    """Return the environment variable that sets an option of v6."""
    return _PREFIX + path.upper().replace(".", "_")


def current_variable(name: str) -> str | None:
    """Return the variable that v6 reads in place of an earlier one; None if it is no earlier one.

    Where one option has become several, the first of them is returned.
    """
    path = _VARIABLES.get(name, "")
    current = variable_of(path.split(" ")[0].split("[")[0])
    # Some options stand elsewhere in the file now, yet have the variable that they always had.
    return current if path and current != name else None
