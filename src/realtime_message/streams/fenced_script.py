"""Scripts that do nothing unless the partition's epoch is still that of the lease."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from realtime_message.errors import LeaseLostError
from realtime_message.streams.contracts import Lease
from realtime_message.streams.scripts import load_script
from realtime_message.streams.session import Session


async def run_fenced(
    session: Session,
    lease: Lease,
    name: str,
    keys: Sequence[str],
    *arguments: str | bytes | int,
) -> Any:
    """Run a script whose first argument is the epoch, and which answers nil if that has moved.

    Args:
        session: where it goes.
        lease: under which it is run.
        name: of the script.
        keys: every key that it touches, the epoch's among them.
        arguments: those after the epoch.

    Raises:
        LeaseLostError: the epoch has moved; nothing was done.
        StreamsError: the server did not answer, or refused.
    """
    reply = await session.run_script(load_script(name), keys, [lease.epoch, *arguments])
    if reply is None:
        raise LeaseLostError(lease.partition, lease.epoch)
    return reply
