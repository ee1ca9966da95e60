"""Who the primary is, when the Sentinels do not agree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from realtime_message.errors import StreamsUnavailableError
from realtime_message.redis_url import Address
from realtime_message.streams.sentinel import Sentinels
from realtime_message.streams.sentinel_watch import SentinelWatch
from support.eventually import eventually

CUT_OFF, WELL = Address("cut-off", 1), Address("well", 1)
OLD, NEW = Address("old", 1), Address("new", 1)


class Answers:
    """What each Sentinel says: the last failover that it knows of, and the primary."""

    def __init__(self) -> None:
        self.by_host: dict[Address, tuple[int, Address]] = {CUT_OFF: (0, OLD), WELL: (1, NEW)}

    async def ask(self, host: Address, command: Sequence[str]) -> Any:
        if host not in self.by_host:
            raise StreamsUnavailableError(f"Redis at {host}: refused")
        failover, primary = self.by_host[host]
        if command[1] == "GET-MASTER-ADDR-BY-NAME":
            return [primary.host.encode(), b"%d" % primary.port]
        fields = {"ip": primary.host, "port": primary.port, "config-epoch": failover}
        return [str(part).encode() for field in fields.items() for part in field]


class OpenWire:
    """What the watch uses of a Wire."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.is_open = True

    def drop(self, reason: str) -> None:
        assert "replaced" in reason
        self.is_open = False


@pytest.fixture
def answers() -> Answers:
    """One Sentinel was cut off from the others before they replaced the primary."""
    return Answers()


@pytest.fixture
def sentinels(answers: Answers) -> Sentinels:
    """The one that was cut off is asked first."""
    return Sentinels([CUT_OFF, WELL], "shop", answers.ask, "redis+sentinel://cut-off,well/shop")


async def test_replaced_primary_is_not_found_again(sentinels: Sentinels) -> None:
    """A connection to it is dropped, and the Sentinel that still names it is passed over."""
    wire = OpenWire(await sentinels.primary())
    assert wire.address == OLD
    watch = SentinelWatch(sentinels)
    watch.add(wire)  # type: ignore[arg-type]

    async def is_dropped() -> bool:
        return not wire.is_open

    await eventually(is_dropped)
    watch.stop()
    assert await sentinels.primary() == NEW


async def test_only_outdated_sentinel_that_is_left_is_not_believed(
    sentinels: Sentinels, answers: Answers
) -> None:
    """What the primary that it names would confirm would be lost."""
    assert await sentinels.replacement() == NEW
    del answers.by_host[WELL]
    with pytest.raises(StreamsUnavailableError, match="cut-off:1 has not heard of the last"):
        await sentinels.primary()
    answers.by_host[CUT_OFF] = (1, NEW)
    assert await sentinels.primary() == NEW


async def test_sentinels_that_were_set_up_anew_are_believed(
    sentinels: Sentinels, answers: Answers
) -> None:
    """All of them count from the beginning then; a later failover is noticed again."""
    assert await sentinels.replacement() == NEW
    answers.by_host = {CUT_OFF: (0, OLD), WELL: (0, OLD)}
    assert await sentinels.primary() == OLD
    answers.by_host[WELL] = (1, NEW)
    assert await sentinels.replacement() == NEW
