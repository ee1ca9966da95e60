"""`rtm subscribe`."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from realtime_message.cli.gateway_access import (
    GatewayAccess,
    TokenOption,
    UrlOption,
    UserOption,
    gateway_access,
    require_name,
)
from realtime_message.cli.options import ConfigOption, JsonOption, SetOption, effective_settings
from realtime_message.cli.output import print_json_line
from realtime_message.visible_text import one_line

if TYPE_CHECKING:
    from realtime_message.client.subscriber import Publication


def subscribe(
    channels: Annotated[
        list[str], typer.Argument(metavar="CHANNEL", help="Which channels to follow.")
    ],
    *,
    count: Annotated[
        int, typer.Option(min=0, help="End after this many messages; 0 goes on until Ctrl-C.")
    ] = 0,
    user: UserOption = "rtm",
    token: TokenOption = "",
    url: UrlOption = "",
    config: ConfigOption = None,
    set_: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print what is published in channels, one message a line.

    A lost connection is taken up again, and what was missed meanwhile is printed first. What
    happens to the connection is told on stderr.
    """
    require_name(*channels)
    access = gateway_access(effective_settings(config, set_), user=user, token=token, url=url)
    asyncio.run(_follow(access, list(dict.fromkeys(channels)), count, as_json=as_json))


async def _follow(access: GatewayAccess, channels: list[str], count: int, *, as_json: bool) -> None:
    # Imported here: the client's library takes a while to load.
    from realtime_message.client.connection import open_connection  # noqa: PLC0415
    from realtime_message.client.subscriber import Notice, Subscriber  # noqa: PLC0415

    def connect(on_push: Any) -> Any:
        return open_connection(access.url, access.token, on_push=on_push)

    seen = 0
    async for event in Subscriber(connect, channels).follow():
        if isinstance(event, Notice):
            print(f"rtm: {event.text}", file=sys.stderr, flush=True)
            continue
        if as_json:
            print_json_line(event)
        else:
            print(_line(event), flush=True)
        seen += 1
        if seen == count:
            return


def _line(publication: Publication) -> str:
    """Return a publication on one line; what others wrote cannot move the cursor."""
    import msgspec  # noqa: PLC0415 - --help needs none of it

    data = publication.data
    sender, text = publication.user, None
    if isinstance(data, dict):
        user = data.get("user")
        if isinstance(user, dict):
            sender = str(user.get("name") or user.get("id") or sender)
        if isinstance(data.get("text"), str):
            text = data["text"]
    if text is None:
        text = msgspec.json.encode(data).decode()
    return one_line(f"{publication.channel}  {sender + ': ' if sender else ''}{text}")
