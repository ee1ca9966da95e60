"""A primary and its replicas, all private, for tests to break and to promote."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Self

from support.valkey_server import ValkeyServer

SYNC_TIMEOUT_SECONDS = 30.0

# A primary would wait five seconds for more replicas before it serves the first.
_QUICK = {"repl-diskless-sync-delay": "0", "repl-diskless-sync": "yes"}


class ReplicatedServers:
    """A context manager; the servers run while its block does.

    Args:
        replica_count: how many follow at the beginning.
        options: more settings of the servers.
        primary_binary: the primary's program; None looks for one.

    Attributes:
        primary: takes the writes.
        replicas: follow it.
        follow_port: where replicas find the primary; another one than its own leads through
            whatever listens there.
    """

    def __init__(
        self,
        replica_count: int = 1,
        options: Mapping[str, str] | None = None,
        primary_binary: str | None = None,
    ) -> None:
        self._options = {**_QUICK, **(options or {})}
        self.primary = ValkeyServer(self._options, binary=primary_binary)
        self.follow_port = self.primary.port
        self._replica_count = replica_count
        self.replicas: list[ValkeyServer] = []

    def __enter__(self) -> Self:
        self.primary.start()
        for _ in range(self._replica_count):
            self.add_replica()
        self.wait_until_in_sync()
        return self

    def __exit__(self, *_: object) -> None:
        for server in (*self.replicas, self.primary):
            server.close()

    def add_replica(self) -> ValkeyServer:
        """Start one more replica; it may not be in sync yet."""
        replica = ValkeyServer({**self._options, "replicaof": ("127.0.0.1", str(self.follow_port))})
        self.replicas.append(replica.start())
        return replica

    def wait_until_in_sync(self) -> None:
        """Wait until every replica has what the primary has."""
        until = time.monotonic() + SYNC_TIMEOUT_SECONDS
        client = self.primary.client()
        client.set("in-sync", "")
        while client.wait(len(self.replicas), 100) < len(self.replicas):
            assert time.monotonic() < until, "the replicas did not follow"

    def promote(self, number: int = 0) -> ValkeyServer:
        """Make a replica a primary and return it."""
        replica = self.replicas[number]
        replica.client().replicaof("NO", "ONE")
        return replica
