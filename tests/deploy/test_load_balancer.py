"""Nginx in front of three instances: clients spread, an instance killed, one drained, nothing lost.

With the real Centrifugo the instances share channels through Redis. The embedded gateway cannot:
what followers see is then not tested, and the report says so.
"""

from __future__ import annotations

import asyncio
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from itertools import pairwise

import pytest

from support.chat_load import ChatLoad
from support.checker import Report, Sent
from support.installation import BINARY, GATEWAY, Installation
from support.instance_process import API_KEY, SECRET
from support.nginx_process import find_nginx
from support.remarks import remark

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.skipif(find_nginx() is None, reason="nginx is not installed"),
]

# The embedded gateway stands alone: what is published on one instance is not seen on another.
FOLLOWERS = 6 if BINARY else 0


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A whole installation, running."""
    installation = Installation(tmp_path_factory.mktemp("installation"))
    try:
        yield installation.start()
    finally:
        installation.close()


def _get(installation: Installation, path: str, body: bytes | None = None) -> int:
    assert installation.nginx is not None
    request = urllib.request.Request(f"http://127.0.0.1:{installation.nginx.port}{path}", body)
    request.add_header("X-API-Key", API_KEY)
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


async def test_door_opens_for_clients_alone(installation: Installation) -> None:
    """Health answers; server API, callback service, metrics and admin page are not there."""
    assert _get(installation, "/health") == 200
    closed = [
        *("/", "/api", "/api/info", "/api/publish", "//api/info", "/connection/../api/info"),
        *("/metrics", "/debug/pprof/", "/admin/", "/health/ready", "/centrifugo/publish"),
        *("/connection/websocket/", "/connection/websocket/../../api/info", "/connection/sse"),
    ]
    for path in closed:
        assert _get(installation, path) == 404, path
        assert _get(installation, path, b"{}") == 404, path


async def test_instances_act_as_one_while_one_is_killed_and_one_drained(
    installation: Installation,
) -> None:
    """Clients come back and recover; every acknowledged message is seen by all and handled once."""
    load = ChatLoad(installation.url, SECRET, writers=12 - FOLLOWERS, followers=FOLLOWERS)
    killed, drained, _ = installation.instances
    async with load.running():
        await load.wait_for(100)
        await asyncio.to_thread(installation.wait_until_spread, [4, 4, 4])

        await asyncio.to_thread(killed.kill)
        killed_at = time.monotonic()
        await load.wait_for(200)

        assert await asyncio.to_thread(drained.stop) == 0
        await load.wait_for(200)
        for instance in (killed, drained):
            instance.close()
            instance.start()
            await asyncio.to_thread(instance.wait_until_ready)
        await load.wait_for(200)
    report = await asyncio.to_thread(installation.judge, "instance killed, one drained", load)
    reconnected = sum(len(one.ids) > 1 for one in load.connections)
    outage = _longest_pause(load.acknowledged, killed_at)
    remark(
        f"Nginx, 3 instances, gateway {GATEWAY}, {FOLLOWERS} followers: {reconnected} of "
        f"{len(load.connections)} clients reconnected, {len(load.failures)} attempts repeated, "
        f"longest pause of a channel after the kill {outage:.2f} s"
    )
    remark(Report.header())
    remark(report.row())
    assert report.is_sound, report
    assert report.duplicates == 0
    assert load.missing() == []
    assert load.disordered() == []
    assert reconnected >= 8


def _longest_pause(acknowledged: list[Sent], since: float) -> float:
    """Return the longest time between two acknowledgements of one channel after a moment."""
    times: dict[str, list[float]] = {}
    for sent in acknowledged:
        times.setdefault(sent.channel, []).append(sent.at)
    pauses = [
        later - earlier
        for ats in times.values()
        for earlier, later in pairwise(ats)
        if later > since
    ]
    return max(pauses, default=0.0)
