"""One message on its way through a worker, from the read of its entry to its outcome."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

import msgspec

from realtime_message.errors import MalformedEntryError
from realtime_message.message import Message, decode_message
from realtime_message.streams.contracts import Entry

if TYPE_CHECKING:
    from realtime_message.worker.held_partition import HeldPartition
    from realtime_message.worker.overflow import Stub


class CancelCause(enum.Enum):
    """Why a handler was cancelled from outside."""

    time_limit = "time_limit"
    """It took longer than it may."""
    abandoned = "abandoned"
    """Its partition was lost, or the worker stops: the message is for the next owner."""


class Origin(enum.Enum):
    """Where a delivery comes from."""

    stream = "stream"
    """The partition's stream, as nearly all do."""
    aside = "aside"
    """What was set aside of a parked channel."""
    marker = "marker"
    """Nowhere: it only marks a place in a lane; see parking."""


class Delivery(msgspec.Struct, eq=False, gc=False):
    """An entry in the hands of this worker.

    A plain record that is made for each message, hence `gc=False`: nothing that it refers to
    refers back to it for long.

    Attributes:
        entry: what the stream holds.
        message: the entry's message.
        held: the partition it came from, under the lease it was read with.
        attempt: the number of the attempt that is under way or comes next, from 1.
        is_recorded: whether the attempt may begin without being written down first. The first one
            of a fresh entry may: otherwise each message would cost a write.
        is_suspect: whether it was in hand when its worker ended without a word.
        defect: why the entry is no message; empty when it is one.
        origin: where it comes from.
        size: the bytes of its payload; of a huge one, as many as its lane counts.
        cancel_cause: why the handler was cancelled, if it was.
    """

    entry: Entry
    message: Message
    held: HeldPartition
    attempt: int = 1
    is_recorded: bool = True
    is_suspect: bool = False
    defect: str = ""
    origin: Origin = Origin.stream
    size: int = 0
    cancel_cause: CancelCause | None = None


_NO_MESSAGE = Message(
    id="",
    channel="",
    partition_id=-1,
    user_id="",
    user_name="",
    text="",
    timestamp="",
    raw="null",
    client_id="",
)


def deliver(entry: Entry, held: HeldPartition, *, is_fresh: bool) -> Delivery:
    """Return the delivery of an entry that was read.

    An entry that is no message goes the same way, in the lane of the empty channel, with a defect.

    Args:
        entry: what was read.
        held: the partition it came from.
        is_fresh: whether no other worker has had it in hand.
    """
    payload, attempt = entry.payload, entry.attempts + 1
    if payload is None:
        return Delivery(entry, _NO_MESSAGE, held, attempt, False, False, "it has no payload")
    size = len(payload)
    try:
        message = decode_message(payload)
    except MalformedEntryError as error:
        return Delivery(entry, _NO_MESSAGE, held, attempt, False, False, str(error), size=size)
    if is_fresh:
        return Delivery(entry, message, held, attempt, size=size)
    if held.hold.lease.is_handed_over:
        # Later attempts than the first were written down before they began: the drain may have cut
        # the last one short. That was not its fault, so it comes again.
        attempt = max(entry.attempts, min(attempt, 2))
        return Delivery(entry, message, held, attempt, is_recorded=attempt == 1, size=size)
    return Delivery(entry, message, held, attempt, is_recorded=False, is_suspect=True, size=size)


def redeliver(entry: Entry, held: HeldPartition, stub: Stub) -> Delivery:
    """Return the delivery of an entry that was read again, as it was before."""
    delivery = deliver(entry, held, is_fresh=True)
    delivery.attempt = stub.attempt
    delivery.is_recorded = stub.is_recorded
    delivery.is_suspect = stub.is_suspect
    return delivery


def deliver_aside(entry: Entry, held: HeldPartition, channel: str) -> Delivery:
    """Return the delivery of an entry that was set aside; it stays in its channel's lane.

    Each of its attempts is written down before it begins: resuming is rare, and what failed a
    channel once may well kill a worker.
    """
    delivery = deliver(entry, held, is_fresh=True)
    delivery.origin = Origin.aside
    delivery.is_recorded = False
    if held.hold.lease.is_handed_over:
        # The drain cut the last attempt short, or it had not begun: that was not its fault.
        delivery.attempt = max(1, entry.attempts)
    else:
        delivery.is_suspect = entry.attempts > 0
    if delivery.defect:
        delivery.message = _in_channel(channel)
    return delivery


def make_marker(channel: str, held: HeldPartition) -> Delivery:
    """Return what marks a place in a lane."""
    return Delivery(Entry("0-0", None), _in_channel(channel), held, origin=Origin.marker)


def _in_channel(channel: str) -> Message:
    return msgspec.structs.replace(_NO_MESSAGE, channel=channel)
