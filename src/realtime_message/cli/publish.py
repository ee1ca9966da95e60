"""`rtm publish`."""

from __future__ import annotations

import asyncio
import sys
import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from realtime_message.cli.gateway_access import (
    TokenOption,
    UrlOption,
    UserOption,
    gateway_access,
    require_name,
)
from realtime_message.cli.options import ConfigOption, JsonOption, SetOption, effective_settings
from realtime_message.cli.output import print_json
from realtime_message.errors import EXIT_FAILED, RealtimeMessageError

if TYPE_CHECKING:
    from realtime_message.client.publisher import PublishReport

_NUMBER = "{n}"
_MAX_TOLD = 5


def publish(
    channel: Annotated[str, typer.Argument(metavar="CHANNEL", help="Where to publish.")],
    data: Annotated[
        str,
        typer.Argument(
            metavar="DATA",
            help='JSON, or plain text, which becomes {"text": …}; {n} is replaced by the number.',
        ),
    ],
    *,
    count: Annotated[int, typer.Option(min=1, help="How many messages.")] = 1,
    rate: Annotated[
        float, typer.Option(min=0, help="Messages per second; 0: each after the one before.")
    ] = 0.0,
    user: UserOption = "rtm",
    token: TokenOption = "",
    url: UrlOption = "",
    config: ConfigOption = None,
    set_: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Publish as a client would, through the gateway, and wait until each message is acknowledged.

    A message gets an id, so that it can be sent again after a lost connection and is stored once.
    Exit code 1 if any was refused.
    """
    # Imported here: the client's library takes a while to load.
    from realtime_message.client.connection import open_connection  # noqa: PLC0415
    from realtime_message.client.publisher import Publisher  # noqa: PLC0415

    require_name(channel)
    loaded = effective_settings(config, set_)
    access = gateway_access(loaded, user=user, token=token, url=url)
    messages = _messages(data, count, id_field=loaded.settings.callback.dedup_field)
    publisher = Publisher(lambda: open_connection(access.url, access.token), on_delay=_tell)
    report = publisher.report
    try:
        asyncio.run(publisher.publish(channel, messages, rate=rate))
    except KeyboardInterrupt:
        _print_report(report, count, as_json=as_json)
        raise
    except RealtimeMessageError:
        # What was acknowledged before the gateway went away is stored.
        if report.acknowledged:
            _print_report(report, count, as_json=as_json)
        raise
    _print_report(report, count, as_json=as_json)
    if report.refusals:
        raise typer.Exit(EXIT_FAILED)


def _print_report(report: PublishReport, count: int, *, as_json: bool) -> None:
    if as_json:
        print_json(report)
        return
    for refusal in report.refusals[:_MAX_TOLD]:
        _tell(refusal)
    again = f", {report.resent} sent again" if report.resent else ""
    print(f"{report.acknowledged} of {count} acknowledged in {report.seconds:.2f} s{again}")


def _tell(text: str) -> None:
    print(f"rtm: {text}", file=sys.stderr, flush=True)


def _messages(text: str, count: int, *, id_field: str) -> Iterator[Any]:
    import msgspec  # noqa: PLC0415 - --help needs none of it

    if text[:1] not in ("{", "[", '"'):
        return _numbered({"text": text}, count, id_field)
    try:
        return _numbered(msgspec.json.decode(text), count, id_field)
    except msgspec.DecodeError as error:
        raise typer.BadParameter(f"DATA looks like JSON but is not: {error}") from None


def _numbered(data: Any, count: int, id_field: str) -> Iterator[Any]:
    for number in range(1, count + 1):
        if not isinstance(data, dict):
            yield data
            continue
        message = {
            key: value.replace(_NUMBER, str(number)) if isinstance(value, str) else value
            for key, value in data.items()
        }
        if id_field and id_field not in message:
            message[id_field] = str(uuid.uuid4())
        yield message
