"""What became of messages, as a test looks at it."""

from __future__ import annotations

from dataclasses import dataclass

from realtime_message.errors import MalformedEntryError
from realtime_message.message import Message, decode_message
from realtime_message.telemetry.worker_metrics import Outcome
from realtime_message.testing.memory.state import MemoryDeadLetter, PartitionState


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt to handle a message.

    Attributes:
        message: the message.
        entry_id: its entry in the stream.
        number: 1 for the first attempt.
        outcome: how it ended: ack, skip, unhandled, retry, dead_letter or abandoned.
        took_seconds: how long the handler took, in real time.
    """

    message: Message
    entry_id: str
    number: int
    outcome: Outcome
    took_seconds: float


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that was given up.

    Attributes:
        message: the message; None for an entry that is none.
        reason: which rule gave it up.
        error: the end of the traceback of the last attempt; empty if the handler said so itself.
        attempts: how many there were.
    """

    message: Message | None
    reason: str
    error: str
    attempts: int


def read_dead_letter(letter: MemoryDeadLetter) -> DeadLetter:
    """Return a dead letter as a test looks at it."""
    try:
        message = decode_message(letter.entry.payload or b"")
    except MalformedEntryError:
        message = None
    return DeadLetter(message, letter.reason, letter.error, letter.attempts)


def parked_messages(partitions: list[PartitionState]) -> dict[str, list[Message]]:
    """Return the parked channels, each with the messages that were set aside."""
    return {
        channel: [decode_message(e.payload or b"") for e in state.aside.get(channel, [])]
        for state in partitions
        for channel in state.parked
    }
