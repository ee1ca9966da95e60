"""What clients may publish, and that what subscribers see cannot be forged."""

import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime_message.callback.payloads import Payload, read_payload, replaced_payload
from realtime_message.callback.publication import OUR_FIELDS, dedup_key, publication
from realtime_message.errors import Refuse
from realtime_message.message import Message

# A busy machine is no fault of what is tested.
untimed = settings(deadline=None)

MESSAGE = Message(
    id="our-id",
    channel="chat",
    partition_id=1,
    user_id="56",
    user_name="Ann",
    text="t",
    timestamp="2026-01-31T12:00:00.000Z",
    raw="{}",
    client_id="C1",
)


def read(data: bytes, *, takes_any: bool = False, id_field: str = "id") -> Payload:
    return read_payload(data, takes_any=takes_any, id_field=id_field)


def seen(data: bytes, *, id_field: str = "") -> bytes:
    payload = read(data, takes_any=True, id_field=id_field)
    assert payload.fields is not None
    return msgspec.json.encode(publication(payload.fields, MESSAGE, payload.client_message_id))


def id_of(data: bytes, *, takes_any: bool = False) -> bytes | None:
    raw = read(data, takes_any=takes_any).client_message_id
    return None if raw is None else bytes(raw)


def key_of(user: str, client: str, channel: str, message_id: bytes) -> str:
    message = msgspec.structs.replace(MESSAGE, user_id=user, client_id=client, channel=channel)
    return dedup_key(message, msgspec.Raw(message_id))


def test_a_chat_message() -> None:
    """Its text is taken out, its data is kept as it came."""
    payload = read(b'{"text":" hi ","n":1.0}', takes_any=False)
    assert (payload.text, payload.raw) == (" hi ", '{"text":" hi ","n":1.0}')


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "there is no data"),
        (b"null", 'the data must be an object whose "text" is a string'),
        (b"[]", 'the data must be an object whose "text" is a string'),
        (b'"hello"', 'the data must be an object whose "text" is a string'),
        (b"{}", 'the data has no "text"'),
        (b'{"text":null}', 'the data must be an object whose "text" is a string'),
        (b'{"text":5}', 'the data must be an object whose "text" is a string'),
        (b'{"text":""}', '"text" is empty'),
        (b'{"text":" \\n\\t\\u00a0"}', '"text" is empty'),
        (b'{"text":"' + b"x" * 5001 + b'"}', '"text" has 5001 characters; at most 5000 fit'),
        (b"\x00\xff", "the data is not JSON"),
        (b'{"text":"\\ud800"}', "the data is not JSON"),
        (b'{"text":"hi"', "the data is not JSON"),
    ],
)
def test_what_is_no_chat_message(data, text) -> None:
    """Each is refused with the reason."""
    with pytest.raises(Refuse) as caught:
        read(data, takes_any=False)
    assert caught.value.message.startswith(text)
    assert (caught.value.code, caught.value.temporary) == (400, False)


def test_the_longest_text_fits() -> None:
    """5000 characters, whatever their number of bytes."""
    data = json.dumps({"text": "ж" * 5000}).encode()
    assert len(read(data, takes_any=False).text) == 5000


@pytest.mark.parametrize(
    "data", [b"null", b"[1,2]", b'"x"', b"12345678901234567890", b"true", b" [ ] ", b"1e999"]
)
def test_any_takes_values_that_are_no_objects(data) -> None:
    """They have no fields, and no text."""
    payload = read(data, takes_any=True)
    assert (payload.raw, payload.text, payload.fields) == (data.decode(), "", None)


@pytest.mark.parametrize(
    ("data", "text"), [(b"{}", ""), (b'{"text":"hi"}', "hi"), (b'{"text":[1]}', "")]
)
def test_any_takes_objects(data, text) -> None:
    """Their text is taken where there is one."""
    assert read(data, takes_any=True).text == text


