"""What must hold between settings before a part starts; single values are checked at loading."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from itertools import pairwise

from realtime_message.errors import ConfigurationError
from realtime_message.settings.declarations import all_settings
from realtime_message.settings.load import DEFAULT, LoadedSettings, tell
from realtime_message.settings.options import ChannelRule

PARTS = ("callback", "worker", "gateway", "console")

#: Shorter keys can be guessed offline from one token.
MIN_SECRET_CHARACTERS = 16


def check_settings(loaded: LoadedSettings, *parts: str) -> None:
    """Check the settings that some parts are about to start with.

    Args:
        loaded: the settings.
        parts: of PARTS; none given means all.

    Raises:
        ConfigurationError: everything that does not fit together, and what to do.
    """
    problems: list[str] = []
    for part in parts or PARTS:
        problems.extend(text for text in _CHECKS[part](loaded) if text not in problems)
    if problems:
        raise ConfigurationError(tell(problems))


def require_token_secret(loaded: LoadedSettings) -> str:
    """Return the key that signs tokens.

    Raises:
        ConfigurationError: there is none, or it is too short.
    """
    problems = list(_check_token_secret(loaded))
    if problems:
        is_missing = not loaded.settings.callback.token_secret
        hint = "; if `rtm up` runs, run this in its folder" if is_missing else ""
        raise ConfigurationError(tell(problems) + hint)
    return loaded.settings.callback.token_secret


def _check_callback(loaded: LoadedSettings) -> Iterator[str]:
    yield from _check_token_keys(loaded)
    yield from _check_timeouts(loaded)
    yield from _check_channel_rules(loaded.settings.callback.channels)


def _check_gateway(loaded: LoadedSettings) -> Iterator[str]:
    yield from _check_token_keys(loaded)
    yield from _check_timeouts(loaded)


def _check_token_keys(loaded: LoadedSettings) -> Iterator[str]:
    tokens = loaded.settings.tokens
    if loaded.settings.callback.token_secret or not tokens.has_public_keys:
        yield from _check_token_secret(loaded)
    if not tokens.jwks_public_endpoint:
        return
    for path in ("callback.token_secret", "tokens.rsa_public_key", "tokens.ecdsa_public_key"):
        if loaded.value(path):
            yield (
                f"{path} ({loaded.origins[path]}): with tokens.jwks_public_endpoint only the keys "
                "behind it count; leave one of the two out"
            )


def _check_token_secret(loaded: LoadedSettings) -> Iterator[str]:
    path = "callback.token_secret"
    secret = loaded.settings.callback.token_secret
    if not secret:
        alias = all_settings()[path].alias
        yield (
            f"{path} is missing: set {alias} to the key that signs the clients' tokens, at least "
            f"{MIN_SECRET_CHARACTERS} characters (`openssl rand -hex 32` makes one)"
        )
    elif len(secret) < MIN_SECRET_CHARACTERS:
        yield (
            f"{path} ({loaded.origins[path]}) has {len(secret)} characters: expected at least "
            f"{MIN_SECRET_CHARACTERS} (`openssl rand -hex 32` makes one)"
        )


def _check_timeouts(loaded: LoadedSettings) -> Iterator[str]:
    # What takes longer than the gateway waits has an unknown outcome for the client, though it
    # may have succeeded: each step must be given up before the one around it.
    chain = (
        "redis.command_timeout_seconds",
        "callback.deadline_seconds",
        "gateway.proxy_timeout_seconds",
    )
    for inner, outer in pairwise(chain):
        if loaded.value(inner) >= loaded.value(outer):
            yield f"{_name(loaded, inner)} must be below {_name(loaded, outer)}"


def _check_channel_rules(rules: list[ChannelRule]) -> Iterator[str]:
    seen: set[str] = set()
    for index, rule in enumerate(rules):
        place = f"callback.channels[{index}]"
        if rule.pattern in seen:
            yield f'{place}: there is a rule for the pattern "{rule.pattern}" already'
        seen.add(rule.pattern)
        if "owner" in (rule.subscribe, rule.publish) and rule.pattern.count("*") != 1:
            yield (
                f'{place}: "owner" is the user whose id stands where the pattern has its *, so '
                f'the pattern needs one *, not "{rule.pattern}"'
            )


def _check_worker(loaded: LoadedSettings) -> Iterator[str]:
    worker = loaded.settings.worker
    if worker.total_workers and worker.partitions.strip():
        yield (
            f"{_name(loaded, 'worker.partitions')} and {_name(loaded, 'worker.total_workers')} "
            "both assign partitions: set one of them"
        )
    elif worker.total_workers:
        numbers = range(worker.total_workers)
        if worker.id not in {str(number) for number in numbers}:
            yield (
                f"{_name(loaded, 'worker.id')} must be this worker's number, 0 to "
                f"{numbers[-1]}, with {_name(loaded, 'worker.total_workers')}"
            )
    yield from _check_partitions(loaded)
    if worker.backoff_initial_seconds > worker.backoff_max_seconds:
        yield (
            f"{_name(loaded, 'worker.backoff_initial_seconds')} must not be above "
            f"{_name(loaded, 'worker.backoff_max_seconds')}"
        )


def _check_partitions(loaded: LoadedSettings) -> Iterator[str]:
    count = loaded.settings.redis.partition_count
    numbers = [int(text) for text in loaded.settings.worker.partitions.split(",") if text.strip()]
    unknown = [number for number in numbers if number >= count]
    if unknown or len(set(numbers)) < len(numbers):
        yield (
            f"{_name(loaded, 'worker.partitions')}: expected different numbers from 0 to "
            f"{count - 1}, as {_name(loaded, 'redis.partition_count')}"
        )


def _check_console(loaded: LoadedSettings) -> Iterator[str]:
    console = loaded.settings.console
    if console.password and len(console.password) < MIN_SECRET_CHARACTERS:
        yield (
            f"console.password ({loaded.origins['console.password']}) has "
            f"{len(console.password)} characters: expected at least {MIN_SECRET_CHARACTERS} "
            "(`openssl rand -hex 16` makes one)"
        )
    elif not console.password and not _is_loopback(console.host):
        yield (
            f"{_name(loaded, 'console.host')} lets other machines read what the console shows, "
            "payloads of dead letters too: set console.password (RTM_CONSOLE__PASSWORD) to at "
            f"least {MIN_SECRET_CHARACTERS} characters (`openssl rand -hex 16` makes one), or "
            "leave the host at 127.0.0.1"
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _name(loaded: LoadedSettings, path: str) -> str:
    value, origin = loaded.value(path), loaded.origins[path]
    shown = f'"{value}"' if isinstance(value, str) else value
    return f"{path} = {shown}" + ("" if origin == DEFAULT else f" ({origin})")


_CHECKS = {
    "callback": _check_callback,
    "worker": _check_worker,
    "gateway": _check_gateway,
    "console": _check_console,
}
