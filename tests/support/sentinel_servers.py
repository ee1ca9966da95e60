"""A private primary, its replicas and the Sentinels that watch them, for tests to break."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Self

import redis

from support.valkey_server import ValkeyServer

NAME = "shop"
FORM_TIMEOUT_SECONDS = 60.0

_QUICK = {"repl-diskless-sync": "yes", "repl-diskless-sync-delay": "0"}


class SentinelServers:
    """A context manager; the servers run while its block does.

    Args:
        replicas: how many follow the primary.
        sentinels: how many watch.
        options: more settings of primary and replicas.
        sentinel_options: more settings of the Sentinels.
        binary: their program; None looks for one.
    """

    def __init__(
        self,
        replicas: int = 2,
        sentinels: int = 3,
        options: Mapping[str, str] | None = None,
        sentinel_options: Mapping[str, str] | None = None,
        binary: str | None = None,
    ) -> None:
        self._options = {**_QUICK, **(options or {})}
        self._sentinel_options = dict(sentinel_options or {})
        self._binary = binary
        first = ValkeyServer(self._options, binary=binary)
        following = {**self._options, "replicaof": ("127.0.0.1", str(first.port))}
        self.servers = [first, *(ValkeyServer(following, binary=binary) for _ in range(replicas))]
        self.sentinels = [Sentinel(first, binary=first.binary) for _ in range(sentinels)]

    def __enter__(self) -> Self:
        try:
            for server in self.servers:
                server.start()
            for sentinel in self.sentinels:
                sentinel.start()
            self._wait(self._all_know_each_other, "the Sentinels do not know each other")
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Kill all and remove their folders."""
        for server in (*self.sentinels, *self.servers):
            server.close()

    @property
    def url(self) -> str:
        """The primary, by its Sentinels."""
        hosts = ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in self.sentinels)
        return f"redis+sentinel://{hosts}/{NAME}"

    def primary(self) -> ValkeyServer:
        """Return the server that most Sentinels call the primary."""
        ports = [
            int(sentinel.client().sentinel_get_master_addr_by_name(NAME)[1])
            for sentinel in self.sentinels
            if sentinel.is_running
        ]
        port = max(set(ports), key=ports.count)
        return next(server for server in self.servers if server.port == port)

    def client(self) -> redis.Redis:
        """Return a client of the primary, with text replies."""
        return self.primary().client()

    def fail_over(self) -> None:
        """Let the Sentinels promote a replica while the primary is well."""
        before = self.primary()
        self.sentinels[0].client().execute_command("SENTINEL", "FAILOVER", NAME)
        self._wait(lambda: self.primary() is not before, "nothing was promoted")

    def _all_know_each_other(self) -> bool:
        states = [sentinel.client().sentinel_master(NAME) for sentinel in self.sentinels]
        return (
            all(
                state["num-other-sentinels"] == len(self.sentinels) - 1
                and state["num-slaves"] == len(self.servers) - 1
                and "down" not in state["flags"]
                for state in states
            )
            and self.client().wait(len(self.servers) - 1, 1) == len(self.servers) - 1
        )

    def _wait(self, condition: Callable[[], bool], text: str) -> None:
        until = time.monotonic() + FORM_TIMEOUT_SECONDS
        while not condition():
            assert time.monotonic() < until, text
            time.sleep(0.05)


class Sentinel(ValkeyServer):
    """One Sentinel process. Its file, which it rewrites, is all that it has."""

    def __init__(self, primary: ValkeyServer, binary: str) -> None:
        super().__init__(binary=binary)
        self._file = self.directory / "sentinel.conf"
        self._file.write_text(
            f"port {self.port}\n"
            "bind 127.0.0.1\n"
            f"dir {self.directory}\n"
            f"sentinel monitor {NAME} 127.0.0.1 {primary.port} 2\n"
            f"sentinel down-after-milliseconds {NAME} 1000\n"
            f"sentinel failover-timeout {NAME} 5000\n",
            "utf-8",
        )

    def _command(self) -> list[str]:
        return [self.binary, str(self._file), "--sentinel"]
