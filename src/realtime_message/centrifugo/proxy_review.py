"""Whether the proxies of a Centrifugo configuration reach our callback service, and as ours.

Centrifugo's own check finds a proxy that is on and has no endpoint. It does not find the reverse,
the classic reason for a backend that is never called, nor anything about what stands at the other
end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import SplitResult, urlsplit

from realtime_message.centrifugo.durations import format_duration, parse_duration
from realtime_message.centrifugo.effective_options import EffectiveOptions, Rule, is_true
from realtime_message.centrifugo.review_findings import (
    LOOPBACK_HOSTS,
    Expectations,
    Finding,
    error,
    warning,
)

_HEADER = "X-Callback-Secret"
_SECRET_TEXT = "${CENTRIFUGO_VAR_CALLBACK_SECRET}"  # noqa: S105 - a variable's name, not a secret
_VARIABLE = re.compile(r"\$\{(CENTRIFUGO_VAR_[^}]+)\}")
_CLIENT_EVENTS = ("connect", "refresh")
_CHANNEL_EVENTS = ("subscribe", "publish", "sub_refresh")
_DEFAULT_PORTS = {"http": 80, "https": 443}
#: How long the official clients wait for a reply.
_CLIENT_PATIENCE_SECONDS = 5.0


def review_proxies(options: EffectiveOptions, expected: Expectations) -> Iterator[Finding]:
    """Yield what is wrong with the proxies that are on, and which of them should be."""
    used: dict[str, set[str]] = {}
    for event in _CLIENT_EVENTS:
        path = f"client.proxy.{event}"
        if options.is_on(f"{path}.enabled"):
            used.setdefault(path, set()).add(event)
        elif options.value(f"{path}.endpoint"):
            yield error(
                options.where(f"{path}.endpoint"),
                "is set, but the proxy is off: Centrifugo never calls it",
                f"set {path}.enabled to true, or leave the endpoint out",
            )
    yield from _rules_findings(options, used)
    for path, events in sorted(used.items()):
        for event in sorted(events):
            yield from _proxy_findings(options, expected, path, event)


def _rules_findings(options: EffectiveOptions, used: dict[str, set[str]]) -> Iterator[Finding]:
    """Yield what is wrong between switches and endpoints; note in `used` which proxies are used."""
    named = options.named_proxies()
    channel_rules = list(options.channel_rules())
    places = [
        (event, channel_rules, f"{event}_proxy", f"channel.proxy.{event}")
        for event in _CHANNEL_EVENTS
    ]
    places.append(("rpc", list(options.rpc_rules()), "proxy", "rpc.proxy"))
    for event, rules, word, default_path in places:
        on = [rule for rule in rules if is_true(rule.options.get(f"{word}_enabled"))]
        for rule in on:
            name = rule.options.get(f"{word}_name") or "default"
            path = default_path if name == "default" else named.get(str(name))
            if path is None:
                yield error(
                    f"{rule.path}.{word}_name",
                    f"there is no proxy called {name!r}",
                    "add it to proxies, or use default",
                )
            else:
                used.setdefault(path, set()).add(event)
        if options.value(f"{default_path}.endpoint") and default_path not in used:
            yield error(
                options.where(f"{default_path}.endpoint"),
                "is set, but no rule switches the proxy on: Centrifugo never calls it",
                f"set {rules[0].path}.{word}_enabled to true (and in each of the namespaces)",
            )
        if event == "publish":
            yield from _publish_findings(rules, on)
    for name, path in named.items():
        if path not in used:
            yield warning(path, f"the proxy {name!r} is chosen by no rule", "use it or remove it")


def _publish_findings(rules: list[Rule], on: list[Rule]) -> Iterator[Finding]:
    if not on:
        yield error(
            "channel.without_namespace.publish_proxy_enabled",
            "no publish reaches the callback service, so no message reaches a worker",
            "set it to true, and channel.proxy.publish.endpoint",
        )
    for rule in rules:
        if rule in on:
            continue
        allowed = [
            f"allow_publish_for_{who}"
            for who in ("client", "subscriber", "anonymous")
            if is_true(rule.options.get(f"allow_publish_for_{who}"))
        ]
        if allowed:
            yield error(
                f"{rule.path}.{allowed[0]}",
                "lets clients publish past the callback service: such messages are never stored",
                f"set {rule.path}.publish_proxy_enabled to true",
            )
        elif rule.name and on:
            yield warning(
                f"{rule.path}.publish_proxy_enabled",
                f"is off: clients cannot publish in channels of {rule.name!r}",
                "set it to true",
            )


def _proxy_findings(
    options: EffectiveOptions, expected: Expectations, path: str, event: str
) -> Iterator[Finding]:
    proxy = options.proxy(path)
    endpoint = str(proxy.get("endpoint") or "")
    if not endpoint:
        yield error(
            f"{path}.endpoint",
            f"is not set, though the {event} proxy is on: Centrifugo does not start",
            f'write "{_endpoint(expected, event)}"',
        )
        return
    where = options.where(f"{path}.endpoint")
    yield from _endpoint_findings(where, endpoint, expected, event)
    yield from _timeout_findings(options.where(f"{path}.timeout"), proxy, expected)
    yield from _secret_findings(options, path, proxy, endpoint, expected)
    for name in ("http_headers", "emulated_headers") if event == "publish" else ():
        if _header_names(proxy, name).difference(expected.publish_headers):
            yield warning(
                options.where(f"{path}.{name}"),
                "passes headers of the clients on with each publish: their requests differ then, "
                "and the callback service parses every one anew, at half its speed",
                "take it out; headers of connect are enough, and meta carries on what a hook makes "
                "of them",
            )
    if event != "connect" and not is_true(proxy.get("include_connection_meta")):
        yield warning(
            f"{path}.include_connection_meta",
            "is off: the callback service does not learn what the connection carries, such as the "
            "user's name",
            "set it to true",
        )


def _endpoint_findings(
    where: str, endpoint: str, expected: Expectations, event: str
) -> Iterator[Finding]:
    wanted = _endpoint(expected, event)
    fix = f'write "{wanted}"'
    if not endpoint.startswith(("http://", "https://")):
        yield error(where, f"{endpoint!r} is a gRPC address; the callback service speaks HTTP", fix)
        return
    try:
        theirs, ours = urlsplit(endpoint), urlsplit(wanted)
        is_same_place = _origin(theirs) == _origin(ours)
    except ValueError:
        yield error(where, f"{endpoint!r} is no URL", fix)
        return
    if theirs.path != ours.path:
        yield error(
            where,
            f"has the path {theirs.path or '/'}, where the callback service answers no {event}",
            fix,
        )
    elif not is_same_place:
        both_here = theirs.hostname in LOOPBACK_HOSTS and ours.hostname in LOOPBACK_HOSTS
        make = error if both_here else warning
        yield make(
            where,
            f"{endpoint} is not where the settings have the callback service "
            f"(gateway.callback_url = {expected.callback_url})",
            f"{fix}, or set gateway.callback_url",
        )


def _timeout_findings(
    where: str, proxy: Mapping[str, Any], expected: Expectations
) -> Iterator[Finding]:
    try:
        seconds = parse_duration(proxy.get("timeout") or "1s")
    except ValueError:
        return  # every duration of the file is looked at elsewhere
    if seconds <= expected.deadline_seconds:
        yield error(
            where,
            f"Centrifugo waits {format_duration(seconds)}, not longer than callback."
            f"deadline_seconds = {expected.deadline_seconds:g}: a client may be told of a failure "
            "although its message was stored",
            f'write "{format_duration(expected.deadline_seconds + 0.1)}" or more, or lower '
            "callback.deadline_seconds",
        )
    elif seconds >= _CLIENT_PATIENCE_SECONDS:
        yield warning(
            where,
            f"Centrifugo waits {format_duration(seconds)}, but clients give up after 5s",
            'write less, such as "2s"',
        )


def _secret_findings(
    options: EffectiveOptions,
    path: str,
    proxy: Mapping[str, Any],
    endpoint: str,
    expected: Expectations,
) -> Iterator[Finding]:
    for name in ("http_headers", "emulated_headers"):
        if _HEADER.lower() in _header_names(proxy, name):
            yield error(
                f"{path}.{name}",
                f"holds {_HEADER}: a client's own header would replace the secret",
                "take it out",
            )
    where = f"{path}.http.static_headers"
    sent = _static_headers(proxy).get(_HEADER.lower())
    fix = f'write {{"{_HEADER}": "{_SECRET_TEXT}"}}'
    if sent is None and expected.callback_secrets:
        yield error(
            where, f"has no {_HEADER}: the callback service refuses calls without it (401)", fix
        )
    elif sent is None:
        host = _host(endpoint)
        if host and host not in LOOPBACK_HOSTS:
            yield error(
                where,
                f"has no {_HEADER}, and without a secret the callback service serves callers on "
                "its own machine only",
                f"set CENTRIFUGO_VAR_CALLBACK_SECRET for both, and {fix}",
            )
    else:
        yield from _sent_secret_findings(options, where, sent, expected)


def _sent_secret_findings(
    options: EffectiveOptions, where: str, sent: str, expected: Expectations
) -> Iterator[Finding]:
    missing = [name for name in _VARIABLE.findall(sent) if not options.environ.get(name)]
    if missing:
        yield error(
            where,
            f"needs {missing[0]}, which is not set: Centrifugo does not start",
            f"set {missing[0]} to the callback service's secret",
        )
        return
    value = _VARIABLE.sub(lambda match: options.environ[match[1]], sent)
    if not expected.callback_secrets:
        yield warning(
            where,
            "sends a secret, but the callback service has none to compare with",
            "set CENTRIFUGO_VAR_CALLBACK_SECRET for the callback service too",
        )
    elif value not in expected.callback_secrets:
        yield error(
            where,
            "sends another secret than the callback service has: it refuses every call (401)",
            "give both the same CENTRIFUGO_VAR_CALLBACK_SECRET",
        )
    elif value == sent:
        yield warning(
            where, "holds the secret itself", f'keep it out of the file: write "{_SECRET_TEXT}"'
        )


def _static_headers(proxy: Mapping[str, Any]) -> dict[str, str]:
    """Return the static headers by their lower-case names; Centrifugo reads two forms of them."""
    http = proxy.get("http")
    headers = http.get("static_headers") if isinstance(http, Mapping) else None
    if isinstance(headers, list):
        headers = {one.get("key"): one.get("value") for one in headers if isinstance(one, Mapping)}
    if not isinstance(headers, Mapping):
        return {}
    return {str(name).lower(): str(value) for name, value in headers.items()}


def _header_names(proxy: Mapping[str, Any], option: str) -> set[str]:
    listed = proxy.get(option)
    return {str(name).lower() for name in listed} if isinstance(listed, list) else set()


def _endpoint(expected: Expectations, event: str) -> str:
    return f"{expected.callback_url.rstrip('/')}/centrifugo/{event}"


def _origin(url: SplitResult) -> tuple[str, str, int | None]:
    host = "localhost" if url.hostname in LOOPBACK_HOSTS else url.hostname or ""
    return url.scheme, host, url.port or _DEFAULT_PORTS.get(url.scheme)


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
