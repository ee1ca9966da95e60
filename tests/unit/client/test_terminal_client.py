"""The terminal's client: what it does when the gateway refuses, goes away and comes back."""

import asyncio
import contextlib
from typing import Any

import pytest

from realtime_message.client.connection import (
    CommandRefusedError,
    GatewayClosedError,
    GatewayConnection,
    GatewayUnreachableError,
    open_connection,
)
from realtime_message.client.publisher import Publisher
from realtime_message.client.subscriber import Notice, Publication, Subscriber
from support.fake_gateway import FakeGateway, fake_gateway, reply_to
from support.ports import free_port

Command = dict[str, Any]


async def _accept(_: FakeGateway, command: Command) -> list[Command]:
    return [] if command == {} else [reply_to(command)]


def _refusing(method: str, *errors: dict[str, Any]) -> Any:
    """Return an answer that refuses a method with these errors, then accepts."""
    left = list(errors)

    async def answer(gateway: FakeGateway, command: Command) -> list[Command]:
        if method in command and left:
            return [{"id": command["id"], "error": left.pop(0)}]
        return await _accept(gateway, command)

    return answer


def _closing(code: int, reason: str, *, times: int = 1_000_000) -> Any:
    """Return an answer that closes at each connect, so many times."""
    left = [times]

    async def answer(gateway: FakeGateway, command: Command) -> list[Command]:
        if "connect" in command and left[0]:
            left[0] -= 1
            await gateway.connections[-1].close(code, reason)
            return []
        return await _accept(gateway, command)

    return answer


async def test_pings_are_answered() -> None:
    """An empty object is a ping; without a pong the gateway would close."""

    async def ping(gateway: FakeGateway, command: Command) -> list[Command]:
        replies = await _accept(gateway, command)
        return [*replies, {}] if "connect" in command else replies

    async with fake_gateway(ping) as gateway:
        connection = await open_connection(gateway.url, "token")
        async with asyncio.timeout(10):
            while {} not in gateway.commands:  # noqa: ASYNC110 - the fake tells nobody
                await asyncio.sleep(0.01)
        await connection.close()


async def test_refused_command_tells_code_and_whether_to_try_again() -> None:
    """The callback's own words reach the user."""
    error = {"code": 403, "message": "no", "temporary": True}
    async with fake_gateway(_refusing("publish", error)) as gateway:
        connection = await open_connection(gateway.url, "token")
        with pytest.raises(
            CommandRefusedError, match=r"the message was refused: no \(code 403\)"
        ) as e:
            await connection.call("publish", {}, "the message")
        assert e.value.is_temporary
        await connection.close()


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (3500, GatewayClosedError),
        (4501, GatewayClosedError),
        (3001, GatewayUnreachableError),
        (4001, GatewayUnreachableError),
    ],
)
async def test_close_code_says_whether_to_come_back(code: int, kind: type[Exception]) -> None:
    """3500-3999 and 4500-4999 are for good, others not; code and reason are told."""
    async with fake_gateway(_closing(code, "because")) as gateway:
        with pytest.raises(kind, match=rf"because \(code {code}\)"):
            await open_connection(gateway.url, "token")


async def test_expired_token_is_told_with_what_to_do() -> None:
    """Error 109 means that a new token helps."""
    error = {"code": 109, "message": "token expired"}
    async with fake_gateway(_refusing("connect", error)) as gateway:
        with pytest.raises(
            GatewayClosedError, match=r"token expired \(code 109\): make a new token"
        ):
            await open_connection(gateway.url, "token")


async def test_nobody_there_is_told() -> None:
    """A refused connection asks whether anything runs."""
    with pytest.raises(GatewayUnreachableError, match="is `rtm up` or Centrifugo running"):
        await open_connection(f"ws://127.0.0.1:{free_port()}/connection/websocket", "token")


@pytest.mark.parametrize("url", ["http://localhost", "localhost:8000", ""])
async def test_address_that_is_none_is_told(url: str) -> None:
    """An address of another kind is a user's mistake, not a fault."""
    with pytest.raises(GatewayClosedError, match="is no WebSocket address"):
        await open_connection(url, "token")


