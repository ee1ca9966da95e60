"""One published message: stored, answered, and refused where it must be."""

import asyncio
import json
import threading
import uuid
from collections.abc import Awaitable

import pytest
from structlog.testing import capture_logs

from realtime_message import App, Disconnect, PublishEvent, PublishReply, Refuse
from realtime_message.centrifugo.events import EventKind
from realtime_message.errors import (
    StreamsFullError,
    StreamsRefusedError,
    StreamsUnavailableError,
)
from realtime_message.partitions import partition_of
from realtime_message.settings import CallbackSettings, ChannelRule
from realtime_message.testing.memory.appender import MemoryAppender
from support.proxy_bodies import PUBLISH, Caller, publish_body

ANY = ChannelRule(pattern="*", publish="anyone", payload="any")


@pytest.fixture
def appender() -> MemoryAppender:
    return MemoryAppender()


@pytest.fixture
def app() -> App:
    return App()


@pytest.fixture
def make_caller(app, appender, event_handlers):
    """A function that returns a caller for some settings."""

    def make(*rules: ChannelRule, deadline_seconds: float = 5.0, **settings) -> Caller:
        chosen = CallbackSettings(channels=list(rules), **settings)
        handler = event_handlers(app, chosen, appender)[EventKind.publish]
        return Caller(handler, EventKind.publish, deadline_seconds=deadline_seconds)

    return make


async def test_a_message_is_stored_and_answered(make_caller, appender) -> None:
    """The stored fields are the wire format's; subscribers see data, id, user and time."""
    body = publish_body({"text": "hello", "n": 5}, meta={"name": "Ann"})
    reply = await make_caller().call(body)
    (message,) = appender.messages
    assert appender.entries[0][0] == partition_of("chat:index", 8) == message.partition_id
    assert uuid.UUID(message.id).version == 4
    assert json.loads(appender.entries[0][1]) == {
        "id": message.id,
        "channel": "chat:index",
        "partitionId": partition_of("chat:index", 8),
        "userId": "56",
        "userName": "Ann",
        "text": "hello",
        "timestamp": message.timestamp,
        "raw": '{"text": "hello", "n": 5}',
        "clientId": "C2",
    }
    assert reply == {
        "result": {
            "data": {
                "text": "hello",
                "n": 5,
                "id": message.id,
                "user": {"id": "56", "name": "Ann"},
                "timestamp": message.timestamp,
            }
        }
    }


async def test_a_body_as_centrifugo_sends_it(make_caller, appender) -> None:
    """The observed publish event, where any payload is taken."""
    caller = make_caller(ANY)
    reply = await caller.call(PUBLISH)
    (message,) = appender.messages
    assert (message.raw, message.text, message.user_name) == ('{"a":1}', "", "56")
    assert reply["result"]["data"]["a"] == 1
    assert caller.outcomes == {"received": 1, "appended": 1}


@pytest.mark.parametrize("name", [None, "", 5, ["Ann"], {"a": 1}])
async def test_without_a_name_the_user_id_is_the_name(make_caller, appender, name) -> None:
    """Only a non-empty string in meta is a name."""
    await make_caller().call(publish_body(meta={"name": name}))
    assert appender.messages[0].user_name == "56"


async def test_data_in_base64(make_caller, appender) -> None:
    """binary_encoding changes the way the data comes, not what is stored."""
    body = (
        b'{"client":"C","encoding":"binary","user":"1","channel":"c",'
        b'"b64data":"eyJ0ZXh0IjoiaGkifQ=="}'
    )
    reply = await make_caller().call(body)
    assert appender.messages[0].raw == '{"text":"hi"}'
    assert reply["result"]["data"]["text"] == "hi"


