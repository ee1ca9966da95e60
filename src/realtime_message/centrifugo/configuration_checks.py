"""What must hold between the options of a configuration; Centrifugo refuses to start otherwise."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from realtime_message.centrifugo.gateway_configuration import (
    ChannelOptions,
    GatewayConfiguration,
)
from realtime_message.centrifugo.proxy_configuration import Proxy, StatusTransform
from realtime_message.centrifugo.token_keys import token_keys_problems

# WebSocket's limit for the reason of a close frame (RFC 6455, section 5.5).
_MAX_REASON_BYTES = 123
_DEFAULT_PROXY = "default"


def check_configuration(configuration: GatewayConfiguration) -> None:
    """Check what the type of a single option cannot express.

    Raises:
        ValueError: the first thing that does not fit; names the option's path.
    """
    for problem in _problems(configuration):
        raise ValueError(problem)


def _problems(configuration: GatewayConfiguration) -> Iterator[str]:
    yield from _client_problems(configuration)
    yield from _names_problems("proxies", [proxy.name for proxy in configuration.proxies])
    yield from _names_problems(
        "channel.namespaces", [namespace.name for namespace in configuration.channel.namespaces]
    )
    yield from _names_problems("rpc.namespaces", [one.name for one in configuration.rpc.namespaces])
    if any(proxy.name == _DEFAULT_PROXY for proxy in configuration.proxies):
        yield f"proxies: the name {_DEFAULT_PROXY} is Centrifugo's own"
    yield from _channel_problems(configuration)
    yield from _rpc_problems(configuration)
    port = configuration.http_server.internal_port
    if port and not (port.isdecimal() and int(port) <= 65535):  # noqa: PLR2004 - highest port
        yield f"http_server.internal_port: {port!r} is not a port"


def _client_problems(configuration: GatewayConfiguration) -> Iterator[str]:
    client = configuration.client
    if client.pong_timeout_seconds >= client.ping_interval_seconds:
        yield "client.pong_timeout: must be shorter than client.ping_interval"
    for name, proxy in (("connect", client.proxy.connect), ("refresh", client.proxy.refresh)):
        if proxy.enabled:
            yield from _proxy_problems(f"client.proxy.{name}", proxy)
    for path, token in (
        ("client.token", client.token),
        ("client.subscription_token", client.subscription_token),
    ):
        yield from (f"{path}.{problem}" for problem in token_keys_problems(token))
    for pattern in client.allowed_origins:
        if "{" in pattern:
            yield (
                f"client.allowed_origins: alternatives in {{}} are not implemented in {pattern!r}; "
                "write one pattern for each"
            )


def _proxy_problems(path: str, proxy: Proxy) -> Iterator[str]:
    if not proxy.endpoint:
        yield f"{path}.endpoint: is not set, though the proxy is on"
    elif not proxy.endpoint.startswith(("http://", "https://")):
        yield (
            f"{path}.endpoint: {proxy.endpoint!r} is a gRPC address; the embedded gateway calls "
            "http:// and https:// only"
        )
    if proxy.timeout_seconds <= 0:
        yield f"{path}.timeout: must be more than nothing"
    for index, transform in enumerate(proxy.http.status_to_code_transforms):
        yield from _transform_problems(f"{path}.http.status_to_code_transforms[{index}]", transform)


def _transform_problems(path: str, transform: StatusTransform) -> Iterator[str]:
    if transform.status_code == 0:
        yield f"{path}.status_code: is not set"
    if bool(transform.to_error.code) == bool(transform.to_disconnect.code):
        yield f"{path}: needs a code in exactly one of to_error and to_disconnect"
    for text in (transform.to_error.message, transform.to_disconnect.reason):
        if not text.isascii() or len(text) > _MAX_REASON_BYTES:
            yield f"{path}: {text!r} must be ASCII and at most {_MAX_REASON_BYTES} characters long"


def _channel_problems(configuration: GatewayConfiguration) -> Iterator[str]:
    channel = configuration.channel
    yield from _options_problems(
        "channel.without_namespace", channel.without_namespace, configuration
    )
    for index, namespace in enumerate(channel.namespaces):
        yield from _options_problems(f"channel.namespaces[{index}]", namespace, configuration)


def _options_problems(
    path: str, options: ChannelOptions, configuration: GatewayConfiguration
) -> Iterator[str]:
    if bool(options.history_size) != bool(options.history_ttl_seconds):
        yield f"{path}: history needs both history_size and history_ttl"
    if options.force_recovery and not options.has_history:
        yield f"{path}.force_recovery: needs history_size and history_ttl"
    for name in ("history_ttl", "history_meta_ttl"):
        if getattr(options, f"{name}_seconds") % 1:
            yield f"{path}.{name}: must be whole seconds"
    meta_ttl = options.history_meta_ttl_seconds or configuration.channel.history_meta_ttl_seconds
    if meta_ttl < options.history_ttl_seconds:
        yield f"{path}.history_ttl: is longer than history_meta_ttl"
    yield from _regex_problems(f"{path}.channel_regex", options.channel_regex)
    for event in ("subscribe", "publish", "sub_refresh"):
        yield from _named_proxy_problems(
            f"{path}.{event}_proxy_name",
            getattr(options, f"{event}_proxy_name"),
            configuration,
            is_enabled=getattr(options, f"{event}_proxy_enabled"),
            default_path=f"channel.proxy.{event}",
            default=getattr(configuration.channel.proxy, event),
        )


def _rpc_problems(configuration: GatewayConfiguration) -> Iterator[str]:
    rpc = configuration.rpc
    for path, options in (
        ("rpc.without_namespace", rpc.without_namespace),
        *((f"rpc.namespaces[{index}]", one) for index, one in enumerate(rpc.namespaces)),
    ):
        yield from _named_proxy_problems(
            f"{path}.proxy_name",
            options.proxy_name,
            configuration,
            is_enabled=options.proxy_enabled,
            default_path="rpc.proxy",
            default=rpc.proxy,
        )


def _named_proxy_problems(
    path: str,
    name: str,
    configuration: GatewayConfiguration,
    *,
    is_enabled: bool,
    default_path: str,
    default: Proxy,
) -> Iterator[str]:
    if not is_enabled:
        return
    if name == _DEFAULT_PROXY:
        yield from _proxy_problems(default_path, default)
        return
    for index, proxy in enumerate(configuration.proxies):
        if proxy.name == name:
            yield from _proxy_problems(f"proxies[{index}]", proxy)
            return
    yield f"{path}: there is no proxy called {name!r} in proxies"


def _names_problems(path: str, names: Iterable[str]) -> Iterator[str]:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            yield f"{path}: the name {name!r} occurs twice"
        seen.add(name)


def _regex_problems(path: str, pattern: str) -> Iterator[str]:
    try:
        re.compile(pattern)
    except re.error as error:
        yield f"{path}: {pattern!r} is not a regular expression ({error})"
