"""A network with Redis in it, and containers of our image beside it."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
from collections.abc import Iterator
from pathlib import Path

import redis

from realtime_message.settings import RedisSettings
from support.containers import Podman
from support.containers_images import REDIS_IMAGE
from support.deploy_tests import centrifugo
from support.instance_process import API_KEY, SECRET
from support.ports import free_port
from support.worker_process import wait_until

IMAGE = "centrifuge-realtime-message"
HEALTH = ("python", "-I", "/usr/local/lib/rtm-healthcheck.py")
HARDENED = (
    "--read-only",
    *("--tmpfs", "/tmp"),
    "--cap-drop=all",
    "--security-opt=no-new-privileges",
)
_numbers = itertools.count(os.getpid())


class Site:
    """Where containers find each other by name.

    Args:
        podman: the engine.
    """

    def __init__(self, podman: Podman) -> None:
        self.podman = podman
        self.name = f"rtm-{next(_numbers)}"
        self.redis_port = free_port()
        self._containers: list[str] = []
        podman.run("network", "create", self.name)

    def start_redis(self) -> None:
        """Start Redis, and wait until it answers."""
        self.run(
            "redis",
            *("-p", f"127.0.0.1:{self.redis_port}:6379", REDIS_IMAGE),
            *("redis-server", "--appendonly", "yes"),
        )
        self.wait_for_redis()

    def wait_for_redis(self) -> None:
        """Wait until Redis answers from this machine."""
        with redis.Redis(port=self.redis_port) as client:

            def answers() -> bool:
                try:
                    return bool(client.ping())
                except redis.RedisError:
                    return False

            wait_until(answers, 30, lambda: self.podman.logs(self.container("redis")))

    def container(self, name: str) -> str:
        """Return a container's full name."""
        return f"{self.name}-{name}"

    def run(self, name: str, *words: str) -> None:
        """Run a container in the background; its short name is its name in the network."""
        full = self.container(name)
        self._containers.append(full)
        self.podman.run(
            *("run", "--detach", "--pull=never", "--name", full),
            *("--network", self.name, "--network-alias", name, *words),
        )

    def exec(self, name: str, *words: str) -> str:
        """Run a command in a container and return what it printed."""
        return self.podman.run("exec", self.container(name), *words)

    def is_healthy(self, name: str) -> bool:
        """Ask as the image's health check does."""
        return self.podman.result("exec", self.container(name), *HEALTH).returncode == 0

    def logs(self, name: str) -> str:
        """Return what a container wrote."""
        return self.podman.logs(self.container(name))

    def close(self) -> None:
        """Remove containers and network."""
        self.podman.remove(self._containers)
        self.podman.result("network", "rm", "--force", self.name)


@contextlib.contextmanager
def running_site(podman: Podman) -> Iterator[Site]:
    """A site with Redis."""
    site = Site(podman)
    try:
        site.start_redis()
        yield site
    finally:
        site.close()


class Instance:
    """A container of the image with its ports on this machine.

    Args:
        site: where it runs.
        name: its short name.
        options: more words for `podman run`.
    """

    def __init__(self, site: Site, name: str = "instance", options: tuple[str, ...] = ()) -> None:
        self.site = site
        self.name = name
        self.gateway_port, self.callback_port = free_port(), free_port()
        # Without Centrifugo, what can be tested is tested with the embedded gateway.
        gateway = () if centrifugo() else ("-e", "RTM_GATEWAY=embedded")
        site.run(
            name,
            *("-p", f"127.0.0.1:{self.gateway_port}:8000"),
            *("-p", f"127.0.0.1:{self.callback_port}:3000"),
            *("-e", "REDIS_URL=redis://redis:6379"),
            *("-e", f"CENTRIFUGO_TOKEN_HMAC_SECRET_KEY={SECRET}"),
            *("-e", f"CENTRIFUGO_HTTP_API_KEY={API_KEY}", *gateway, *options, IMAGE),
        )

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"ws://127.0.0.1:{self.gateway_port}/connection/websocket"

    def wait_until_healthy(self, timeout_seconds: float = 180.0) -> None:
        """Wait until both parts answer."""
        wait_until(
            lambda: self.site.is_healthy(self.name),
            timeout_seconds,
            lambda: self.site.logs(self.name),
        )


def run_worker(site: Site, name: str, folder: Path, api: str = "instance") -> Path:
    """Run a worker in a container with the tests' app; return the history that it writes."""
    tests = Path(__file__).parents[1]
    folder.chmod(0o777)
    site.run(
        name,
        *("-v", f"{tests}/support:/app/support:ro", "-v", f"{folder}:/history"),
        *("-e", "REDIS_URL=redis://redis:6379", "-e", "TEST_HISTORY=/history/history.jsonl"),
        *("-e", f"RTM_GATEWAY__API_URL=http://{api}:8000/api"),
        *("-e", f"CENTRIFUGO_HTTP_API_KEY={API_KEY}", *HARDENED),
        *(IMAGE, "worker", "support.fault_app:app"),
    )
    wait_until(lambda: site.is_healthy(name), 180, lambda: site.logs(name))
    return folder / "history.jsonl"


def stored(site: Site) -> set[tuple[str, int]]:
    """Return channel and number of every message in the streams."""
    settings = RedisSettings()
    found = set()
    with redis.Redis(port=site.redis_port, decode_responses=True) as client:
        for number in range(settings.partition_count):
            for _, fields in client.xrange(f"{settings.prefix}:partition:{number}"):
                payload = json.loads(fields["payload"])
                found.add((payload["channel"], int(payload["text"])))
    return found