@pytest.mark.parametrize("data", [b"null", b"[1,2]", b'"text"', b"12345678901234567890"])
async def test_what_is_no_object_is_broadcast_unchanged(make_caller, appender, data) -> None:
    """There is no place for our fields, and no null is invented."""
    assert await make_caller(ANY).call(publish_body(data)) == {"result": {}}
    assert appender.messages[0].raw == data.decode()


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", 400),
        (b"not json", 400),
        (b"{}", 400),
        (publish_body({"text": " "}), 400),
        (publish_body({"text": "x" * 5001}), 400),
        (publish_body(b'"hello"'), 400),
        (publish_body({"text": "x", "id": [1]}), 400),
        (publish_body(channel=""), 414),
        (publish_body(channel="x" * 10_000), 414),
        (publish_body(channel="a\nb"), 414),
        (publish_body(user=""), 403),
        (publish_body(channel="$private"), 403),
        (publish_body(channel="dm#1,2"), 403),
    ],
)
async def test_what_may_not_be_published(make_caller, appender, body, code) -> None:
    """Each is a permanent error with a text, nothing is stored, and it is counted as rejected."""
    caller = make_caller()
    error = (await caller.call(body))["error"]
    assert error["code"] == code
    assert error["message"]
    assert "temporary" not in error
    assert appender.entries == []
    assert caller.outcomes == {"received": 1, "rejected": 1}


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (StreamsUnavailableError("gone"), 503),
        (StreamsRefusedError("READONLY"), 503),
        (StreamsFullError("OOM"), 507),
        (RuntimeError("a bug"), 500),
    ],
)
async def test_what_is_not_stored_is_a_temporary_error(
    make_caller, appender, failure, code
) -> None:
    """Never a 200 without an error: Centrifugo would broadcast it."""
    appender.failure = failure
    caller = make_caller()
    with capture_logs():
        error = (await caller.call(publish_body()))["error"]
    assert (error["code"], error["temporary"]) == (code, True)
    assert caller.outcomes == {"received": 1, "failed": 1}


async def test_no_confirmation_within_the_deadline(make_caller, appender) -> None:
    """The client hears of it in time, and the late confirmation changes nothing for it."""
    appender.is_holding = True
    caller = make_caller(deadline_seconds=0.05)
    error = (await caller.call(publish_body()))["error"]
    assert (error["code"], error["temporary"]) == (504, True)
    appender.release()
    assert caller.outcomes == {"received": 1, "failed": 1}
    assert len(appender.entries) == 1


async def test_the_durability_is_the_channels(make_caller, appender) -> None:
    """Each message is appended as durably as the rule of its channel says."""
    caller = make_caller(
        ChannelRule(pattern="*"), ChannelRule(pattern="bank:*", durability="fsynced")
    )
    for channel in ("chat:1", "bank:1", "chat:1"):
        assert "result" in await caller.call(publish_body(channel=channel))
    assert appender.durabilities == ["default", "fsynced", "default"]


async def test_a_resend_is_stored_once_and_answered_alike(make_caller, appender) -> None:
    """The same id of the same user in the same channel is one message."""
    caller = make_caller()
    body = publish_body({"text": "hello", "id": "m1"})
    first, second = await caller.call(body), await caller.call(body)
    assert first == second
    assert len(appender.entries) == 1
    data = first["result"]["data"]
    assert data["clientMessageId"] == "m1"
    assert data["id"] == first["result"]["idempotency_key"] == appender.messages[0].id
    assert caller.outcomes == {"received": 2, "appended": 1, "duplicate": 1}


async def test_ids_of_others_are_other_messages(make_caller, appender) -> None:
    """Another user, channel, type of id, or anonymous connection is not a resend."""
    caller = make_caller(ChannelRule(pattern="*", publish="anyone"))
    for fields in (
        {},
        {"user": "57"},
        {"channel": "chat:other"},
        {"user": "", "client": "A1"},
        {"user": "", "client": "A2"},
    ):
        await caller.call(publish_body({"text": "x", "id": 1}, **fields))
    await caller.call(publish_body({"text": "x", "id": "1"}))
    assert len(appender.entries) == 6
    await caller.call(publish_body({"text": "x", "id": 1}, client="reconnected"))
    await caller.call(publish_body({"text": "x", "id": 1}, user="", client="A2"))
    assert len(appender.entries) == 6


