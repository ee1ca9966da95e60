"""Commands are read from any bytes without anything but ValueError coming out."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_message.gateway.commands import Command, decode_commands


@given(st.binary(max_size=200))
def test_any_bytes_are_commands_or_a_value_error(frame):
    """Nothing else can come out, whatever a client sends."""
    try:
        for command in decode_commands(frame):
            assert isinstance(command, Command)
    except ValueError:
        pass


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)
METHODS = tuple(name for name in Command.__struct_fields__ if name != "id")


@given(st.sampled_from(METHODS), st.integers(min_value=-5, max_value=5), json_values)
def test_any_json_for_a_method_is_a_command_or_a_value_error(method, command_id, value):
    """Also when it is nearly right."""
    frame = msgspec.json.encode({"id": command_id, method: value})
    try:
        (command,) = decode_commands(frame)
    except ValueError:
        return
    assert command.id == command_id


@given(json_values)
def test_data_keeps_its_bytes(value):
    """A payload is a slice of the frame, not decoded and encoded again."""
    data = msgspec.json.format(msgspec.json.encode(value), indent=3).replace(b"\n", b" ")
    frame = b'{"id":1,"publish":{"channel":"c","data":' + data + b"}}"
    (command,) = decode_commands(frame)
    assert bytes(command.publish.data) == data.strip()


def test_commands_before_a_bad_line_are_yielded():
    """They are executed before the connection ends."""
    commands = decode_commands(b'{"id":1,"rpc":{}}\n\n{"id":2,"rpc":{}}')
    assert next(commands).id == 1
    with pytest.raises(ValueError, match=r"Expecting value"):
        next(commands)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (rb'"\ud83d\ude00"', rb'"\ud83d\ude00"'),
        (rb'"a\ud83d"', rb'"a\ufffd"'),
        (rb'"\ude00\ud83d\ude00"', rb'"\ufffd\ud83d\ude00"'),
        (rb'"\\ud83d"', rb'"\\ud83d"'),
        (rb'"\\\ud83d\n"', rb'"\\\ufffd\n"'),
    ],
)
def test_half_a_surrogate_pair_is_replaced(data, expected):
    """A text cut inside an emoji does not end the connection."""
    frame = b'{"id":1,"publish":{"channel":"c","data":' + data + b"}}"
    (command,) = decode_commands(frame)
    assert bytes(command.publish.data) == expected


def test_frame_must_be_utf8():
    """Otherwise it would break the WebSockets of those who receive it."""
    with pytest.raises(ValueError, match="utf-8"):
        list(decode_commands(b'{"id":1,"publish":{"channel":"c","data":"\xff"}}'))


def test_nesting_has_an_end():
    """A frame of brackets is a bad request, not a crash."""
    data = b"[" * 30_000 + b"]" * 30_000
    with pytest.raises(ValueError, match="nested too deeply"):
        list(decode_commands(b'{"id":1,"publish":{"channel":"c","data":' + data + b"}}"))