@pytest.mark.parametrize(
    "data", [b"", b"nul", b"[1,]", b"{]", b"\xff", b"01", b'{"a":NaN}', b"[" * 50_000]
)
def test_any_takes_json_only(data) -> None:
    """What is not JSON is refused, also by the rule that takes everything."""
    with pytest.raises(Refuse):
        read(data, takes_any=True)


def test_subscribers_see_the_clients_fields_and_ours() -> None:
    """The client's values keep their bytes."""
    assert seen(b'{"text":"\\u003cb\\u003e","n":12345678901234567890,"f":1.0,"d":{"z":[ 1 ]}}') == (
        b'{"text":"\\u003cb\\u003e","n":12345678901234567890,"f":1.0,"d":{"z":[ 1 ]},'
        b'"id":"our-id","user":{"id":"56","name":"Ann"},"timestamp":"2026-01-31T12:00:00.000Z"}'
    )


def test_the_clients_own_id_has_a_name_of_its_own() -> None:
    """It is carried as it was written."""
    body = json.loads(seen(b'{"id":"m1","text":"x"}', id_field="id"))
    assert (body["id"], body["clientMessageId"]) == ("our-id", "m1")


@pytest.mark.parametrize(
    "data",
    [
        b'{"user":{"id":"1","name":"Admin"}}',
        b'{"user":1,"user":{"id":"1"}}',
        b'{"\\u0075ser":{"id":"1"}}',
        b'{"timestamp":"1970","\\u0074imestamp":"1971"}',
        b'{"id":"x","id":"y","\\u0069d":"z"}',
        b'{"clientMessageId":"theirs"}',
        b'{"client\\u004dessageId":"theirs","clientMessageId":null}',
    ],
)
def test_nobody_can_set_our_fields(data) -> None:
    """Also not twice, nor with escapes in the name."""
    body = seen(data)
    assert json.loads(body) == {
        "id": "our-id",
        "user": {"id": "56", "name": "Ann"},
        "timestamp": "2026-01-31T12:00:00.000Z",
    }
    pairs = json.loads(body, object_pairs_hook=list)
    assert len(pairs) == len({name for name, _ in pairs})


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=4)
    ),
    max_leaves=12,
)
field_names = st.sampled_from([*OUR_FIELDS, "text", "a"]) | st.text(
    st.characters(exclude_categories=["Cs"]), max_size=8
)


@st.composite
def object_texts(draw):
    """JSON objects in which names may be repeated and escaped, with or without white space."""
    pairs = draw(st.lists(st.tuples(field_names, json_values), max_size=8))
    space = draw(st.sampled_from(["", " ", "\n\t"]))

    def name_text(name: str) -> str:
        if draw(st.booleans()):
            return json.dumps(name)
        return '"' + "".join(f"\\u{ord(c):04x}" if ord(c) < 0x10000 else c for c in name) + '"'

    inside = f"{space},{space}".join(
        f"{name_text(name)}{space}:{space}{json.dumps(value, ensure_ascii=draw(st.booleans()))}"
        for name, value in pairs
    )
    return ("{" + space + inside + space + "}").encode(), dict(pairs)


@untimed
@given(text_and_value=object_texts())
def test_splicing_changes_our_fields_and_nothing_else(text_and_value) -> None:
    """For any object: ours are ours, once each, and every other field is what it was."""
    data, value = text_and_value
    body = json.loads(seen(data), object_pairs_hook=list)
    names = [name for name, _ in body]
    assert len(names) == len(set(names))
    got = json.loads(seen(data))
    assert got["id"] == "our-id"
    assert got["user"] == {"id": "56", "name": "Ann"}
    assert got["timestamp"] == MESSAGE.timestamp
    assert "clientMessageId" not in got
    for name in OUR_FIELDS:
        got.pop(name, None)
        value.pop(name, None)
    assert got == value