async def test_without_an_id_nothing_is_a_resend(make_caller, appender) -> None:
    """Equal messages are two messages, and Centrifugo keeps no key for them."""
    caller = make_caller()
    for data in ({"text": "x"}, {"text": "x"}, {"text": "x", "id": None}):
        reply = await caller.call(publish_body(data))
        assert "idempotency_key" not in reply["result"]
        assert "clientMessageId" not in reply["result"]["data"]
    assert len(appender.entries) == 3


async def test_the_field_of_the_clients_id_is_a_setting(make_caller, appender) -> None:
    """Another field, or none."""
    caller = make_caller(dedup_field="key")
    reply = await caller.call(publish_body({"text": "x", "id": "theirs", "key": "k1"}))
    await caller.call(publish_body({"text": "x", "id": "other", "key": "k1"}))
    assert len(appender.entries) == 1
    assert reply["result"]["data"]["clientMessageId"] == "k1"
    assert reply["result"]["data"]["key"] == "k1"
    off = make_caller(dedup_field="")
    await off.call(publish_body({"text": "x", "id": "m1"}))
    await off.call(publish_body({"text": "x", "id": "m1"}))
    assert len(appender.entries) == 3


@pytest.mark.parametrize("is_async", [True, False])
async def test_the_hook_is_asked(make_caller, app, appender, is_async) -> None:
    """It gets the typed event, in the loop or in a thread; None permits."""
    events = []

    def look(event: PublishEvent) -> None:
        events.append((event.user, event.channel, event.data, threading.current_thread().name))

    async def look_async(event: PublishEvent) -> None:
        look(event)

    app.on_publish("chat:*")(look_async if is_async else look)
    caller = make_caller()
    await caller.call(publish_body({"text": "x"}))
    await caller.call(publish_body({"text": "x"}, channel="other"))
    ((user, channel, data, thread),) = events
    assert (user, channel, data) == ("56", "chat:index", {"text": "x"})
    assert thread.startswith("hook") is not is_async
    assert len(appender.entries) == 2


async def test_a_coroutine_function_behind_an_ordinary_one_is_awaited(
    make_caller, app, appender
) -> None:
    """What it says counts: a decorator must not let everything pass."""

    async def refuse(event: PublishEvent) -> None:
        raise Refuse(1234, f"not {event.channel}")

    def ask(event: PublishEvent) -> Awaitable[None]:
        return refuse(event)

    app.on_publish()(ask)
    reply = await make_caller().call(publish_body({"text": "x"}))
    assert reply["error"]["code"] == 1234
    assert not appender.entries


async def test_the_hook_rewrites(make_caller, app, appender) -> None:
    """What it returns is stored and broadcast, still with our fields."""

    @app.on_publish()
    async def censor(event: PublishEvent) -> PublishReply:
        return PublishReply(data={"text": "***", "user": "forged"}, tags={"k": "v"})

    reply = await make_caller().call(publish_body({"text": "bad", "id": "m1"}))
    (message,) = appender.messages
    assert (message.text, message.raw) == ("***", '{"text":"***","user":"forged"}')
    result = reply["result"]
    assert result["data"]["text"] == "***"
    assert result["data"]["user"] == {"id": "56", "name": "56"}
    assert result["data"]["clientMessageId"] == "m1"
    assert result["tags"] == {"k": "v"}


async def test_the_hook_rewrites_into_no_object(make_caller, app, appender) -> None:
    """Then there is no place for our fields, and its value goes out as it is."""

    @app.on_publish()
    async def count(event: PublishEvent) -> PublishReply:
        return PublishReply(data=[1, 2])

    reply = await make_caller().call(publish_body({"text": "x"}))
    assert reply == {"result": {"data": [1, 2]}}
    assert appender.messages[0].raw == "[1,2]"


