"""How a worker is called: by people, by other workers, by Redis."""

from __future__ import annotations

import os
import secrets
import socket
from dataclasses import dataclass

from realtime_message.streams.keys import consumer_name
from realtime_message.worker.assignment import INCARNATION_SEPARATOR


@dataclass(frozen=True, slots=True)
class Names:
    """The names of one worker process.

    Attributes:
        worker: what people see; the same over restarts if it was chosen.
        member: among the members, and as the holder of leases. Every process has one of its own,
            even if two were given the same WORKER_ID by mistake: a lease is given to whoever calls
            itself its holder.
        consumer: in the consumer groups.
    """

    worker: str
    member: str
    consumer: str


def make_names(chosen: str) -> Names:
    """Return the names of this process.

    Args:
        chosen: the WORKER_ID; empty for a name made up from the host's.
    """
    host = socket.gethostname().partition(".")[0]
    worker = chosen.strip() or f"{host}-{secrets.token_hex(2)}"
    return Names(
        worker,
        f"{worker}{INCARNATION_SEPARATOR}{secrets.token_hex(3)}",
        consumer_name(worker, os.getpid()),
    )
