"""Appends to a cluster that changes between any two commands."""

from __future__ import annotations

import asyncio
import itertools
import os
from typing import Any

import pytest

from realtime_message.streams.cluster_map import ClusterMap
from realtime_message.streams.cluster_pipeline import ClusterPipeline
from realtime_message.streams.contracts import Appended
from realtime_message.streams.scripts import load_script
from realtime_message.streams.wire import pack
from support.shifting_cluster import NODES, ShiftingCluster, ShiftingConnector

STREAMS = [f"t:partition:{number}" for number in range(4)]
SEEDS = range(2000 if os.environ.get("TESTS_LONG_FAULTS") == "1" else 25)


async def _introduce(_: Any) -> None:
    """Nothing is needed here."""


@pytest.mark.parametrize("seed", SEEDS)
async def test_order_is_kept_and_nothing_is_appended_twice(seed: int) -> None:
    """Whatever moves and breaks: each append is told once, what is confirmed is there, what is said
    not to be there is not, and each stream has its entries in the order of the calls."""
    cluster = ShiftingCluster(seed, STREAMS)
    connector = ShiftingConnector(cluster)
    cluster_map = ClusterMap(NODES, cluster.slots, connector.where)
    connector.map = cluster_map
    pipeline = ClusterPipeline(
        connector,  # type: ignore[arg-type]
        cluster_map,
        load_script("entry_append"),
        timeout_seconds=0.4,
        introduce=_introduce,
    )
    await pipeline.connect(STREAMS)
    told: dict[tuple[str, int], list[Any]] = {}

    def submit(stream: str, number: int) -> None:
        outcomes = told.setdefault((stream, number), [])
        command = pack(("XADD", stream, "*", "payload", b"%d" % number))
        pipeline.enqueuer(stream)(command, outcomes.append, None)

    numbers = itertools.count()
    for _ in range(60):
        for stream in STREAMS:
            for number in itertools.islice(numbers, 5):
                submit(stream, number)
        await asyncio.sleep(0.001)
    cluster.calm_down()
    await pipeline.close()

    assert all(len(outcomes) == 1 for outcomes in told.values())
    for stream in STREAMS:
        stored = [int(payload) for payload in cluster.stored[stream]]
        assert stored == sorted(set(stored)), cluster.events
        for (name, number), (outcome,) in told.items():
            if name != stream:
                continue
            if isinstance(outcome, Appended):
                assert number in stored
            elif str(outcome).startswith("not appended"):
                assert number not in stored
