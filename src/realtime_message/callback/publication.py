"""What subscribers see of a message, and how its resend is recognised."""

from __future__ import annotations

from typing import Any

import msgspec

from realtime_message.callback.payloads import Fields, Payload
from realtime_message.centrifugo.replies import PublishReply, encode_publish_result
from realtime_message.message import Message

#: Fields of a publication that are ours to set. A client's own must not survive under these names:
#: subscribers would take them for ours.
OUR_FIELDS = frozenset({"id", "user", "timestamp", "clientMessageId"})

_decode_id = msgspec.json.Decoder(str | int).decode
_encode = msgspec.json.Encoder().encode


def reply_body(message: Message, payload: Payload, reply: PublishReply) -> bytes:
    """Return the body of the reply that lets a message through.

    Args:
        message: what is stored.
        payload: what it was made of; its fields are used up.
        reply: what the hook said, or its default.

    Raises:
        TypeError: a field of the hook's reply has another type than it says.
    """
    client_id = payload.client_message_id
    fields = payload.fields
    data = msgspec.UNSET if fields is None else publication(fields, message, client_id)
    # Only a message with an id of the client's can be broadcast a second time. Centrifugo keeps
    # each key for five minutes, so the others go without.
    return encode_publish_result(
        reply, data, idempotency_key="" if client_id is None else message.id
    )


def publication(fields: Fields, message: Message, client_id: msgspec.Raw | None) -> dict[str, Any]:
    """Return what subscribers see: the client's fields, and ours in place of its own.

    Args:
        fields: the fields of the client's data; they are used up.
        message: what is stored.
        client_id: the client's own id of the message; None if it gave none.
    """
    seen: dict[str, Any] = fields
    if not OUR_FIELDS.isdisjoint(seen):
        for name in OUR_FIELDS:
            seen.pop(name, None)
    seen["id"] = message.id
    seen["user"] = {"id": message.user_id, "name": message.user_name}
    seen["timestamp"] = message.timestamp
    if client_id is not None:
        seen["clientMessageId"] = client_id
    return seen


def dedup_key(message: Message, client_id: msgspec.Raw) -> str:
    """Return the key under which a resend of a client's message is recognised.

    A JSON array, so that no two combinations of its parts can run together. All anonymous users
    have one user id, the empty one: for them the connection stands in its place, or one visitor's
    message 1 would be taken for another's.
    """
    scope = [message.user_id] if message.user_id else ["", message.client_id]
    return _encode([*scope, message.channel, _decode_id(client_id)]).decode()
