"""Secrets: missing, weak, or used twice. Their texts never appear in a finding."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import unquote, urlsplit

from realtime_message.centrifugo.review_findings import LOOPBACK_HOSTS
from realtime_message.doctor.findings import Finding, error, warning
from realtime_message.settings import LoadedSettings
from realtime_message.settings.checks import MIN_SECRET_CHARACTERS
from realtime_message.settings.weak_secrets import weakness

_PATHS = (
    "callback.token_secret",
    "callback.previous_token_secret",
    "callback.secret",
    "callback.previous_secret",
    "gateway.api_key",
    "gateway.previous_api_key",
    "console.password",
    "subscription_tokens.hmac_secret_key",
)
_IN_URL = "the password in redis.url"
_MAKE = "`openssl rand -hex 32` makes one"


def review_secrets(loaded: LoadedSettings) -> Iterator[Finding]:
    """Yield what is wrong with the secrets in the settings.

    That the key of the tokens is missing or too short is told by the settings' own check.
    """
    settings = loaded.settings
    secrets = {path: str(loaded.value(path)) for path in _PATHS if loaded.value(path)}
    password = unquote(urlsplit(settings.redis.url).password or "")
    if password:
        secrets[_IN_URL] = password
    for path, secret in secrets.items():
        fault = weakness(secret)
        if not fault and len(secret) < MIN_SECRET_CHARACTERS and path != "callback.token_secret":
            fault = f"has fewer than {MIN_SECRET_CHARACTERS} characters"
        if fault:
            # Redis' port is not for the world; the others guard what is.
            tell = warning if path == _IN_URL else error
            yield tell(f"{path} {fault}", "it can be guessed", f"use one of your own; {_MAKE}")
    yield from _used_twice(secrets)
    yield from _missing(loaded)


def _used_twice(secrets: dict[str, str]) -> Iterator[Finding]:
    paths_of: dict[str, list[str]] = {}
    for path, secret in secrets.items():
        paths_of.setdefault(secret, []).append(path)
    for paths in paths_of.values():
        if len(paths) > 1:
            yield error(
                f"{' and '.join(paths)} are the same secret",
                "whoever learns it at one place can do everything that the others protect, and it "
                "cannot be changed at one place alone",
                f"give each its own; {_MAKE}",
            )


def _missing(loaded: LoadedSettings) -> Iterator[Finding]:
    settings = loaded.settings
    if not settings.callback.secret and settings.callback.host not in LOOPBACK_HOSTS:
        yield warning(
            "callback.secret is empty, and the callback service listens on "
            f"{settings.callback.host}",
            "it serves callers on its own machine only: a gateway elsewhere is refused, and every "
            "program on this machine may publish in anyone's name",
            f"set CENTRIFUGO_VAR_CALLBACK_SECRET for it and for Centrifugo; {_MAKE}",
        )
    if not settings.gateway.api_key:
        yield warning(
            "gateway.api_key is empty",
            "handlers cannot publish: the server API refuses calls without a key",
            f"set CENTRIFUGO_HTTP_API_KEY for workers and Centrifugo; {_MAKE}",
        )
    if not urlsplit(settings.redis.url).password and not _is_local(settings.redis.url):
        yield warning(
            "redis.url has no password, and Redis is on another machine",
            "whoever reaches its port can read, forge and delete messages",
            "make a user with the rights of docs/reference/redis-rights.md and write it into "
            "REDIS_URL",
        )


def _is_local(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "unix" or (parts.hostname or "localhost") in LOOPBACK_HOSTS
