"""A message, and the form in which a stream entry stores it."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from realtime_message.errors import MalformedEntryError


class Message(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True, gc=False
):
    """What a person or a device sent to a channel.

    Attributes:
        id: a UUID given by the callback service, the same in every redelivery.
        channel: the Centrifugo channel.
        partition_id: the partition of the channel.
        user_id: the sender, as Centrifugo authenticated it; empty for an anonymous one.
        user_name: the sender's name from the connection's meta, else the user id.
        text: the text of a chat-shaped payload; empty for other payloads.
        timestamp: when the callback service took it, ISO 8601 in UTC with milliseconds.
        raw: the client's data as a JSON string.
        client_id: the id of the client's connection.
        version: of the stored form. It is not stored as long as there is only this one; a later
            form that this release cannot read says so here.

    The order of the fields and their camel-case names are the stored form.
    """

    id: str
    channel: str
    partition_id: int
    user_id: str
    user_name: str
    text: str
    timestamp: str
    raw: str
    client_id: str
    version: Literal[1] = 1

    @property
    def data(self) -> Any:
        """The client's data, decoded from `raw` anew at each use."""
        return msgspec.json.decode(self.raw)


_encoder = msgspec.json.Encoder()
_decode = msgspec.json.Decoder(Message).decode

#: What decoding raises: text that is not UTF-8 is a ValueError, deep nesting a RecursionError.
UNDECODABLE = (msgspec.MsgspecError, ValueError, RecursionError)


def encode_message(message: Message) -> bytes:
    """Return the JSON object that a stream entry's `payload` field holds."""
    return _encoder.encode(message)


def payload_in_partition(payload: bytes, partition_id: int) -> bytes:
    """Return a `payload` field that names a partition; as it is, if that is the one it names.

    What else it holds is kept, also fields that this release does not know.

    Args:
        payload: a JSON object.
        partition_id: where it goes.

    Raises:
        ValueError: it is no JSON object, or one that is nested too deep.
    """
    try:
        fields = msgspec.json.decode(payload, type=dict[str, Any])
    except UNDECODABLE as error:
        raise ValueError(f"the payload is no JSON object: {error}") from None
    if fields.get("partitionId") == partition_id:
        return payload
    return _encoder.encode({**fields, "partitionId": partition_id})


def decode_message(payload: bytes | str) -> Message:
    """Return the message that a `payload` field holds.

    Unknown fields are ignored: a newer writer may add some.

    Raises:
        MalformedEntryError: it is not JSON, fields are missing or of another type, or it is of a
            version that this release does not know.
    """
    try:
        return _decode(payload)
    except UNDECODABLE as error:
        raise MalformedEntryError(f"the payload is not a message: {error}") from None
