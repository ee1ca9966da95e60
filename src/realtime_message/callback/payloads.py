"""What a client published, taken apart and checked.

The client's JSON is taken apart one level deep and no deeper: the values of its fields are carried
as the bytes they came in, so that a number of twenty digits, or 1.0, stays as it was written.
"""

from __future__ import annotations

from typing import Any

import msgspec

from realtime_message.centrifugo.events import UNREADABLE, why_unreadable
from realtime_message.centrifugo.replies import Code
from realtime_message.errors import Refuse

MAX_TEXT_LENGTH = 5000
MAX_CLIENT_MESSAGE_ID_LENGTH = 64

#: A JSON object's fields, their values as they were written.
Fields = dict[str, msgspec.Raw]

_decode_fields = msgspec.json.Decoder(Fields).decode
_decode_value = msgspec.json.Decoder(msgspec.Raw).decode
_decode_text = msgspec.json.Decoder(str).decode
_decode_id = msgspec.json.Decoder(str | int).decode
_encode = msgspec.json.Encoder().encode


class Payload(msgspec.Struct, frozen=True, gc=False):
    """A client's data, checked.

    Attributes:
        raw: the data as JSON text.
        text: the text of a chat message; empty for other payloads.
        fields: the data's fields if it is an object, else None; a field that is there twice
            counts as its last, as in every browser.
        client_message_id: the id that the client gave its message, as it wrote it; None if it gave
            none.
    """

    raw: str
    text: str
    fields: Fields | None
    client_message_id: msgspec.Raw | None = None


def read_payload(data: bytes, *, takes_any: bool, id_field: str) -> Payload:
    """Check a client's data.

    Args:
        data: JSON; empty if the client sent none.
        takes_any: whether every JSON value will do; else it must be a chat message: an object
            whose `text` is a string of 1 to 5000 characters that are not all white space.
        id_field: the field that holds the client's id of the message; empty looks for none.

    Raises:
        Refuse: it is not JSON, or no chat message, or its id is none; the text says why.
    """
    if not data:
        raise _invalid("there is no data")
    try:
        raw = data.decode()
        if takes_any:
            return _read_any(data, raw, id_field)
        fields = _decode_fields(data)
        text = _decode_text(fields["text"])
    except KeyError:
        raise _invalid('the data has no "text"') from None
    except msgspec.ValidationError:
        raise _invalid('the data must be an object whose "text" is a string') from None
    except UNREADABLE as error:
        raise _invalid(f"the data is not JSON: {why_unreadable(error)}") from None
    if not text or text.isspace():
        raise _invalid('"text" is empty')
    if len(text) > MAX_TEXT_LENGTH:
        raise _invalid(f'"text" has {len(text)} characters; at most {MAX_TEXT_LENGTH} fit')
    message_id = fields.get(id_field) if id_field else None
    if message_id is None:
        return Payload(raw, text, fields)
    return Payload(raw, text, fields, _checked_id(message_id, id_field))


def replaced_payload(payload: Payload, data: Any) -> Payload:
    """Return a payload with data that a hook put in the client's place; the id stays the client's.

    Raises:
        TypeError: the data is not JSON.
    """
    encoded = _encode(data)
    replaced = _read_any(encoded, encoded.decode(), "")
    return Payload(replaced.raw, replaced.text, replaced.fields, payload.client_message_id)


def _read_any(data: bytes, raw: str, id_field: str) -> Payload:
    if not data.lstrip().startswith(b"{"):
        _decode_value(data)
        return Payload(raw, "", None)
    fields = _decode_fields(data)
    try:
        text = _decode_text(fields.get("text", b'""'))
    except msgspec.ValidationError:
        text = ""
    message_id = fields.get(id_field) if id_field else None
    # Outside of chat a field of this name may be something else, and is the application's affair.
    if message_id is not None and not _is_id(message_id):
        message_id = None
    return Payload(raw, text, fields, message_id)


def _checked_id(message_id: msgspec.Raw, name: str) -> msgspec.Raw | None:
    """Return a message id, None for null.

    Raises:
        Refuse: it is no id. The client must hear of it: its resends would not be recognised.
    """
    if bytes(message_id) == b"null":
        return None
    if _is_id(message_id):
        return message_id
    raise _invalid(
        f'"{name}" must be an integer or a string of 1 to {MAX_CLIENT_MESSAGE_ID_LENGTH} characters'
    )


def _is_id(message_id: msgspec.Raw) -> bool:
    try:
        value = _decode_id(message_id)
    except UNREADABLE:
        return False
    return isinstance(value, int) or 0 < len(value) <= MAX_CLIENT_MESSAGE_ID_LENGTH


def _invalid(text: str) -> Refuse:
    return Refuse(Code.INVALID_PAYLOAD, text)
