"""A private primary, its replicas and the Sentinels that watch them, for tests to break."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Self

import redis

from support.certificates import Certificate
from support.ports import free_port
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
        binary: their program; None looks for one.
        primary_password: by which the Sentinels log in to the servers.
        password: of the Sentinels themselves.
        certificate: with it all of them speak TLS, on ports of their own.
        down_after_seconds: after how long a silent primary is replaced; long, so that it is not
            because the machine is busy.
    """

    def __init__(
        self,
        replicas: int = 2,
        sentinels: int = 3,
        options: Mapping[str, str] | None = None,
        binary: str | None = None,
        *,
        primary_password: str = "",
        password: str = "",
        certificate: Certificate | None = None,
        down_after_seconds: float = 30.0,
    ) -> None:
        self._down_after_ms = round(down_after_seconds * 1000)
        self._primary_password = primary_password
        self._password = password
        self._certificate = certificate
        self._tls_ports: dict[ValkeyServer, int] = {}
        self._options = {**_QUICK, **(options or {})}
        self._binary = binary
        first = self._server({})
        port = self._tls_ports.get(first, first.port)
        follow = {"replicaof": ("127.0.0.1", str(port))}
        self.servers = [first, *(self._server(follow) for _ in range(replicas))]
        self.sentinels = [self._sentinel(first, port) for _ in range(sentinels)]

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
        ports = [self._tls_ports.get(sentinel, sentinel.port) for sentinel in self.sentinels]
        hosts = ",".join(f"127.0.0.1:{port}" for port in ports)
        login = f":{self._primary_password}@" if self._primary_password else ""
        option = f"?sentinel_password={self._password}" if self._password else ""
        scheme = "rediss" if self._certificate else "redis"
        return f"{scheme}+sentinel://{login}{hosts}/{NAME}{option}"

    def primary(self) -> ValkeyServer:
        """Return the server that most Sentinels call the primary."""
        ports = [
            int(sentinel.client().sentinel_get_master_addr_by_name(NAME)[1])
            for sentinel in self.sentinels
            if sentinel.is_running
        ]
        port = max(set(ports), key=ports.count)
        return next(s for s in self.servers if port in (s.port, self._tls_ports.get(s)))

    def client(self) -> redis.Redis:
        """Return a client of the primary, with text replies."""
        return self.primary().client()

    def fail_over(self) -> None:
        """Let the Sentinels promote a replica while the primary is well."""
        before = self.primary()
        self.sentinels[0].client().execute_command("SENTINEL", "FAILOVER", NAME)
        self._wait(lambda: self.primary() is not before, "nothing was promoted")

    def _server(self, more: Mapping[str, tuple[str, ...]]) -> ValkeyServer:
        port = free_port()
        tls = {}
        if self._certificate:
            tls = {**self._certificate.options(port), "tls-replication": "yes"}
        server = ValkeyServer({**self._options, **tls, **more}, binary=self._binary)
        if self._certificate:
            self._tls_ports[server] = port
        return server

    def _sentinel(self, primary: ValkeyServer, primary_port: int) -> Sentinel:
        lines = [f"sentinel down-after-milliseconds {NAME} {self._down_after_ms}"]
        port = free_port()
        if self._primary_password:
            lines.append(f"sentinel auth-pass {NAME} {self._primary_password}")
        if self._password:
            lines.append(f"requirepass {self._password}")
        if self._certificate:
            lines += [f"{name} {value}" for name, value in self._certificate.options(port).items()]
            lines.append("tls-replication yes")
        sentinel = Sentinel(primary_port, primary.binary, self._password, lines)
        if self._certificate:
            self._tls_ports[sentinel] = port
        return sentinel

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

    def __init__(self, primary_port: int, binary: str, password: str, lines: list[str]) -> None:
        super().__init__({"requirepass": password} if password else None, binary=binary)
        self._file = self.directory / "sentinel.conf"
        self._file.write_text(
            f"port {self.port}\n"
            "bind 127.0.0.1\n"
            f"dir {self.directory}\n"
            f"sentinel monitor {NAME} 127.0.0.1 {primary_port} 2\n"
            f"sentinel failover-timeout {NAME} 5000\n" + "\n".join(lines),
            "utf-8",
        )

    def _command(self) -> list[str]:
        return [self.binary, str(self._file), "--sentinel"]