async def test_the_hook_refuses(make_caller, app, appender) -> None:
    """Its signals become what the client sees, and nothing is stored."""

    @app.on_publish("refused")
    async def refuse(event: PublishEvent) -> None:
        raise Refuse(1001, "too rude")

    @app.on_publish("closed")
    def close(event: PublishEvent) -> None:
        raise Disconnect(4501, "unauthorized")

    caller = make_caller()
    assert await caller.call(publish_body(channel="refused")) == {
        "error": {"code": 1001, "message": "too rude"}
    }
    assert await caller.call(publish_body(channel="closed")) == {
        "disconnect": {"code": 4501, "reason": "unauthorized"}
    }
    assert appender.entries == []
    assert caller.outcomes == {"received": 2, "rejected": 2}


@pytest.mark.parametrize("fault", ["raises", "wrong type", "wrong field", "not JSON"])
async def test_a_broken_hook_is_a_temporary_error_and_a_log_line(
    make_caller, app, appender, fault
) -> None:
    """The client gets the request's id; the log has it, with the hook's name and no payload."""

    @app.on_publish()
    async def broken(event: PublishEvent) -> object:
        if fault == "raises":
            raise KeyError("boom")
        if fault == "wrong type":
            return {"data": 1}
        if fault == "wrong field":
            return PublishReply(tags="x")
        return PublishReply(data=object())

    caller = make_caller()
    with capture_logs() as logs:
        error = (await caller.call(publish_body({"text": "secret words"})))["error"]
    assert (error["code"], error["temporary"]) == (500, True)
    (line,) = logs
    assert line["event"] == "hook.failed"
    assert line["request_id"] in error["message"]
    assert line["hook"].endswith("broken")
    assert line["client"] == "C2"
    assert "secret words" not in str(line)
    assert appender.entries == []
    assert caller.outcomes == {"received": 1, "failed": 1}


async def test_a_hook_that_keeps_failing_fills_no_log(make_caller, app) -> None:
    """Clients send again: each failure is a line, only the first has its traceback."""

    @app.on_publish()
    async def broken(event: PublishEvent) -> None:
        raise ValueError("boom")

    caller = make_caller()
    with capture_logs() as logs:
        for _ in range(3):
            await caller.call(publish_body())
    assert ["exc_info" in line for line in logs] == [True, False, False]


class PanicError(BaseException):
    """No Exception, as what extensions in Rust raise when they panic."""


@pytest.mark.parametrize("error", [SystemExit(1), PanicError(), asyncio.CancelledError()])
@pytest.mark.parametrize("is_async", [True, False])
async def test_whatever_a_hook_raises_is_an_answer(
    make_caller, app, appender, is_async, error
) -> None:
    """It does not end the service, and the client need not wait for the deadline."""

    def broken(event: PublishEvent) -> None:
        raise error

    async def broken_async(event: PublishEvent) -> None:
        broken(event)

    app.on_publish()(broken_async if is_async else broken)
    with capture_logs() as logs:
        error = (await make_caller().call(publish_body()))["error"]
        await asyncio.sleep(0)
    assert (error["code"], error["temporary"]) == (500, True)
    assert [line["event"] for line in logs] == ["hook.failed"]
    assert appender.entries == []


@pytest.mark.parametrize("is_async", [True, False])
async def test_a_hook_that_takes_too_long(make_caller, app, appender, is_async) -> None:
    """The client is told within the deadline; what the hook says afterwards is too late."""
    go_on = threading.Event()

    async def slow_async(event: PublishEvent) -> None:
        await asyncio.Event().wait()

    def slow(event: PublishEvent) -> None:
        go_on.wait(10)

    app.on_publish()(slow_async if is_async else slow)
    caller = make_caller(deadline_seconds=0.05)
    with capture_logs() as logs:
        error = (await caller.call(publish_body()))["error"]
        go_on.set()
        await asyncio.sleep(0)  # the cancelled task ends
    assert (error["code"], error["temporary"]) == (504, True)
    assert [line["event"] for line in logs] == ["hook.timed_out"]
    assert appender.entries == []
