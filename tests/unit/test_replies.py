"""Replies are what Centrifugo understands: nothing is null, nothing has another type."""

import json

import msgspec
import pytest

from realtime_message.centrifugo.replies import (
    Code,
    ConnectReply,
    Override,
    PublishReply,
    SubscribeReply,
    SubscriptionOptions,
    encode_code,
    encode_error,
    encode_publish_result,
    encode_result,
    encode_signal,
)
from realtime_message.errors import Disconnect, Refuse


def result(reply) -> dict:
    body = json.loads(encode_result(reply))
    assert list(body) == ["result"]
    return body["result"]


@pytest.mark.parametrize("code", Code)
def test_every_code_is_in_the_custom_range(code) -> None:
    """Error codes of a backend are 400 to 1999."""
    assert 400 <= code <= 1999


@pytest.mark.parametrize("code", Code)
def test_temporary_is_said_only_where_it_is_so(code) -> None:
    """What may be tried again says so; the rest leaves the field out."""
    error = json.loads(encode_code(code, "why"))["error"]
    assert error["code"] == code.value
    assert error.get("temporary", False) is code.is_temporary
    assert code.is_temporary == (code.value in {429, 500, 503, 504, 507})


def test_an_error_has_centrifugos_three_fields() -> None:
    """The form that Centrifugo passes on to the client."""
    assert encode_error(403, "no", temporary=False) == b'{"error":{"code":403,"message":"no"}}'
    assert encode_error(503, "busy", temporary=True) == (
        b'{"error":{"code":503,"message":"busy","temporary":true}}'
    )


def test_signals_of_hooks() -> None:
    """Refuse is an error, Disconnect a disconnect."""
    assert json.loads(encode_signal(Refuse(1000, "later", temporary=True))) == {
        "error": {"code": 1000, "message": "later", "temporary": True}
    }
    assert json.loads(encode_signal(Disconnect(4501, "unauthorized"))) == {
        "disconnect": {"code": 4501, "reason": "unauthorized"}
    }


def test_empty_replies_are_results() -> None:
    """Permission is always spelled out; a connect reply names even the anonymous user."""
    assert encode_result(SubscribeReply()) == b'{"result":{}}'
    assert encode_result(PublishReply()) == b'{"result":{}}'
    assert encode_publish_result(PublishReply()) == b'{"result":{}}'
    assert encode_result(ConnectReply()) == b'{"result":{"user":""}}'


def test_nothing_is_null() -> None:
    """None in a field that would be broadcast as null is left out."""
    reply = ConnectReply(user="1", info=None, data=None)
    assert result(reply) == {"user": "1"}
    assert result(SubscribeReply(info=None, data=None, override=None)) == {}
    assert result(PublishReply(data=None)) == {}


def test_values_that_are_empty_but_said_are_kept() -> None:
    """An empty object, 0, false and an empty text are data."""
    for value in ({}, [], 0, False, ""):
        assert result(PublishReply(data=value)) == {"data": value}


def test_a_full_connect_reply() -> None:
    """Every field arrives in Centrifugo's form."""
    reply = ConnectReply(
        user="56",
        expire_at=1893456000,
        info={"n": "A"},
        data={"motd": "hi"},
        channels=["news"],
        subs={
            "room:1": SubscriptionOptions(
                data={}, override=Override(presence=True, join_leave=False)
            )
        },
        meta={"tenant": "t1"},
    )
    assert result(reply) == {
        "user": "56",
        "expire_at": 1893456000,
        "info": {"n": "A"},
        "data": {"motd": "hi"},
        "channels": ["news"],
        "subs": {
            "room:1": {
                "data": {},
                "override": {"presence": {"value": True}, "join_leave": {"value": False}},
            }
        },
        "meta": {"tenant": "t1"},
    }


def test_options_may_be_written_as_a_dict() -> None:
    """A dict in the place of options means the same."""
    reply = ConnectReply(subs={"room:1": {"data": 1, "override": {"presence": True}}})
    assert result(reply)["subs"] == {
        "room:1": {"data": 1, "override": {"presence": {"value": True}}}
    }


def test_a_publish_reply_with_data_and_key() -> None:
    """Data that the service made goes out beside what the hook said."""
    body = encode_publish_result(
        PublishReply(data="dropped", skip_history=True, tags={"k": "v"}),
        {"n": msgspec.Raw(b"12345678901234567890")},
        idempotency_key="m1",
    )
    assert body == (
        b'{"result":{"data":{"n":12345678901234567890},"skip_history":true,"tags":{"k":"v"},'
        b'"idempotency_key":"m1"}}'
    )


@pytest.mark.parametrize(
    "reply",
    [
        ConnectReply(user=56),
        ConnectReply(user="56", expire_at=1893456000.5),
        ConnectReply(channels="news"),
        ConnectReply(meta=["x"]),
        ConnectReply(subs={"a": {"override": True}}),
        ConnectReply(subs={"a": None}),
        SubscribeReply(override=True),
        SubscribeReply(override=Override(presence="yes")),
        PublishReply(skip_history="yes"),
        PublishReply(tags={"a": 1}),
    ],
    ids=repr,
)
def test_a_wrong_type_is_found_here_not_by_centrifugo(reply) -> None:
    """Centrifugo would throw the whole reply away."""
    with pytest.raises(TypeError, match=r"Reply|Override|Options"):
        encode_result(reply)
