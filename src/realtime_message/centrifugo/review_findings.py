"""What a review of a Centrifugo configuration finds, and what it compares with."""

from __future__ import annotations

from typing import Literal

import msgspec

#: `error`: messages are lost, refused or out of order, or anyone gets in. `warning`: may be meant.
Severity = Literal["error", "warning"]

#: Hosts that lead to the machine itself.
LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


class Finding(msgspec.Struct, frozen=True):
    """One thing that does not fit.

    Attributes:
        severity: how bad it is.
        where: the option's dotted path, or the variable in the environment.
        what: what is wrong, and what it leads to.
        fix: what to write instead.
    """

    severity: Severity
    where: str
    what: str
    fix: str


class Expectations(msgspec.Struct, frozen=True, kw_only=True):
    """Our side of the configuration, from our settings.

    Attributes:
        callback_url: where the gateway reaches the callback service, without a path.
        deadline_seconds: when the callback service gives a request up.
        callback_secrets: what the callback service accepts as secret, the current one first; empty
            when it serves callers on its own machine only.
        token_secrets: the keys that clients' tokens are signed with.
        tokens: by Centrifugo's option in `client.token`, what else they are verified with; only
            options that one of the two sides may have set.
        stream_prefix: first part of our keys in Redis.
        channel_patterns: by setting, the channel patterns that the deployment speaks about.
        gateway_port: where our own clients look for the gateway.
        publish_headers: headers of clients, in lower case, that may come with each publish.
    """

    callback_url: str = "http://127.0.0.1:3000"
    deadline_seconds: float = 0.9
    callback_secrets: tuple[str, ...] = ()
    token_secrets: tuple[str, ...] = ()
    tokens: dict[str, str] = {}
    stream_prefix: str = "messages"
    channel_patterns: tuple[tuple[str, str], ...] = ()
    gateway_port: int = 8000
    publish_headers: tuple[str, ...] = ()


def error(where: str, what: str, fix: str) -> Finding:
    """Return a finding that has to be mended."""
    return Finding("error", where, what, fix)


def warning(where: str, what: str, fix: str) -> Finding:
    """Return a finding that may be meant."""
    return Finding("warning", where, what, fix)
