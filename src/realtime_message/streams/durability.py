"""What must have happened to an entry before its append is confirmed, and whether a server can.

A level above `memory` puts one more command behind each batch, on the same connection: Redis
answers WAIT and WAITAOF once everything that was written *on this connection* has reached the
replicas or the disk (Redis: documentation of WAIT and WAITAOF). Both give up after a time and tell
how far they came.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from realtime_message.errors import (
    ConfigurationError,
    StreamsError,
    StreamsUnavailableError,
    UnsupportedServerError,
)
from realtime_message.settings import ChannelDurability, Durability, RedisSettings
from realtime_message.streams.server_errors import CommandForbiddenError, CommandUnknownError
from realtime_message.streams.session import Place, Session
from realtime_message.streams.wire import Command, pair_up
from realtime_message.telemetry.logs import get_logger

#: Redis looks at WAIT's time-outs ten times a second, so its answer may come this much later.
WAIT_RESOLUTION_SECONDS = 0.1

#: A barrier gives up so long before its batch's deadline, or after half of the time if that is
#: later: it shall answer before the connection would be cut.
BARRIER_MARGIN_SECONDS = WAIT_RESOLUTION_SECONDS * 2

#: How long a start waits for the replicas: long enough for those that are there.
START_WAIT_MS = 200

_log = get_logger("streams.durability")


class Barrier(Protocol):
    """The command behind a batch, which is answered when the batch is as durable as it must be."""

    def command(self, timeout_ms: int) -> Command:
        """Return the command; it gives up after `timeout_ms`, at least 1: 0 would be for ever."""
        ...

    def shortfall(self, reply: Any) -> StreamsUnavailableError | None:
        """Return what to tell if the reply says that the batch is not durable enough.

        The entries are there, so this is never a refusal.
        """
        ...


class ReplicaBarrier:
    """Waits until enough replicas have the batch in memory.

    Args:
        replicas: how many are enough.
    """

    def __init__(self, replicas: int) -> None:
        self._replicas = replicas

    def command(self, timeout_ms: int) -> Command:
        """Return WAIT."""
        return ("WAIT", self._replicas, timeout_ms)

    def shortfall(self, reply: Any) -> StreamsUnavailableError | None:
        """Say how many replicas confirmed, if too few did."""
        if isinstance(reply, int) and reply >= self._replicas:
            return None
        if isinstance(reply, int):
            reply = f"{reply} of {self._replicas} replicas confirmed in time"
        return StreamsUnavailableError(f"stored, but not replicated: {reply}")


class DiskBarrier:
    """Waits until the batch is on the disk of the server that took it."""

    def command(self, timeout_ms: int) -> Command:
        """Return WAITAOF."""
        return ("WAITAOF", 1, 0, timeout_ms)

    def shortfall(self, reply: Any) -> StreamsUnavailableError | None:
        """Say that the disk does not have it, if so."""
        if isinstance(reply, list) and reply and reply[0] == 1:
            return None
        if isinstance(reply, list):
            reply = "Redis' disk did not confirm in time"
        return StreamsUnavailableError(f"stored, but not fsynced: {reply}")


def barrier_timeout_ms(left_seconds: float) -> int:
    """Return how long a barrier may take, for a batch whose deadline is in so many seconds."""
    wait_seconds = max(left_seconds - BARRIER_MARGIN_SECONDS, left_seconds / 2)
    return max(1, int(wait_seconds * 1000))


def barrier_of(durability: Durability, settings: RedisSettings) -> Barrier | None:
    """Return what a level waits for; None for `memory`."""
    if durability == "replicated":
        return ReplicaBarrier(settings.replicas)
    if durability == "fsynced":
        return DiskBarrier()
    return None


def chosen_durability(durability: ChannelDurability, settings: RedisSettings) -> Durability:
    """Return the level itself for one that may be the default."""
    return settings.durability if durability == "default" else durability


async def check_durability(
    session: Session, settings: RedisSettings, durabilities: Sequence[Durability]
) -> None:
    """Check that every server can do what the levels need.

    Too few replicas are a warning only: they may come, and until then appends tell.

    Raises:
        ConfigurationError: one cannot; the text says what to change.
        UnsupportedServerError: one does not allow this user what is needed.
        StreamsError: no answer, or a refusal of another kind.
    """
    if not {"fsynced", "replicated"} & set(durabilities):
        return
    for place in await session.masters():
        if "fsynced" in durabilities:
            await _check_disk(session, place)
        if "replicated" in durabilities:
            await _check_replicas(session, place, settings.replicas)


async def _check_replicas(session: Session, place: Place, needed: int) -> None:
    where = session.shown(place)
    try:
        found = await _ask(session, place, "WAIT", needed, START_WAIT_MS)
    except CommandForbiddenError as error:
        raise _forbidden(where, "replicated", "+wait", error) from None
    if found < needed:
        _log.warning("replicas.missing", redis=where, found=found, needed=needed)


async def _ask(session: Session, place: Place, *command: str | int) -> Any:
    (reply,) = await session.call_at(place, command)
    if isinstance(reply, StreamsError):
        raise reply
    return reply


async def _check_disk(session: Session, place: Place) -> None:
    where = session.shown(place)
    try:
        await _ask(session, place, "WAITAOF", 1, 0, 1)
    except CommandUnknownError:
        raise ConfigurationError(
            f"durability fsynced needs the command WAITAOF, which Redis at {where} does not know: "
            "use Redis 7.2 or newer or Valkey, or set redis.durability, and durability in "
            "callback.channels, to memory or replicated"
        ) from None
    except CommandForbiddenError as error:
        raise _forbidden(where, "fsynced", "+waitaof", error) from None
    except StreamsError as error:
        if "appendonly" not in str(error):
            raise
        raise _disk_unfit(where, "appendonly no") from None
    # With everysec the answer could take two seconds, and is not to be relied on: some releases,
    # Valkey 9.1.2 among them, confirm before the sync (redis/redis pull request 13793). With no, it
    # never comes.
    try:
        answer = await _ask(session, place, "CONFIG", "GET", "appendfsync")
    except StreamsError as error:
        if isinstance(error, StreamsUnavailableError):
            raise
        # Managed servers hide their configuration.
        _log.warning("appendfsync.unknown", redis=where, needed="always", reason=str(error))
        return
    policy = pair_up(answer).get(b"appendfsync", b"always")
    if policy != b"always":
        raise _disk_unfit(where, f"appendfsync {policy.decode()}")


def _forbidden(
    where: str, durability: Durability, right: str, error: StreamsError
) -> UnsupportedServerError:
    return UnsupportedServerError(
        f"durability {durability} needs what Redis at {where} does not allow this user: give it "
        f"{right} ({error})"
    )


def _disk_unfit(where: str, found: str) -> ConfigurationError:
    return ConfigurationError(
        f"durability fsynced needs appendonly yes and appendfsync always, but Redis at {where} has "
        f"{found}: change it there (CONFIG SET, and its configuration file), or set "
        "redis.durability, and durability in callback.channels, to memory or replicated"
    )
