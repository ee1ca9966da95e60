"""The Redis servers themselves: version, memory, persistence, replicas, clock."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from realtime_message.doctor.findings import Finding, counted, error, note, warning
from realtime_message.doctor.server_versions import known_bugs, shown_version
from realtime_message.settings import ChannelDurability, Durability, Settings
from realtime_message.streams.durability import chosen_durability
from realtime_message.streams.server_state import ServerState

#: Beyond the first, tokens begin and end too early or too late; beyond the second, grossly.
CLOCK_WARNING_SECONDS = 1.0
CLOCK_ERROR_SECONDS = 30.0

_CLIENT_SHARE = 0.8


def durabilities(settings: Settings) -> set[Durability]:
    """Return every level of durability that some channel asks for."""
    channels = settings.callback.channels
    asked: list[ChannelDurability] = ["default", *(rule.durability for rule in channels)]
    return {chosen_durability(level, settings.redis) for level in asked}


def review_servers(states: Iterable[ServerState], settings: Settings) -> Iterator[Finding]:
    """Yield what is wrong with the servers, each on its own.

    Args:
        states: of each server that takes writes.
        settings: what is expected of them.
    """
    levels = durabilities(settings)
    for state in states:
        version = shown_version(state.version) or "of a version that it does not tell"
        yield note(f"{state.name.capitalize()} {version} at {state.where} answers")
        yield from known_bugs(state.name, state.version, state.where, is_cluster=state.is_cluster)
        yield from _memory(state)
        yield from _persistence(state, levels)
        yield from _replicas(state, levels, settings.redis.replicas)
        yield from _clock(state)
        yield from _clients(state)


def _memory(state: ServerState) -> Iterator[Finding]:
    if state.maxmemory_policy not in ("", "noeviction"):
        now = "" if state.maxmemory_bytes else " (without a maxmemory it does not happen yet)"
        yield (error if state.maxmemory_bytes else warning)(
            f"Redis at {state.where} has maxmemory-policy {state.maxmemory_policy}{now}",
            "streams, leases and resend marks would be thrown away without a word when it is full",
            "CONFIG SET maxmemory-policy noeviction, and the same in its configuration file",
        )
    if state.maxmemory_bytes == 0:
        yield note(
            f"Redis at {state.where} has no maxmemory",
            "a backlog that grows ends with the machine's memory instead of temporary errors to "
            "publishers (redis.max_memory_share)",
            "CONFIG SET maxmemory to what it may use, and the same in its configuration file",
        )


def _persistence(state: ServerState, levels: set[Durability]) -> Iterator[Finding]:
    for failed in state.failed_writes:
        yield error(
            f"Redis at {state.where} could not write its last {failed} to the disk",
            "what it acknowledges is lost with its next restart, or it refuses writes",
            "look at its log and its disk's free space",
        )
    if state.is_aof_on is None:
        yield note(f"Redis at {state.where} does not tell how it persists: see to it yourself")
        return
    if "fsynced" in levels and not (state.is_aof_on and state.appendfsync in ("always", None)):
        found = f"appendfsync {state.appendfsync}" if state.is_aof_on else "appendonly no"
        yield error(
            f"durability fsynced is set, but Redis at {state.where} has {found}",
            "appends of that level are refused, or acknowledged before the disk has them",
            "CONFIG SET appendonly yes and appendfsync always, and the same in its configuration "
            "file; or set redis.durability to memory or replicated",
        )
    elif not state.is_aof_on:
        yield warning(
            f"Redis at {state.where} keeps no append-only file"
            + ("" if state.saves_snapshots else ", and saves no snapshots"),
            "a restart loses "
            + ("what came since the last snapshot" if state.saves_snapshots else "everything")
            + ", acknowledged messages too",
            "CONFIG SET appendonly yes, and the same in its configuration file",
        )
    elif state.appendfsync == "no":
        yield warning(
            f"Redis at {state.where} has appendfsync no",
            "a crash of its machine loses what the operating system had not written, often 30 s",
            "CONFIG SET appendfsync everysec, and the same in its configuration file",
        )


def _replica(count: int) -> str:
    return counted(count, "replica", "replicas")


def _replicas(state: ServerState, levels: set[Durability], needed: int) -> Iterator[Finding]:
    if "replicated" not in levels or state.replicas is None:
        return
    if state.replicas < needed:
        yield error(
            f"durability replicated needs {_replica(needed)} (redis.replicas), but Redis at "
            f"{state.where} has {state.replicas}",
            "every publish of that level gets a temporary error",
            "start the replicas, or lower redis.replicas",
        )
    elif state.replicas > needed:
        yield note(
            f"Redis at {state.where} has {_replica(state.replicas)}, and redis.replicas is "
            f"{needed}",
            "a failover may promote a replica that has not got the latest acknowledged messages",
            f"set redis.replicas to {state.replicas}, to lose nothing whichever is promoted",
        )


def _clock(state: ServerState) -> Iterator[Finding]:
    ahead = state.clock_ahead_seconds
    if abs(ahead) < CLOCK_WARNING_SECONDS:
        return
    direction = "ahead of" if ahead > 0 else "behind"
    yield (error if abs(ahead) >= CLOCK_ERROR_SECONDS else warning)(
        f"the clock of Redis at {state.where} is {abs(ahead):.1f} s {direction} this machine's",
        "leases go by Redis' clock alone and are safe; but tokens expire, and ages are shown, by "
        "the clock of each machine",
        "let both follow the same time servers (chrony, systemd-timesyncd)",
    )


def _clients(state: ServerState) -> Iterator[Finding]:
    if state.client_share is not None and state.client_share > _CLIENT_SHARE:
        yield warning(
            f"Redis at {state.where} has {state.client_share:.0%} of its maxclients connected",
            "above the limit new connections are refused: workers cannot take partitions over",
            "raise maxclients; a worker has two connections for each of its partitions",
        )
