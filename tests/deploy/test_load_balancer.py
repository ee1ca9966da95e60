"""Nginx in front of three instances: clients spread, an instance killed, one drained, nothing lost.

With the real Centrifugo the instances share channels through Redis. The embedded gateway cannot:
what followers see is then not tested, and the report says so.
"""

from __future__ import annotations

import asyncio
import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from realtime_message.settings import RedisSettings
from support.chat_load import ChatLoad
from support.checker import Report, Sent, check, read_notes
from support.deploy_tests import centrifugo, only_when_asked
from support.instance_process import API_KEY, SECRET, InstanceProcess
from support.nginx_process import NginxProcess, find_nginx
from support.valkey_server import ValkeyServer
from support.worker_process import WorkerProcess, wait_until

pytestmark = [
    only_when_asked,
    pytest.mark.timeout(600),
    pytest.mark.skipif(find_nginx() is None, reason="nginx is not installed"),
]

BINARY = centrifugo()
GATEWAY = "centrifugo" if BINARY else "embedded"
# The embedded gateway stands alone: what is published on one instance is not seen on another.
FOLLOWERS = 6 if BINARY else 0


class Installation:
    """Redis, three instances, Nginx and a worker."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.server = ValkeyServer()
        self.instances: list[InstanceProcess] = []
        self.nginx: NginxProcess | None = None
        self.worker: WorkerProcess | None = None

    def start(self) -> Installation:
        """Start everything and wait until it is ready."""
        self.server.start()
        environment = {"RTM_GATEWAY": GATEWAY, "RTM_CENTRIFUGO_BIN": str(BINARY or "")}
        self.instances = [
            InstanceProcess(self.server.url, self.folder, environment) for _ in range(3)
        ]
        for instance in self.instances:
            instance.start()
        for instance in self.instances:
            instance.wait_until_ready()
        ports = [instance.gateway_port for instance in self.instances]
        self.nginx = NginxProcess(self.folder / "nginx", ports)
        self.worker = WorkerProcess(
            RedisSettings(url=self.server.url),
            self.folder / "worker.log",
            self.folder / "history.jsonl",
            settings={"lease_seconds": 2},
        )
        self.worker.wait_until_said("partition.acquired")
        return self

    @property
    def url(self) -> str:
        """Where clients connect."""
        assert self.nginx is not None
        return self.nginx.url

    def wait_until_spread(self, counts: list[int]) -> None:
        """Wait until each instance serves so many clients; Centrifugo counts now and then."""

        def clients() -> list[int]:
            return [_node(instance.gateway_port)["num_clients"] for instance in self.instances]

        wait_until(lambda: clients() == counts, 30, lambda: f"clients are {clients()}")

    def judge(self, name: str, load: ChatLoad) -> Report:
        """Wait until everything acknowledged is handled, and judge what the worker did."""
        history = self.folder / "history.jsonl"

        def is_handled() -> bool:
            ended = {(n.channel, n.number) for n in read_notes(history) if n.event == "end"}
            return {(sent.channel, sent.number) for sent in load.acknowledged} <= ended

        wait_until(is_handled, 60, lambda: "acknowledged messages are not handled")
        notes = read_notes(history)
        return check(name, load.acknowledged, notes)

    def close(self) -> None:
        """End everything."""
        if self.worker is not None:
            self.worker.close()
        if self.nginx is not None:
            self.nginx.close()
        for instance in self.instances:
            instance.close()
        self.server.close()


def _node(port: int) -> dict:
    """Return what the instance behind a port says of itself."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/api/info", b"{}", {"X-API-Key": API_KEY}
    )
    with urllib.request.urlopen(request, timeout=5) as answer:
        nodes = json.load(answer)["result"]["nodes"]
    # Centrifugo names a node by host and port.
    mine = [node for node in nodes if node["name"].endswith(f"_{port}")]
    return (mine or nodes)[0]


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    """A whole installation, running."""
    installation = Installation(tmp_path)
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
    installation: Installation, capsys: pytest.CaptureFixture[str]
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
    with capsys.disabled():
        print(
            f"\ngateway: {GATEWAY}, {FOLLOWERS} followers; {reconnected} of "
            f"{len(load.connections)} clients reconnected, {len(load.failures)} attempts repeated, "
            f"longest pause of a channel after the kill {outage:.2f} s\n"
            f"{Report.header()}\n{report.row()}"
        )
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
