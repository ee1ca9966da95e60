"""How the terminal's client reaches the gateway, and as whom."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

if TYPE_CHECKING:
    from realtime_message.settings import LoadedSettings

UserOption = Annotated[str, typer.Option(help="The user to be.")]
TokenOption = Annotated[
    str, typer.Option(metavar="TOKEN", help="A connection token; by default one is made.")
]
UrlOption = Annotated[
    str,
    typer.Option(metavar="URL", help="The gateway's WebSocket; by default as the settings say."),
]

# The token is made for this very connection, and renewed by starting the command again.
_TTL_SECONDS = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class GatewayAccess:
    """Where the gateway is and what proves who we are."""

    url: str
    token: str


def require_name(*channels: str) -> None:
    """Refuse a channel without a name, which the gateway would call a bad request.

    Raises:
        typer.BadParameter: there is one.
    """
    if "" in channels:
        raise typer.BadParameter("CHANNEL is empty")


def gateway_access(loaded: LoadedSettings, *, user: str, token: str, url: str) -> GatewayAccess:
    """Return address and token for a client of the terminal.

    Raises:
        ConfigurationError: a token must be made and there is no key for it.
    """
    # Imported here: signing loads a cryptography library.
    from realtime_message.centrifugo.tokens import make_connection_token  # noqa: PLC0415
    from realtime_message.settings import require_token_secret  # noqa: PLC0415

    if not token:
        # The name is shown to others and becomes the sender's name in messages.
        name = {"name": user}
        token = make_connection_token(
            require_token_secret(loaded),
            user,
            ttl_seconds=_TTL_SECONDS,
            claims={"info": name, "meta": name},
        )
    return GatewayAccess(url or _websocket_url(loaded), token)


def _websocket_url(loaded: LoadedSettings) -> str:
    """Return the WebSocket beside the server API, whose address may be set apart from the port."""
    parts = urlsplit(loaded.settings.gateway.api_url)
    scheme = "wss" if parts.scheme == "https" else "ws"
    return f"{scheme}://{parts.netloc}/connection/websocket"