async def test_silent_gateway_is_given_up() -> None:
    """A gateway that takes the connection and says nothing does not hold us for ever."""

    async def silent(_: FakeGateway, __: Command) -> list[Command]:
        return []

    async with fake_gateway(silent) as gateway:
        with pytest.raises(GatewayUnreachableError, match=r"did not answer within 0\.2 s"):
            await open_connection(gateway.url, "token", timeout_seconds=0.2)


def _publisher(gateway: FakeGateway, patience_seconds: float = 10.0) -> Publisher:
    return Publisher(lambda: open_connection(gateway.url, "token"), patience_seconds)


async def test_messages_are_published_in_order() -> None:
    """One after the other, each acknowledged."""
    async with fake_gateway(_accept) as gateway:
        report = await _publisher(gateway).publish("c", [{"n": n} for n in range(5)])
        assert report.acknowledged == 5
        assert [p["data"]["n"] for p in gateway.sent("publish")] == [0, 1, 2, 3, 4]


async def test_temporary_refusal_sends_the_same_message_again() -> None:
    """The same data, so the same message id, goes out again; the next one waits."""
    error = {"code": 503, "message": "later", "temporary": True}
    async with fake_gateway(_refusing("publish", error, error)) as gateway:
        report = await _publisher(gateway).publish("c", [{"id": "1"}, {"id": "2"}])
        assert (report.acknowledged, report.resent, report.refusals) == (2, 2, [])
        assert [p["data"]["id"] for p in gateway.sent("publish")] == ["1", "1", "1", "2"]


async def test_final_refusal_is_reported_and_the_next_goes_on() -> None:
    """A message that cannot succeed does not hold up the others."""
    async with fake_gateway(_refusing("publish", {"code": 400, "message": "empty"})) as gateway:
        report = await _publisher(gateway).publish("c", [{}, {}])
        assert report.acknowledged == 1
        assert report.refusals == ["the message to c was refused: empty (code 400)"]


async def test_patience_ends() -> None:
    """A message that is refused for now again and again counts as refused in the end."""
    error = {"code": 503, "message": "later", "temporary": True}
    async with fake_gateway(_refusing("publish", *[error] * 1000)) as gateway:
        report = await _publisher(gateway, patience_seconds=0.4).publish("c", [{}])
        assert report.acknowledged == 0
        assert len(report.refusals) == 1


async def test_lost_connection_is_taken_up_again() -> None:
    """A message whose answer never came is sent again on a new connection."""
    left = [1]

    async def lose_first(gateway: FakeGateway, command: Command) -> list[Command]:
        if "publish" in command and left[0]:
            left[0] = 0
            gateway.connections[-1].transport.abort()
            return []
        return await _accept(gateway, command)

    async with fake_gateway(lose_first) as gateway:
        report = await _publisher(gateway).publish("c", [{"id": "1"}])
        assert (report.acknowledged, report.resent) == (1, 1)
        assert len(gateway.connections) == 2


async def test_gateway_that_was_never_there_is_told_at_once() -> None:
    """Patience is for a gateway that went away."""
    url = f"ws://127.0.0.1:{free_port()}/connection/websocket"
    with pytest.raises(GatewayUnreachableError):
        await Publisher(lambda: open_connection(url, "token"), 60.0).publish("c", [{}])


async def _follow(gateway: FakeGateway, count: int, *channels: str) -> list[Publication | Notice]:
    """Return what a subscriber yields until so many publications came."""

    def connect(on_push: Any) -> Any:
        return open_connection(gateway.url, "token", on_push=on_push)

    seen: list[Publication | Notice] = []
    async with asyncio.timeout(20):
        following = Subscriber(connect, channels).follow()
        async with contextlib.aclosing(following):
            async for event in following:
                seen.append(event)
                if sum(isinstance(e, Publication) for e in seen) == count:
                    break
    return seen


def _push(channel: str, data: Any, offset: int) -> Command:
    info = {"user": "ada", "client": "c"}
    return {"push": {"channel": channel, "pub": {"data": data, "offset": offset, "info": info}}}


async def test_publications_reach_the_subscriber() -> None:
    """Channel, data, sender and offset."""

    async def answer(gateway: FakeGateway, command: Command) -> list[Command]:
        replies = await _accept(gateway, command)
        return [*replies, _push("c", {"text": "hi"}, 1)] if "subscribe" in command else replies

    async with fake_gateway(answer) as gateway:
        events = await _follow(gateway, 1, "c")
    assert Publication("c", {"text": "hi"}, "ada", 1) in events


