"""Redis, instances, Nginx in front of them and a worker, as processes of this machine."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path

from realtime_message.settings import RedisSettings
from support.chat_load import ChatLoad
from support.checker import Report, check, read_notes
from support.deploy_tests import centrifugo
from support.instance_process import API_KEY, SECRET, InstanceProcess
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
        app: of the worker.

    Attributes:
        given: the variables of instances and worker; change them before `start`.
    """

    def __init__(
        self,
        folder: Path,
        *,
        count: int = 3,
        app: str = "support.fault_app:app",
    ) -> None:
        self.folder = folder
        self.server = ValkeyServer()
        self.instances: list[InstanceProcess] = []
        self.nginx: NginxProcess | None = None
        self.worker: WorkerProcess | None = None
        self.given = {
            "RTM_GATEWAY": GATEWAY,
            "RTM_CENTRIFUGO_BIN": str(BINARY or ""),
            "REDIS_URL": self.server.url,
            "CENTRIFUGO_TOKEN_HMAC_SECRET_KEY": SECRET,
            "CENTRIFUGO_HTTP_API_KEY": API_KEY,
        }
        self._count = count
        self._app = app

    def start(self) -> Installation:
        """Start everything and wait until it is ready; Redis may have been started before."""
        if not self.server.is_running:
            self.server.start()
        self.instances = [
            InstanceProcess(self.given["REDIS_URL"], self.folder, self.given)
            for _ in range(self._count)
        ]
        for instance in self.instances:
            instance.start()
        for instance in self.instances:
            instance.wait_until_ready()
        ports = [instance.gateway_port for instance in self.instances]
        self.nginx = NginxProcess(self.folder / "nginx", ports)
        self.replace_worker({})
        return self

    @property
    def _nginx(self) -> NginxProcess:
        assert self.nginx is not None, "Nginx was not started"
        return self.nginx

    def redis_url(self, login: str) -> str:
        """Return where Redis is, for somebody who logs in as `user:password`."""
        return f"redis://{login}@127.0.0.1:{self.server.port}/0"

    def replace_worker(self, changes: dict[str, str]) -> None:
        """Start a worker with other variables, and drain the one before when it has work."""
        before, self.given = self.worker, {**self.given, **changes}
        kept = ("CENTRIFUGO_HTTP_API_KEY", "RTM_GATEWAY__PREVIOUS_API_KEY")
        self.worker = WorkerProcess(
            RedisSettings(url=self.given["REDIS_URL"]),
            self.folder / f"worker-{len(list(self.folder.glob('worker-*')))}.log",
            self.folder / "history.jsonl",
            app=self._app,
            settings={"lease_seconds": 2},
            environment={
                "RTM_GATEWAY__API_URL": self._nginx.api_url,
                **{name: self.given[name] for name in kept if name in self.given},
            },
        )
        self.worker.wait_until_said("partition.acquired")
        if before is not None:
            assert before.stop() == 0

    def replace_instances(self, changes: dict[str, str]) -> None:
        """Drain each instance in turn and start it with other variables."""
        self.given |= changes
        for instance in self.instances:
            instance.restart_with(changes)
            self._nginx.wait_until_used(instance.gateway_port)

    @property
    def url(self) -> str:
        """Where clients connect."""
        return self._nginx.url

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
        notes = [note for note in read_notes(history) if note.channel in load.channels]
        return check(name, load.acknowledged, notes)

    def complaints(self) -> list[str]:
        """Return what the workers warned of."""
        logs = sorted(self.folder.glob("worker-*.log"))
        lines = [line for log in logs for line in log.read_text("utf-8").splitlines()]
        return [line for line in lines if '"warning"' in line or '"error"' in line]

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
