"""The slots of a cluster, as its nodes tell them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from realtime_message.errors import StreamsUnavailableError
from realtime_message.redis_url import Address
from realtime_message.streams.cluster_map import SLOT_COUNT, ClusterMap

BLANK, MEMBER = Address("blank", 1), Address("member", 1)


async def _blank_and_member(node: Address, command: Sequence[str]) -> list[Any]:
    assert command == ("CLUSTER", "SLOTS")
    return [] if node == BLANK else [[0, SLOT_COUNT - 1, [b"member", 1, b"id"]]]


async def test_node_without_a_map_is_passed_over() -> None:
    """One that lost its memory, such as a pod with an empty disk, knows no slots; others do."""
    cluster = ClusterMap([BLANK, MEMBER], _blank_and_member, "redis+cluster://blank,member")
    assert await cluster.owner("key") == MEMBER


async def test_no_node_has_a_map() -> None:
    """It is told which node was asked."""
    cluster = ClusterMap([BLANK], _blank_and_member, "redis+cluster://blank")
    with pytest.raises(StreamsUnavailableError, match="any slot, as blank:1 says"):
        await cluster.owner("key")


async def test_node_without_a_host_name_is_found_by_its_ip_address() -> None:
    """Where the others have names; its replica is not taken for the master."""

    async def ask(_: Address, __: Sequence[str]) -> list[Any]:
        nameless = [b"?", 1, b"id", [b"ip", b"10.0.0.7"]]
        unknown = [b"?", 1, b"id", []]
        replica = [b"replica", 1, b"id", [b"ip", b"10.0.0.8"]]
        return [[0, 99, nameless, replica], [100, SLOT_COUNT - 1, unknown, replica]]

    cluster = ClusterMap([MEMBER], ask, "redis+cluster://member")
    await cluster.refresh_if_stale()
    assert cluster.masters == (Address("10.0.0.7", 1),)
    with pytest.raises(StreamsUnavailableError, match="has slot 12539"):
        await cluster.owner("key")
    cluster.learn(12539, Address("?", 1))
    assert cluster.known_owner("key") is None
    cluster.learn(12539, MEMBER)
    assert cluster.known_owner("key") == MEMBER