async def test_what_was_missed_is_recovered_first_and_in_order() -> None:
    """After a lost connection the subscriber asks from where it was; early pushes wait."""
    rounds = [0]

    async def answer(gateway: FakeGateway, command: Command) -> list[Command]:
        if "subscribe" not in command:
            return await _accept(gateway, command)
        rounds[0] += 1
        if rounds[0] == 1:
            first = reply_to(command, subscribe={"recoverable": True, "epoch": "e", "offset": 5})
            asyncio.get_running_loop().call_later(0.1, gateway.connections[-1].transport.abort)
            return [first, _push("c", 6, 6)]
        missed = {"data": 7, "offset": 7}
        second = {
            "recoverable": True,
            "epoch": "e",
            "offset": 7,
            "recovered": True,
            "was_recovering": True,
            "publications": [missed],
        }
        # The push stands before the reply in the frame, as it may when both are sent at once.
        return [_push("c", 8, 8), reply_to(command, subscribe=second)]

    async with fake_gateway(answer) as gateway:
        events = await _follow(gateway, 3, "c")
        assert [e.data for e in events if isinstance(e, Publication)] == [6, 7, 8]
        assert gateway.sent("subscribe")[1] == {
            "channel": "c",
            "recover": True,
            "epoch": "e",
            "offset": 6,
        }
    notices = [e.text for e in events if isinstance(e, Notice)]
    assert notices[0] == "subscribed"
    assert any("trying again" in text for text in notices)


async def test_gap_is_told() -> None:
    """A gateway that no longer has what was missed is not passed over in silence."""
    rounds = [0]

    async def answer(gateway: FakeGateway, command: Command) -> list[Command]:
        if "subscribe" not in command:
            return await _accept(gateway, command)
        rounds[0] += 1
        result = {"recoverable": True, "epoch": f"e{rounds[0]}", "offset": 1}
        if rounds[0] == 1:
            asyncio.get_running_loop().call_later(0.05, gateway.connections[-1].transport.abort)
            return [reply_to(command, subscribe=result)]
        return [reply_to(command, subscribe=result), _push("c", 2, 2)]

    async with fake_gateway(answer) as gateway:
        events = await _follow(gateway, 1, "c")
    assert Notice("c: some messages were missed; the gateway no longer has them") in events


@pytest.mark.parametrize(("code", "is_final"), [(2000, True), (2500, False)])
async def test_unsubscribe_code_says_whether_to_come_back(code: int, is_final: bool) -> None:
    """From 2500 on the client subscribes again; below it is told and ends."""
    rounds = [0]

    async def answer(gateway: FakeGateway, command: Command) -> list[Command]:
        replies = await _accept(gateway, command)
        if "subscribe" not in command:
            return replies
        rounds[0] += 1
        if rounds[0] == 1:
            push = {"channel": "c", "unsubscribe": {"code": code, "reason": "because"}}
            return [*replies, {"push": push}]
        return [*replies, _push("c", 1, 0)]

    async with fake_gateway(answer) as gateway:
        if is_final:
            with pytest.raises(GatewayClosedError, match=r"because \(code 2000\)"):
                await _follow(gateway, 1, "c")
        else:
            events = await _follow(gateway, 1, "c")
            assert Notice("connected again") in events


async def test_refused_subscription_ends_with_its_reason() -> None:
    """A channel that may not be read is a sentence, not an endless retry."""
    async with fake_gateway(_refusing("subscribe", {"code": 403, "message": "no"})) as gateway:
        with pytest.raises(CommandRefusedError, match=r"the subscription to c was refused: no"):
            await _follow(gateway, 1, "c")


async def test_connection_without_pushes_ignores_them() -> None:
    """A publisher that is not subscribed may get pushes of server-side subscriptions."""

    async def answer(gateway: FakeGateway, command: Command) -> list[Command]:
        return [_push("c", 1, 1), *await _accept(gateway, command)]

    async with fake_gateway(answer) as gateway:
        connection: GatewayConnection = await open_connection(gateway.url, "token")
        assert await connection.call("publish", {"channel": "c", "data": 1}) == {}
        await connection.close()
