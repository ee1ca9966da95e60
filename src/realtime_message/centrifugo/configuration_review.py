"""Reviewing a Centrifugo configuration against our settings.

Centrifugo's own `checkconfig` passes much of what makes a deployment lose, refuse or reorder
messages: a time-out written as a number, a proxy that is never called, names of an earlier version.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from realtime_message.centrifugo.durations import parse_duration
from realtime_message.centrifugo.earlier_names import (
    EARLIER_NAMES,
    EARLIER_NAMESPACE_NAMES,
    SECTIONS_THAT_WERE_VALUES,
    current_variable,
)
from realtime_message.centrifugo.effective_options import EffectiveOptions, is_true
from realtime_message.centrifugo.proxy_review import review_proxies
from realtime_message.centrifugo.review_findings import (
    LOOPBACK_HOSTS,
    Expectations,
    Finding,
    error,
    warning,
)

__all__ = ["Expectations", "Finding", "review_configuration"]

_DURATION_ENDINGS = ("timeout", "interval", "ttl", "delay")
_TOKEN_VARIABLE = "CENTRIFUGO_TOKEN_HMAC_SECRET_KEY"  # noqa: S105 - a variable's name
_OPEN_DOORS = {
    "client.insecure": "lets everybody connect, subscribe and publish",
    "http_api.insecure": "lets everybody call the server API",
    "admin.insecure": "lets everybody into the admin interface",
}
_DEFAULT_META_TTL_SECONDS = 2_592_000.0


def review_configuration(
    document: Mapping[str, Any],
    environ: Mapping[str, str],
    expected: Expectations,
) -> list[Finding]:
    """Return what does not fit, errors first.

    Args:
        document: the content of the configuration file.
        environ: the environment that Centrifugo starts with.
        expected: our side.
    """
    options = EffectiveOptions(document, environ)
    findings = [
        *_earlier_names(options),
        *_durations(document, ""),
        *review_proxies(options, expected),
        *_times(options),
        *_ports(options, expected),
        *_access(options),
        *_tokens(options, expected),
        *_names(options, expected),
        *_order_and_history(options),
        *_redis(options, expected),
    ]
    return sorted(findings, key=lambda finding: finding.severity)


def _earlier_names(options: EffectiveOptions) -> Iterator[Finding]:
    ignored = "is a name of Centrifugo before v6, which v6 ignores"
    for name, value in options.document.items():
        path = EARLIER_NAMES.get(name)
        if name in SECTIONS_THAT_WERE_VALUES and not isinstance(value, Mapping):
            path = SECTIONS_THAT_WERE_VALUES[name]
        if path:
            yield error(name, ignored, f"write it as {path}")
    for rule in options.channel_rules():
        for name in EARLIER_NAMESPACE_NAMES.keys() & rule.options.keys():
            yield error(
                f"{rule.path}.{name}", ignored, f"write it as {EARLIER_NAMESPACE_NAMES[name]}"
            )
    for name in sorted(options.environ):
        current = current_variable(name)
        if not current or (name == _TOKEN_VARIABLE and options.environ.get(current)):
            continue
        yield error(f"{name} (environment)", ignored, f"set {current} instead")


def _durations(value: Any, path: str) -> Iterator[Finding]:
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _durations(item, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _durations(item, f"{path}[{index}]")
    elif path.endswith(_DURATION_ENDINGS) and value:
        try:
            parse_duration(value)
        except ValueError as wrong:
            yield error(path, str(wrong).partition(";")[0], 'write a text such as "1s" or "300ms"')


def _times(options: EffectiveOptions) -> Iterator[Finding]:
    ping = options.seconds("client.ping_interval", 25)
    pong = options.seconds("client.pong_timeout", 8)
    if ping is not None and pong is not None and pong >= ping:
        yield error(
            options.where("client.pong_timeout"),
            "is not shorter than client.ping_interval: Centrifugo does not start",
            'write less, such as "8s" with a ping_interval of "25s"',
        )


def _ports(options: EffectiveOptions, expected: Expectations) -> Iterator[Finding]:
    callback_port = _port_on_this_machine(expected.callback_url)
    port = options.number("http_server.port", 8000)
    taken = {"http_server.port": port, "http_server.internal_port": 0, "grpc_api.port": 0}
    taken["http_server.internal_port"] = options.number("http_server.internal_port")
    if options.is_on("grpc_api.enabled"):
        taken["grpc_api.port"] = options.number("grpc_api.port", 10000)
    for path, number in taken.items():
        if number and number == callback_port:
            yield error(
                options.where(path),
                f"{number} is the port of the callback service on the same machine",
                "give one of them another port",
            )
    if taken["grpc_api.port"] in {port, taken["http_server.internal_port"]} - {0}:
        yield error("grpc_api.port", "is the port of the HTTP server", "write another one")
    if port != expected.gateway_port:
        yield warning(
            options.where("http_server.port"),
            f"is {port}, but gateway.port of the settings is {expected.gateway_port}: commands and "
            "workers look there",
            f"set gateway.port to {port}, or gateway.api_url for workers",
        )


def _port_on_this_machine(url: str) -> int | None:
    """Return the port of a URL of this machine; None for another machine's, or if it has none."""
    try:
        parts = urlsplit(url)
        return parts.port if parts.hostname in LOOPBACK_HOSTS else None
    except ValueError:
        return None


