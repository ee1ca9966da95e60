"""The app that `rtm up` runs when no other is named: what a handler and a hook look like.

Three words make it show what happens when things go wrong: a message that begins with `/refuse` is
refused before it is stored, `/fail` fails each attempt until it is a dead letter, `/slow` takes two
seconds while only its own channel waits.
"""

from __future__ import annotations

import asyncio

from realtime_message import App, Context, Message, PublishEvent, Refuse
from realtime_message.telemetry.logs import get_logger

app = App()
_log = get_logger("demo")


class DemoFailureError(Exception):
    """What a message that begins with /fail asks for."""


@app.on_publish()
async def refuse_on_request(event: PublishEvent) -> None:
    """Refuse a message before it is stored: its sender is told, nobody else sees it."""
    data = event.data
    text = data.get("text") if isinstance(data, dict) else None
    if isinstance(text, str) and text.startswith("/refuse"):
        raise Refuse(422, "refused, as you asked")


@app.on_message()
async def handle(message: Message, context: Context) -> None:
    """Take a message. What people write is theirs: the log says where it went, not what it says."""
    if message.text.startswith("/fail"):
        raise DemoFailureError("failed, as the message asked")
    if message.text.startswith("/slow"):
        await asyncio.sleep(2.0)
    _log.info(
        "message.handled",
        channel=message.channel,
        partition=context.partition,
        attempt=context.attempt,
    )
