"""Ports of loopback for the servers that tests start."""

from __future__ import annotations

import os
import random

from realtime_message.stack.ports import is_free

# Below the range from which Linux and macOS take the ports of outgoing connections, so that none
# of those can sit on one between the choice and the server's start.
_LOWEST, _HIGHEST = 10_000, 19_999
#: A node of a Redis Cluster also listens on a port that is this much higher.
_BUS_OFFSET = 10_000

_given: set[int] = set()
_chance = random.SystemRandom()


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on and that no other test is given.

    Of the processes among which pytest-xdist divides the tests, each takes ports that are its own.
    """
    count = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    own = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    while True:
        port = _chance.randrange(_LOWEST + own, _HIGHEST + 1, count)
        if port not in _given and all(is_free("127.0.0.1", p) for p in (port, port + _BUS_OFFSET)):
            _given.add(port)
            return port