def _access(options: EffectiveOptions) -> Iterator[Finding]:
    origins = options.value("client.allowed_origins", [])
    if "*" in (origins if isinstance(origins, list) else str(origins).split()):
        yield warning(
            options.where("client.allowed_origins"),
            "lets pages of every site connect with their visitors' cookies",
            "name your own origins, such as https://*.example.com",
        )
    for path, meaning in _OPEN_DOORS.items():
        if options.is_on(path):
            yield error(options.where(path), meaning, "leave it out")


def _tokens(options: EffectiveOptions, expected: Expectations) -> Iterator[Finding]:
    path = "client.token.hmac_secret_key"
    key = options.value(path)
    if key and expected.token_secrets and key not in expected.token_secrets:
        yield error(
            options.where(path),
            "is another key than callback.token_secret: tokens fit only one of the two",
            "give both the same key; `rtm centrifugo run` does",
        )

    for name, ours in expected.tokens.items():
        path = f"client.token.{name}"
        if (options.value(path) or "") != ours:
            yield error(
                options.where(path),
                f"is not what tokens.{name} says: Centrifugo and the callback service would take "
                "different tokens",
                "write the same; `rtm centrifugo config` does",
            )


def _names(options: EffectiveOptions, expected: Expectations) -> Iterator[Finding]:
    boundary = str(options.value("channel.namespace_boundary", ":"))
    names = [rule.name for rule in options.channel_rules() if rule.name]
    fix = 'set channel.namespace_boundary to a text that no name has, such as "::::"'
    if not names and boundary == ":":
        yield warning(
            "channel.namespace_boundary",
            "channels such as room:1 need a namespace that is not there, and get error 102",
            f"{fix}, or add namespaces",
        )
    for setting, pattern in expected.channel_patterns:
        # The private prefix is no part of the namespace's name.
        literal = pattern.partition("*")[0].removeprefix("$")
        name, found, _ = literal.partition(boundary)
        if found and name not in names:
            yield error(
                "channel.namespaces",
                f"has no {name!r}, so channels of {setting} ({pattern}) get error 102",
                f'add {{"name": "{name}", …}}, or {fix}',
            )
    if names and boundary != ":":
        yield warning(
            options.where("channel.namespace_boundary"),
            f"is {boundary!r}: a channel such as {names[0]}:1 is not in the namespace {names[0]!r}",
            'leave it out, so that it is ":"',
        )


def _order_and_history(options: EffectiveOptions) -> Iterator[Finding]:
    if options.number("client.concurrency") > 1:
        yield error(
            options.where("client.concurrency"),
            "publishes of one client may overtake each other on the way to the callback service",
            "leave it out: one command of a connection at a time",
        )
    for rule in options.channel_rules():
        size, ttl = rule.options.get("history_size"), rule.options.get("history_ttl")
        if bool(size) != bool(ttl):
            missing = "history_ttl" if size else "history_size"
            yield error(
                f"{rule.path}.{missing}", "history needs both size and ttl", "set it as well"
            )
        for name in ("force_recovery", "force_positioning"):
            if is_true(rule.options.get(name)) and not (size and ttl):
                yield error(
                    f"{rule.path}.{name}",
                    "there is no history to recover from: Centrifugo does not start",
                    "set history_size and history_ttl",
                )
        yield from _meta_ttl(options, rule.path, ttl, rule.options.get("history_meta_ttl"))


def _meta_ttl(options: EffectiveOptions, path: str, ttl: Any, own: Any) -> Iterator[Finding]:
    default = options.seconds("channel.history_meta_ttl", _DEFAULT_META_TTL_SECONDS)
    try:
        kept = parse_duration(ttl or "0s")
        meta = parse_duration(own) if own else default
    except ValueError:
        return  # said already
    if meta is not None and meta < kept:
        yield error(
            f"{path}.history_ttl",
            "is longer than history_meta_ttl: Centrifugo does not start",
            "make history_meta_ttl the longer one, by far",
        )


def _redis(options: EffectiveOptions, expected: Expectations) -> Iterator[Finding]:
    if options.value("engine.type") != "redis":
        return
    path = "engine.redis.prefix"
    if options.value(path, "centrifugo") == expected.stream_prefix:
        yield error(
            options.where(path),
            f"{expected.stream_prefix!r} is redis.prefix, the first part of our own keys",
            f'write another one, such as "{expected.stream_prefix}.centrifugo"',
        )
