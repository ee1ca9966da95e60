"""What `[callback]` holds."""

from __future__ import annotations

from typing import Annotated

import msgspec

from realtime_message.settings.sections.channels import ChannelRule
from realtime_message.settings.sections.option import Section, option


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
    trusted_proxies: Annotated[
        list[str],
        option(
            "Addresses or networks, such as 10.0.0.0/8, of proxies in front of this service whose "
            "X-Forwarded-For header is believed. It counts only without a secret.",
        ),
    ] = msgspec.field(default_factory=list)
    tls_certificate: Annotated[
        str, option("File with the certificate (PEM) to serve HTTPS with; empty: plain HTTP.")
    ] = ""
    tls_key: Annotated[str, option("File with the certificate's key (PEM).")] = ""
    allow_anonymous: Annotated[
        bool, option("Let clients without a token connect, as the user with the empty id.")
    ] = False
    max_body_bytes: Annotated[int, option("Larger bodies are refused.", unit="bytes", ge=1024)] = (
        262_144
    )
    max_channel_length: Annotated[
        int, option("Longer channel names are refused.", unit="characters", ge=1, le=1024)
    ] = 255
    user_rate_per_second: Annotated[
        float,
        option(
            "Publishes and calls of one user within a second, counted by each process for itself; "
            "0: no limit.",
            ge=0,
        ),
    ] = 0.0
    user_burst: Annotated[
        int, option("How many of them a user may send at once, after a pause.", ge=1)
    ] = 100
    connection_rate_per_second: Annotated[
        float, option("As user_rate_per_second, for one connection of a client.", ge=0)
    ] = 0.0
    connection_burst: Annotated[int, option("As user_burst, for one connection.", ge=1)] = 50
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
        float,
        option(
            "How long a message id is remembered; each takes memory in Redis for so long.",
            unit="seconds",
            ge=1,
            le=2_592_000,
        ),
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
