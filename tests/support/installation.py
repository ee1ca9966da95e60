"""Redis, instances, Nginx in front of them and a worker, as processes of this machine."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path

from realtime_message.settings import RedisSettings
from support.chat_load import ChatLoad
from support.checker import Report, check, read_notes
from support.deploy_tests import centrifugo
from support.instance_process import API_KEY, InstanceProcess
from support.nginx_process import NginxProcess
from support.valkey_server import ValkeyServer
from support.worker_process import WorkerProcess, wait_until

BINARY = centrifugo()
GATEWAY = "centrifugo" if BINARY else "embedded"


class Installation:
    """A whole installation.

    Args:
        folder: for its files.
        count: how many instances.
        environment: more variables for the instances.
    """

    def __init__(
        self, folder: Path, *, count: int = 3, environment: dict[str, str] | None = None
    ) -> None:
        self.folder = folder
        self._count = count
        self._environment = {
            "RTM_GATEWAY": GATEWAY,
            "RTM_CENTRIFUGO_BIN": str(BINARY or ""),
            **(environment or {}),
        }
        self.server = ValkeyServer()
        self.instances: list[InstanceProcess] = []
        self.nginx: NginxProcess | None = None
        self.worker: WorkerProcess | None = None

    def start(self) -> Installation:
        """Start everything and wait until it is ready."""
        self.server.start()
        self.instances = [
            InstanceProcess(self.server.url, self.folder, self._environment)
            for _ in range(self._count)
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
