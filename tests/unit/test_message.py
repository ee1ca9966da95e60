"""A message and its stored form, which consumers of other languages read."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_message.errors import MalformedEntryError
from realtime_message.message import Message, decode_message, encode_message, payload_in_partition

MESSAGE = Message(
    id="0f8fad5b-d9cb-469f-a165-70867728950e",
    channel="chat:räume",
    partition_id=4,
    user_id="42",
    user_name="Jürgen",
    text="Grüße",
    timestamp="2026-01-02T03:04:05.678Z",
    raw='{"text":"Grüße"}',
    client_id="c1",
)

#: More than a decoder follows.
DEEP = b"[" * 20_000 + b"]" * 20_000


def test_stored_form_has_the_fields_of_the_wire_format_in_order() -> None:
    """Field names and their order are fixed."""
    stored = json.loads(encode_message(MESSAGE))
    assert list(stored.items()) == [
        ("id", "0f8fad5b-d9cb-469f-a165-70867728950e"),
        ("channel", "chat:räume"),
        ("partitionId", 4),
        ("userId", "42"),
        ("userName", "Jürgen"),
        ("text", "Grüße"),
        ("timestamp", "2026-01-02T03:04:05.678Z"),
        ("raw", '{"text":"Grüße"}'),
        ("clientId", "c1"),
    ]


def test_client_data_is_decoded_on_demand() -> None:
    """`data` is the client's data; `raw` stays what the client sent."""
    assert MESSAGE.data == {"text": "Grüße"}


@given(
    st.builds(
        Message,
        id=st.text(),
        channel=st.text(),
        partition_id=st.integers(0, 1023),
        user_id=st.text(),
        user_name=st.text(),
        text=st.text(),
        timestamp=st.text(),
        raw=st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
            max_leaves=5,
        ).map(json.dumps),
        client_id=st.text(),
    )
)
def test_stored_form_is_read_back_unchanged(message: Message) -> None:
    """Every message survives being stored; other JSON readers understand it too."""
    stored = encode_message(message)
    assert decode_message(stored) == message
    assert json.loads(stored)["userName"] == message.user_name


def test_fields_of_a_newer_writer_are_ignored() -> None:
    """A reader takes what it knows."""
    stored = json.loads(encode_message(MESSAGE)) | {"priority": 1}
    assert decode_message(json.dumps(stored)) == MESSAGE


def test_version_is_understood_and_not_stored() -> None:
    """The only version there is may be named; stored entries stay as the earlier system's."""
    stored = json.loads(encode_message(MESSAGE))
    assert "version" not in stored
    assert decode_message(json.dumps(stored | {"version": 1})) == MESSAGE


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"hello",
        b"[]",
        b"null",
        b'{"id":"x"}',
        b"\xff\xfe",
        encode_message(MESSAGE).replace(b"4", b'"4"', 1),
        encode_message(MESSAGE)[:-1],
        encode_message(MESSAGE).replace(b"{", b'{"version":2,', 1),
        encode_message(MESSAGE).replace(b"{", b'{"extra":' + DEEP + b",", 1),
        encode_message(MESSAGE).replace(b"{", b'{"version":1' + b"0" * 5000 + b",", 1),
    ],
)
def test_what_is_no_message_is_refused(payload: bytes) -> None:
    """Broken JSON, missing fields and wrong types are one error, without a traceback of others."""
    with pytest.raises(MalformedEntryError, match="the payload is not a message"):
        decode_message(payload)


@pytest.mark.parametrize("payload", [b"{", b"[]", b"\xff", b'{"extra":' + DEEP + b"}"])
def test_what_is_no_object_gets_no_other_partition(payload: bytes) -> None:
    """A caller has one error to expect."""
    with pytest.raises(ValueError, match="no JSON object"):
        payload_in_partition(payload, 1)


def test_message_cannot_be_changed() -> None:
    """Handlers share a message and cannot alter it for one another."""
    with pytest.raises(AttributeError):
        MESSAGE.text = "other"  # type: ignore[misc]
    assert msgspec.structs.replace(MESSAGE, text="other").text == "other"
