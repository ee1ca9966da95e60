"""Consumers of processes that ended: they would stay in their group for ever."""

from __future__ import annotations

from realtime_message.streams.contracts import Lease
from realtime_message.streams.fenced_script import run_fenced
from realtime_message.streams.keys import CONSUMER_PREFIX, Keys
from realtime_message.streams.leases import to_ms
from realtime_message.streams.session import Session

#: A process that did nothing for so long may have ended; if it did not, it loses nothing.
MIN_IDLE_SECONDS = 60.0


async def retire_consumers(
    session: Session,
    keys: Keys,
    lease: Lease,
    consumer: str,
    *,
    is_leaving: bool,
    min_idle_seconds: float = MIN_IDLE_SECONDS,
) -> int:
    """Delete the workers' consumers that hold no pending entry; return how many.

    Args:
        session: where the command goes.
        keys: the key names.
        lease: under which it is done; the fence.
        consumer: our own, which stays unless we are leaving.
        is_leaving: whether our own may go.
        min_idle_seconds: others that did something more recently stay.

    Raises:
        LeaseLostError: the epoch has moved; nothing was deleted.
        StreamsError: the server did not answer, or refused.
    """
    partition = lease.partition
    names = [keys.stream(partition), keys.epoch(partition)]
    given = (keys.group(partition), consumer, int(is_leaving), to_ms(min_idle_seconds))
    return int(await run_fenced(session, lease, "consumer_retire", names, *given, CONSUMER_PREFIX))
