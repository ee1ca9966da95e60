"""A private Redis Cluster on loopback: masters and replicas for tests to kill and to reshard."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

import redis
from redis.crc import key_slot

from support.certificates import Certificate
from support.ports import free_port
from support.valkey_server import ValkeyServer

SLOT_COUNT = 16_384
FORM_TIMEOUT_SECONDS = 60.0

_OPTIONS = {
    "cluster-enabled": "yes",
    # Long, so that nobody is replaced because the machine is busy.
    "cluster-node-timeout": "15000",
    # A replica may be promoted however long it was without its master.
    "cluster-replica-validity-factor": "0",
    "repl-diskless-sync": "yes",
    "repl-diskless-sync-delay": "0",
}

_TLS_OPTIONS = {"tls-cluster": "yes", "tls-replication": "yes"}


class ClusterServers:
    """A context manager; the servers run while its block does.

    Args:
        masters: how many, with the slots in equal ranges.
        replicas: how many each master has.
        options: more settings of the servers.
        binary: their program; None looks for one.
        certificate: with it the servers speak TLS with each other and on a port of its own.

    Attributes:
        nodes: every server, the first masters first.
    """

    def __init__(
        self,
        masters: int = 3,
        replicas: int = 1,
        options: Mapping[str, str] | None = None,
        binary: str | None = None,
        certificate: Certificate | None = None,
    ) -> None:
        self._master_count = masters
        self._replica_count = replicas
        self._tls_ports: dict[ValkeyServer, int] = {}
        self.nodes: list[ValkeyServer] = []
        for _ in range(masters * (1 + replicas)):
            port = free_port()
            tls = {**certificate.options(port), **_TLS_OPTIONS} if certificate else {}
            node = ValkeyServer({**_OPTIONS, **tls, **(options or {})}, binary=binary)
            self.nodes.append(node)
            if certificate:
                self._tls_ports[node] = port

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> Self:
        """Start the servers and make them a cluster."""
        try:
            for node in self.nodes:
                node.start()
            self._form()
        except BaseException:
            self.close()
            raise
        return self

    def close(self) -> None:
        """Kill the servers and remove their folders."""
        for node in self.nodes:
            node.close()

    @property
    def url(self) -> str:
        """The cluster, by two of its nodes."""
        ports = [self._tls_ports.get(node, node.port) for node in self.nodes[:2]]
        scheme = "rediss" if self._tls_ports else "redis"
        return f"{scheme}+cluster://{','.join(f'127.0.0.1:{port}' for port in ports)}"

    @property
    def plain_url(self) -> str:
        """One of its nodes, as if it were the only server."""
        return self.nodes[0].url

    @property
    def directories(self) -> list[Path]:
        """The servers' folders."""
        return [node.directory for node in self.nodes]

    def client(self) -> redis.RedisCluster:
        """Return a client of the whole cluster with text replies."""
        alive = next(node for node in self.nodes if node.is_running)
        return redis.RedisCluster.from_url(alive.url, decode_responses=True)

    def owner(self, key: str) -> ValkeyServer:
        """Return the server that is the master of a key's slot now, as most of them say."""
        slot = key_slot(key.encode())
        ports: list[int] = []
        for node in self.nodes:
            if not node.is_running:
                continue
            for first, last, (_, port, *_), *_ in _rows(node):
                if first <= slot <= last:
                    ports.append(port)
        port = max(set(ports), key=ports.count)
        return next(node for node in self.nodes if node.port == port)

    def masters(self) -> list[ValkeyServer]:
        """Return the servers that have slots now."""
        ports = {port for node in self.nodes if node.is_running for port in _master_ports(node)}
        return [node for node in self.nodes if node.port in ports]

    def replicas_of(self, master: ValkeyServer) -> list[ValkeyServer]:
        """Return the servers that follow a master."""
        return [
            node
            for node in self.nodes
            if node.is_running
            and node.client().info("replication").get("master_port") == master.port
        ]

    def fail_over(self, replica: ValkeyServer) -> None:
        """Let a replica take its master's place, in an orderly way."""
        replica.client().execute_command("CLUSTER", "FAILOVER")
        self._wait(
            lambda: replica.client().info("replication")["role"] == "master", "was not promoted"
        )

    def wait_until_ok(self) -> None:
        """Wait until every running server says that all slots are served."""
        self._wait(self._is_ok, "the cluster is not ok")

    def wait_until_replaced(self, master: ValkeyServer) -> None:
        """Wait until another server has the slots of one that was killed."""
        self._wait(lambda: master not in self.masters(), "nobody took the slots over")
        self.wait_until_ok()

    def migrate(self, key: str, target: ValkeyServer, pause_seconds: float = 0.0) -> None:
        """Move a key's slot to another master while it is used, key by key.

        (Redis: the cluster specification, section on live resharding.)

        Args:
            key: whose slot.
            target: the master that shall have it.
            pause_seconds: how long to wait between two keys, and before the first one.
        """
        slot, source = key_slot(key.encode()), self.owner(key)
        giver, taker = source.client(), target.client()
        ids = {node.port: node.client().cluster("MYID") for node in (source, target)}
        taker.execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", ids[source.port])
        giver.execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", ids[target.port])
        time.sleep(pause_seconds)
        while keys := giver.execute_command("CLUSTER", "GETKEYSINSLOT", slot, 100):
            for name in keys:
                giver.execute_command("MIGRATE", "127.0.0.1", target.port, name, 0, 5000, "REPLACE")
                time.sleep(pause_seconds)
        for client in (taker, giver):
            client.execute_command("CLUSTER", "SETSLOT", slot, "NODE", ids[target.port])
        for node in self.masters():
            if node not in (source, target):
                node.client().execute_command("CLUSTER", "SETSLOT", slot, "NODE", ids[target.port])

    def _form(self) -> None:
        masters = self.nodes[: self._master_count]
        for number, node in enumerate(masters):
            first = number * SLOT_COUNT // len(masters)
            last = (number + 1) * SLOT_COUNT // len(masters) - 1
            node.client().execute_command("CLUSTER", "ADDSLOTSRANGE", first, last)
            node.client().execute_command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for node in self.nodes[1:]:
            port = self._tls_ports.get(masters[0], masters[0].port)
            node.client().execute_command("CLUSTER", "MEET", "127.0.0.1", port)
        self._wait(self._all_know_each_other, "the nodes do not know each other")
        for number, node in enumerate(self.nodes[self._master_count :]):
            master_id = masters[number % len(masters)].client().cluster("MYID")
            node.client().execute_command("CLUSTER", "REPLICATE", master_id)
        self.wait_until_ok()
        self._wait(self._all_follow, "the replicas do not follow")

    def _all_know_each_other(self) -> bool:
        counts = {node.client().cluster("INFO")["cluster_known_nodes"] for node in self.nodes}
        return counts == {str(len(self.nodes))}

    def _is_ok(self) -> bool:
        infos = [n.client().cluster("INFO") for n in self.nodes if n.is_running]
        return all(
            info["cluster_state"] == "ok" and info["cluster_slots_ok"] == str(SLOT_COUNT)
            for info in infos
        )

    def _all_follow(self) -> bool:
        followers = self.nodes[self._master_count :]
        are_up = all(
            node.client().info("replication").get("master_link_status") == "up"
            for node in followers
        )
        shown = [_rows(node) for node in self.nodes]
        size = 2 + 1 + self._replica_count
        return are_up and all(len(row) == size for rows in shown for row in rows)

    def _wait(self, condition: Callable[[], bool], text: str) -> None:
        until = time.monotonic() + FORM_TIMEOUT_SECONDS
        while not condition():
            assert time.monotonic() < until, text
            time.sleep(0.02)


def _master_ports(node: ValkeyServer) -> set[int]:
    return {port for _, _, (_, port, *_), *_ in _rows(node)}


def _rows(node: ValkeyServer) -> list[Any]:
    """Return what CLUSTER SLOTS answers, untouched by redis-py."""
    client = node.client()
    client.set_response_callback("CLUSTER SLOTS", lambda reply, **_: reply)
    rows: list[Any] = client.execute_command("CLUSTER SLOTS")
    return rows
