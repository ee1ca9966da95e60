"""`rtm token`."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer

from realtime_message.cli.options import ConfigOption, JsonOption, SetOption, effective_settings
from realtime_message.cli.output import print_json


def token(
    user: Annotated[
        str, typer.Argument(metavar="USER", help='The user id; "" for an anonymous user.')
    ],
    *,
    ttl: Annotated[
        float, typer.Option(metavar="SECONDS", min=0, help="How long it is valid; 0 for ever.")
    ] = 3600.0,
    info: Annotated[
        str, typer.Option(metavar="JSON", help="Shown to others in presence, join and leave.")
    ] = "",
    meta: Annotated[
        str,
        typer.Option(
            metavar="JSON",
            help='Attached to the connection, for hooks; {"name": …} names the user in messages.',
        ),
    ] = "",
    channel: Annotated[
        str, typer.Option(help="Make a subscription token for this channel instead.")
    ] = "",
    config: ConfigOption = None,
    set_: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print a token with which a client connects as a user, or subscribes to one channel."""
    # Imported here: signing loads a cryptography library.
    from realtime_message.centrifugo.tokens import (  # noqa: PLC0415
        make_connection_token,
        make_subscription_token,
    )
    from realtime_message.settings import require_token_secret  # noqa: PLC0415

    secret = require_token_secret(effective_settings(config, set_))
    claims = _claims(info=info, meta=meta)
    ttl_seconds = ttl or None
    if channel:
        made = make_subscription_token(
            secret, user, channel, ttl_seconds=ttl_seconds, claims=claims
        )
    else:
        made = make_connection_token(secret, user, ttl_seconds=ttl_seconds, claims=claims)
    if as_json:
        expires_at = int(time.time() + ttl) if ttl else None
        print_json({"token": made, "user": user, "channel": channel, "expires_at": expires_at})
    else:
        print(made)


def _claims(**texts: str) -> dict[str, Any]:
    import msgspec  # noqa: PLC0415 - as above

    claims = {}
    for name, text in texts.items():
        if not text:
            continue
        try:
            claims[name] = msgspec.json.decode(text)
        except msgspec.DecodeError as error:
            raise typer.BadParameter(f"--{name} is not JSON: {error}") from None
    if not isinstance(claims.get("meta", {}), dict):
        raise typer.BadParameter("--meta must be a JSON object")
    return claims
