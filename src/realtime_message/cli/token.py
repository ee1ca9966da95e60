"""`rtm token`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from realtime_message.cli.options import ConfigOption, JsonOption, SetOption, effective_settings
from realtime_message.cli.output import print_json
from realtime_message.errors import ConfigurationError

if TYPE_CHECKING:
    from realtime_message.settings import LoadedSettings


def token(
    user: Annotated[
        str, typer.Argument(metavar="USER", help='The user id; "" for an anonymous user.')
    ],
    *,
    ttl: Annotated[
        float, typer.Option(metavar="SECONDS", min=0, help="How long it is valid; 0 means forever.")
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
    private_key: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Sign with this private key (PEM: RSA, ECDSA or Ed25519), not with the secret.",
        ),
    ] = None,
    key_id: Annotated[
        str, typer.Option(help="The id (kid) that a key set has its public key under.")
    ] = "",
    config: ConfigOption = None,
    set_: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print a token with which a client connects as a user, or subscribes to one channel."""
    from realtime_message.centrifugo.tokens import token_claims  # noqa: PLC0415 - --help needs none

    claims = _claims(info=info, meta=meta) | ({"channel": channel} if channel else {})
    every_claim = token_claims(user, ttl_seconds=ttl or None, claims=claims)
    if private_key is None:
        loaded = effective_settings(config, set_)
        made = _signed_with_secret(every_claim, loaded, is_for_channel=bool(channel))
    else:
        made = _signed_with_key(every_claim, private_key, key_id)
    if as_json:
        expires_at = int(time.time() + ttl) if ttl else None
        print_json({"token": made, "user": user, "channel": channel, "expires_at": expires_at})
    else:
        print(made)


def _signed_with_secret(
    claims: dict[str, Any], loaded: LoadedSettings, *, is_for_channel: bool
) -> str:
    import msgspec  # noqa: PLC0415 - as above

    from realtime_message.centrifugo.signatures import sign_with_secret  # noqa: PLC0415
    from realtime_message.settings import require_token_secret  # noqa: PLC0415

    own = loaded.settings.subscription_tokens
    is_own = is_for_channel and own.enabled
    secret = own.hmac_secret_key if is_own else require_token_secret(loaded)
    if not secret:
        raise ConfigurationError(
            "subscription_tokens.hmac_secret_key is missing: set it, or sign with --private-key"
        )
    return sign_with_secret(msgspec.json.encode(claims), secret)


def _signed_with_key(claims: dict[str, Any], file: Path, key_id: str) -> str:
    import msgspec  # noqa: PLC0415 - as above

    from realtime_message.centrifugo.signatures import sign_with_private_key  # noqa: PLC0415

    try:
        return sign_with_private_key(msgspec.json.encode(claims), file.read_bytes(), key_id)
    except OSError as error:
        raise typer.BadParameter(f"--private-key {file}: {error.strerror}") from None
    except ValueError as error:
        raise typer.BadParameter(f"--private-key {file}: {error}") from None


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