@untimed
@given(data=st.binary(max_size=80))
def test_bytes_of_any_kind_are_taken_or_refused(data) -> None:
    """Nothing but Refuse is raised, and what is taken is JSON."""
    for takes_any in (True, False):
        try:
            payload = read(data, takes_any=takes_any)
        except Refuse:
            continue
        json.loads(payload.raw)


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b'{"text":"x"}', None),
        (b'{"text":"x","id":null}', None),
        (b'{"text":"x","id":"m1"}', b'"m1"'),
        (b'{"text":"x","id":"' + b"x" * 64 + b'"}', b'"' + b"x" * 64 + b'"'),
        (b'{"text":"x","id":0}', b"0"),
        (b'{"text":"x","id":-5}', b"-5"),
        (b'{"text":"x","id":123456789012345678901234567890}', b"123456789012345678901234567890"),
    ],
)
def test_ids_of_clients(data, found) -> None:
    """Strings of up to 64 characters and integers of any size are ids; null is none."""
    assert id_of(data) == found
    assert id_of(data, takes_any=True) == found
    assert read(data, id_field="").client_message_id is None


@pytest.mark.parametrize(
    "message_id", [b'""', b'"' + b"x" * 65 + b'"', b"1.5", b"true", b'{"a":1}', b'["a"]']
)
def test_what_cannot_be_an_id(message_id) -> None:
    """A chat client hears of it; elsewhere a field `id` may be something else."""
    data = b'{"text":"x","id":' + message_id + b"}"
    with pytest.raises(Refuse, match='"id" must be an integer or a string'):
        id_of(data)
    assert id_of(data, takes_any=True) is None


def test_no_field_of_the_id_is_not_the_field_without_a_name() -> None:
    """An empty setting looks for no id, also where the client has a field of that name."""
    data = b'{"text":"x","":"m1"}'
    assert read(data, id_field="").client_message_id is None
    assert read(data, id_field="", takes_any=True).client_message_id is None


def test_keys_do_not_run_together() -> None:
    """No two combinations of user, channel and id share a key."""
    combinations = [
        ("1", "C", "2", b'"3"'),
        ("1", "C", "23", b'""'),
        ("12", "C", "", b'"3"'),
        ('1","2', "C", "x", b'"3"'),
        ("1", "C", '2","3', b'"x"'),
        ("1", "C", "2", b"3"),
        ("", "C", "2", b'"3"'),
        ("", "D", "2", b'"3"'),
        ("C", "", "2", b'"3"'),
    ]
    keys = [key_of(*combination) for combination in combinations]
    assert len(set(keys)) == len(keys)


def test_one_id_written_in_two_ways_is_one_id() -> None:
    """What counts is the value."""
    assert key_of("1", "C", "c", b'"a"') == key_of("1", "D", "c", b'"\\u0061"')


@untimed
@given(
    one=st.tuples(st.text(), st.text(), st.text(), st.text(min_size=1)),
    two=st.tuples(st.text(), st.text(), st.text(), st.text(min_size=1)),
)
def test_different_messages_have_different_keys(one, two) -> None:
    """For any texts, unless user (or anonymous connection), channel and id are the same."""

    def scope(parts):
        user, client, channel, message_id = parts
        return (user, None if user else client, channel, message_id)

    def key(parts):
        return key_of(*parts[:3], json.dumps(parts[3]).encode())

    try:
        keys = key(one), key(two)
    except (UnicodeEncodeError, msgspec.DecodeError):  # a lone surrogate never gets this far
        return
    assert (keys[0] == keys[1]) is (scope(one) == scope(two))


def test_a_hook_replaces_the_data_and_not_the_id() -> None:
    """The resend of what the client sent is recognised, whatever was made of it."""
    payload = read(b'{"text":"x","id":"m1"}')
    replaced = replaced_payload(payload, {"text": "y", "id": "other"})
    assert (replaced.raw, replaced.text) == ('{"text":"y","id":"other"}', "y")
    assert replaced.client_message_id == payload.client_message_id
    assert replaced_payload(payload, 5).fields is None
