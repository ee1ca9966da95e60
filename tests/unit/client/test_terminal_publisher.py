"""The terminal's publisher: how long it tries again, and what it says meanwhile."""

import asyncio
import time
from typing import Any

import pytest

from realtime_message.client.connection import GatewayClosedError, open_connection
from realtime_message.client.publisher import Publisher
from support.fake_gateway import Answer, FakeGateway, fake_gateway, reply_to

_INTERNAL = {"code": 100, "message": "internal server error", "temporary": True}


def _failing(error: dict[str, Any], times: int = 1_000_000) -> Answer:
    """Return an answer that fails publishing so many times."""
    left = [times]

    async def answer(_: FakeGateway, command: dict[str, Any]) -> list[dict[str, Any]]:
        if "publish" in command and left[0]:
            left[0] -= 1
            return [{"id": command["id"], "error": error}]
        return [] if command == {} else [reply_to(command)]

    return answer


async def test_delay_is_told_once_and_what_it_came_to() -> None:
    """Not ten seconds of silence, not a line for every attempt; the callback service is named."""
    told: list[str] = []
    async with fake_gateway(_failing(_INTERNAL)) as gateway:
        publisher = Publisher(lambda: open_connection(gateway.url, "t"), 0.9, told.append)
        report = await publisher.publish("c", [{}])
    why = (
        "internal server error (code 100); the callback service does not answer the gateway: "
        "rtm doctor says more"
    )
    assert told == [f"not acknowledged yet: {why}; trying again for 0.9 s"]
    assert report.refusals == [f"the message to c was not acknowledged within 0.9 s: {why}"]


async def test_next_delay_is_told_anew() -> None:
    """After one that was acknowledged at once it is another trouble."""
    told: list[str] = []
    seen = []

    async def third_and_fifth(_: FakeGateway, command: dict[str, Any]) -> list[dict[str, Any]]:
        if "publish" in command:
            seen.append(command)
            if len(seen) in (1, 4):
                return [{"id": command["id"], "error": _INTERNAL}]
        return [] if command == {} else [reply_to(command)]

    async with fake_gateway(third_and_fifth) as gateway:
        publisher = Publisher(lambda: open_connection(gateway.url, "t"), on_delay=told.append)
        report = await publisher.publish("c", [{"n": n} for n in range(3)])
    assert (report.acknowledged, report.resent, len(told)) == (3, 2, 2)


async def test_pauses_become_longer() -> None:
    """A service in trouble is not asked four times a second; the patience is kept to."""
    async with fake_gateway(_failing(_INTERNAL)) as gateway:
        publisher = Publisher(lambda: open_connection(gateway.url, "t"), 2.5)
        began = time.monotonic()
        report = await publisher.publish("c", [{}])
        # At 0, 0.25, 0.75, 1.75 and 2.5 s.
        assert len(gateway.sent("publish")) == report.resent + 1 <= 5
        assert time.monotonic() - began >= 2.5


async def test_message_that_is_too_large_is_told_with_the_option() -> None:
    """The close code alone says nothing to whoever wrote the message."""

    async def close(gateway: FakeGateway, command: dict[str, Any]) -> list[dict[str, Any]]:
        if "publish" in command:
            await gateway.connections[-1].close(1009, "")
            return []
        return [] if command == {} else [reply_to(command)]

    async with fake_gateway(close) as gateway:
        publisher = Publisher(lambda: open_connection(gateway.url, "t"))
        with pytest.raises(GatewayClosedError, match=r"larger.*websocket\.message_size_limit"):
            await publisher.publish("c", [{}])


async def test_report_is_there_while_it_goes_on() -> None:
    """Whoever interrupts it learns how many were acknowledged."""
    publisher: Publisher
    async with fake_gateway(_failing({}, times=0)) as gateway:
        publisher = Publisher(lambda: open_connection(gateway.url, "t"))
        publishing = asyncio.create_task(publisher.publish("c", [{}] * 1000, rate=50.0))
        async with asyncio.timeout(20):
            while publisher.report.acknowledged < 2:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.01)
        publishing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await publishing
    assert publisher.report.seconds > 0
