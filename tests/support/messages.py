"""Messages with made-up fields."""

from __future__ import annotations

from realtime_message.message import Message


def message(channel: str, text: str = "", number: int = 0, partition: int = 0) -> Message:
    """Return a message whose fields are made up but for these."""
    return Message(
        id=f"m{number}",
        channel=channel,
        partition_id=partition,
        user_id="u",
        user_name="User",
        text=text,
        timestamp="2026-01-01T00:00:00.000Z",
        raw=f'{{"text":"{text}"}}',
        client_id="c",
    )
