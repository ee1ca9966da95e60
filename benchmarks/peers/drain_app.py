"""Our worker's handlers in the drain: one that does nothing, one that records, one in batches."""

from __future__ import annotations

from drain_meter import Meter

from realtime_message import App, Message

meter = Meter()
nothing, recording, batched = App(), App(), App()
last: dict[str, tuple[str, str]] = {}


@nothing.on_message()
async def do_nothing(message: Message) -> None:  # noqa: ARG001 - as a handler's signature is
    """Count, and nothing else."""
    meter.add()


@recording.on_message()
async def record(message: Message) -> None:
    """Keep the last message of each channel."""
    last[message.channel] = (message.id, message.text)
    meter.add()


@batched.on_batch(max_messages=200)
async def record_all(messages: list[Message]) -> None:
    """The same for many at once."""
    for message in messages:
        last[message.channel] = (message.id, message.text)
    meter.add(len(messages))
