"""A primary and its replicas, all private, for tests to break and to promote."""

from __future__ import annotations

import time
from typing import Self

from support.valkey_server import ValkeyServer

SYNC_TIMEOUT_SECONDS = 30.0

# A replica would wait five seconds for others to come, and would connect a second later.
_QUICK = {"repl-diskless-sync-delay": "0", "repl-diskless-sync": "yes"}


class ReplicatedServers:
    """A context manager; the servers run while its block does.

    Attributes:
        primary: takes the writes.
        replicas: follow it.
    """

    def __init__(self, replica_count: int = 1) -> None:
        self.primary = ValkeyServer(_QUICK)
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
        replica = ValkeyServer({**_QUICK, "replicaof": ("127.0.0.1", str(self.primary.port))})
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
