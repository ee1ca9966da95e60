"""Calls to Centrifugo's server API, against a server that answers as it does."""

from typing import Any

import pytest

from realtime_message.errors import ServerApiError
from realtime_message.worker import server_api
from realtime_message.worker.server_api import ServerApi
from support.api_server import Answer, ApiServer


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_api, "backoff_delays", lambda _initial: iter([0.0] * 100))


async def _publish(answer: Answer, **changes: Any) -> ApiServer:
    async with ApiServer(answer) as server:
        api = ServerApi(changes.get("url", server.url), "the-key")
        try:
            await api.publish("news", {"n": 1}, idempotency_key="k1")
        finally:
            await api.close()
    return server


async def test_publish_sends_key_data_and_idempotency_key() -> None:
    """The request is the one that Centrifugo documents."""
    server = await _publish(lambda _method, _body: (200, {"result": {"offset": 1}}))
    ((method, body, headers),) = server.calls
    assert method == "publish"
    assert body == {"channel": "news", "data": {"n": 1}, "idempotency_key": "k1"}
    assert headers["x-api-key"] == "the-key"
    assert headers["content-type"] == "application/json"


async def test_more_headers_are_asked_for_at_each_call() -> None:
    """So a trace goes on with the calls that its handler makes, and with no others."""
    given: list[dict[str, str]] = [{"traceparent": "one"}, {}]
    async with ApiServer() as server:
        api = ServerApi(server.url, "the-key", more_headers=lambda: given.pop(0))
        await api.publish("news", 1, idempotency_key="k1")
        await api.publish("news", 2, idempotency_key="k2")
        await api.close()
    assert [headers.get("traceparent") for _, _, headers in server.calls] == ["one", None]
    assert all(headers["x-api-key"] == "the-key" for _, _, headers in server.calls)


@pytest.mark.parametrize("known", ["new", "old"])
async def test_previous_key_is_offered_where_the_new_one_is_refused(known: str) -> None:
    """While keys are changed, some instances know the one and some the other."""
    async with ApiServer() as server:
        server.answer = lambda _method, _body: (
            (200, {"result": {}}) if server.calls[-1][2]["x-api-key"] == known else (401, {})
        )
        api = ServerApi(server.url, "new", "old")
        await api.publish("news", 1, idempotency_key="k")
        await api.close()
    assert [headers["x-api-key"] for _, _, headers in server.calls] == ["new", "old"][
        : 1 + (known == "old")
    ]


async def test_two_keys_that_are_refused_are_offered_again() -> None:
    """Behind a balancer each may have met the instance that knows the other one."""
    async with ApiServer() as server:
        server.answer = lambda _method, _body: (200 if len(server.calls) > 2 else 401, {})
        api = ServerApi(server.url, "new", "old")
        await api.publish("news", 1, idempotency_key="k")
        server.answer = lambda _method, _body: (401, {})
        with pytest.raises(ServerApiError, match="refused both keys"):
            await api.publish("news", 1, idempotency_key="k")
        await api.close()


async def test_disconnect_names_user_code_and_reason() -> None:
    """The disconnect object is Centrifugo's."""
    async with ApiServer() as server:
        api = ServerApi(server.url, "k")
        await api.disconnect("42", code=4500, reason="banned")
        await api.close()
    assert server.calls[0][:2] == (
        "disconnect",
        {"user": "42", "disconnect": {"code": 4500, "reason": "banned"}},
    )


async def test_broadcast_names_the_channel_that_was_refused() -> None:
    """One refused channel among several is an error that says which."""
    reply = {
        "result": {"responses": [{"result": {}}, {"error": {"code": 102, "message": "unknown"}}]}
    }
    async with ApiServer(lambda _method, _body: (200, reply)) as server:
        api = ServerApi(server.url, "k")
        with pytest.raises(ServerApiError, match=r"the channel b: unknown \(code 102\)"):
            await api.broadcast(["a", "b"], 1, idempotency_key="k")
        await api.close()


@pytest.mark.parametrize(
    "failure", [(503, b""), (429, b""), (200, {"error": {"code": 100, "message": "internal"}})]
)
async def test_temporary_failure_is_repeated_with_the_same_key(failure: tuple[int, Any]) -> None:
    """A call that may succeed later is made again, and the key keeps it from doing twice."""
    answers = iter([failure, failure, (200, {"result": {}})])
    server = await _publish(lambda _method, _body: next(answers))
    assert [body["idempotency_key"] for _, body, _ in server.calls] == ["k1"] * 3


async def test_gives_up_after_some_attempts() -> None:
    """The error says where it tried and what came back."""
    with pytest.raises(ServerApiError, match=r"did not do publish in 5 attempts: status 503"):
        await _publish(lambda _method, _body: (503, b""))


async def test_unreachable_server_is_named() -> None:
    """Nobody listens there."""
    with pytest.raises(ServerApiError, match=r"127.0.0.1:1/api .* gateway.api_url"):
        await _publish(lambda _method, _body: (200, {}), url="http://127.0.0.1:1/api")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((401, b""), "refused the key: set gateway.api_key"),
        ((200, {"error": {"code": 107, "message": "bad request"}}), "bad request .code 107."),
        ((404, b"404 page not found"), "gateway.api_url must end with its path"),
        ((200, b"<html>"), "answered with status 200 and not as Centrifugo"),
    ],
)
async def test_refusals_are_not_repeated(answer: tuple[int, Any], said: str) -> None:
    """What cannot succeed is said at once, with what to do."""
    calls = []

    def refuse(method: str, _body: dict[str, Any]) -> tuple[int, Any]:
        calls.append(method)
        return answer

    with pytest.raises(ServerApiError, match=said):
        await _publish(refuse)
    assert len(calls) == 1


async def test_data_that_is_no_json_is_refused_before_it_is_sent() -> None:
    """The handler's mistake is named."""
    api = ServerApi("http://127.0.0.1:1/api", "k")
    with pytest.raises(ServerApiError, match="cannot be written as JSON"):
        await api.publish("a", object(), idempotency_key="k")
