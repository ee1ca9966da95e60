"""What a client may publish, and what subscribers get of it.

The client's JSON is taken apart one level deep and no deeper: the values of its fields are carried
as the bytes they came in, so that a number of twenty digits, or 1.0, arrives as it was written.
"""

from __future__ import annotations

from typing import Any

import msgspec

from realtime_message.centrifugo.events import UNREADABLE
from realtime_message.message import Message

MAX_TEXT_LENGTH = 5000
MAX_CLIENT_MESSAGE_ID_LENGTH = 64

#: Fields of a publication that are ours to set. A client's own must not survive under these names:
#: subscribers would take them for ours.
OUR_FIELDS = ("id", "user", "timestamp", "clientMessageId")

Fields = dict[str, msgspec.Raw]

_decode_fields = msgspec.json.Decoder(Fields).decode
_decode_value = msgspec.json.Decoder(msgspec.Raw).decode
_decode_text = msgspec.json.Decoder(str).decode
_decode_id = msgspec.json.Decoder(str | int).decode
_encode = msgspec.json.Encoder().encode


class InvalidPayloadError(ValueError):
    """The client's data is not what the channel takes; the text is for the client."""


class Payload(msgspec.Struct, frozen=True, gc=False):
    """A client's data, checked.

    Attributes:
        raw: the data as JSON text.
        text: the text of a chat message; empty for other payloads.
        fields: the data's fields if it is an object, else None; a field that is there twice
            counts as its last, as in every browser.
    """

    raw: str
    text: str
    fields: Fields | None


def read_payload(data: bytes, *, takes_any: bool) -> Payload:
    """Check a client's data.

    Args:
        data: JSON; empty if the client sent none.
        takes_any: whether every JSON value will do; else it must be a chat message: an object
            whose `text` is a string of 1 to 5000 characters that are not all white space.

    Raises:
        InvalidPayloadError: it is not JSON, or no chat message.
    """
    if not data:
        raise InvalidPayloadError("there is no data")
    try:
        raw = data.decode()
        if takes_any:
            return _read_any(data, raw)
        fields = _decode_fields(data)
        text = _decode_text(fields["text"])
    except KeyError:
        raise InvalidPayloadError('the data has no "text"') from None
    except msgspec.ValidationError:
        raise InvalidPayloadError('the data must be an object whose "text" is a string') from None
    except UNREADABLE as error:
        raise InvalidPayloadError(f"the data is not JSON: {error}") from None
    if not text or text.isspace():
        raise InvalidPayloadError('"text" is empty')
    if len(text) > MAX_TEXT_LENGTH:
        raise InvalidPayloadError(
            f'"text" has {len(text)} characters; at most {MAX_TEXT_LENGTH} fit'
        )
    return Payload(raw, text, fields)


def _read_any(data: bytes, raw: str) -> Payload:
    if not data.lstrip().startswith(b"{"):
        _decode_value(data)
        return Payload(raw, "", None)
    fields = _decode_fields(data)
    try:
        text = _decode_text(fields.get("text", b'""'))
    except msgspec.ValidationError:
        text = ""
    return Payload(raw, text, fields)


def client_message_id(fields: Fields, name: str, *, takes_any: bool) -> msgspec.Raw | None:
    """Return the id that the client gave its message, as it wrote it; None if it gave none.

    Args:
        fields: the fields of the client's data.
        name: the field that holds the id.
        takes_any: whether a value that cannot be an id is the application's own affair; else it
            is a mistake that the client should hear of, since its resends would not be recognised.

    Raises:
        InvalidPayloadError: it is neither an integer nor a string of 1 to 64 characters.
    """
    raw = fields.get(name)
    if raw is None or bytes(raw) == b"null":
        return None
    try:
        value = _decode_id(raw)
    except UNREADABLE:
        value = ""
    if isinstance(value, int) or 0 < len(value) <= MAX_CLIENT_MESSAGE_ID_LENGTH:
        return raw
    if takes_any:
        return None
    raise InvalidPayloadError(
        f'"{name}" must be an integer or a string of 1 to {MAX_CLIENT_MESSAGE_ID_LENGTH} characters'
    )


def dedup_key(user: str, client: str, channel: str, message_id: msgspec.Raw) -> str:
    """Return the key under which a resend of a client's message is recognised.

    A JSON array, so that no two combinations of its parts can run together. All anonymous users
    have one user id, the empty one: for them the connection stands in its place, or one visitor's
    message 1 would be taken for another's.
    """
    scope = [user] if user else ["", client]
    return _encode([*scope, channel, _decode_id(message_id)]).decode()


def publication(fields: Fields, message: Message, client_id: msgspec.Raw | None) -> dict[str, Any]:
    """Return what subscribers see: the client's fields, and ours in place of its own.

    Args:
        fields: the fields of the client's data.
        message: what is stored.
        client_id: the client's own id of the message, if it gave one.
    """
    seen: dict[str, Any] = {**fields}
    for name in OUR_FIELDS:
        seen.pop(name, None)
    seen["id"] = message.id
    seen["user"] = {"id": message.user_id, "name": message.user_name}
    seen["timestamp"] = message.timestamp
    if client_id is not None:
        seen["clientMessageId"] = client_id
    return seen
