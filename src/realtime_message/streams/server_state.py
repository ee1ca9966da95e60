"""What each Redis server says about itself: version, memory, persistence, replicas, clock."""

from __future__ import annotations

import time
from typing import Any

import msgspec

from realtime_message.errors import StreamsError, StreamsRefusedError
from realtime_message.streams.session import Place, Session
from realtime_message.streams.wire import information_fields, pair_up

_OPTIONS = ("appendonly", "appendfsync", "save")


class ServerState(msgspec.Struct, frozen=True, kw_only=True):
    """One server that takes writes.

    Attributes:
        where: its address without a password.
        name: `redis` or `valkey`.
        version: its own version, each part a number; empty if it does not tell.
        maxmemory_bytes: its memory limit; 0 for none, None if it does not tell.
        maxmemory_policy: what it does at the limit.
        is_aof_on: whether it keeps an append-only file; None if it does not tell.
        appendfsync: when that file is synced; None if it does not tell.
        saves_snapshots: whether it saves snapshots by itself; None if it does not tell.
        failed_writes: what INFO says could not be written to the disk: `aof`, `snapshot`.
        replicas: how many are connected; None if it does not tell.
        client_share: the share of its client limit that is in use; None if it does not tell.
        clock_ahead_seconds: how much its clock is ahead of this machine's, as far as the round trip
            lets one tell.
        is_cluster: whether it is a node of a cluster.
    """

    where: str
    name: str
    version: tuple[int, ...]
    maxmemory_bytes: int | None
    maxmemory_policy: str
    is_aof_on: bool | None
    appendfsync: str | None
    saves_snapshots: bool | None
    failed_writes: tuple[str, ...]
    replicas: int | None
    client_share: float | None
    clock_ahead_seconds: float
    is_cluster: bool


class ServerInspector:
    """Asks the servers. Read-only.

    Args:
        session: where the commands go.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    async def states(self) -> list[ServerState]:
        """Return the state of each server that takes writes; of a cluster, of each master.

        Raises:
            StreamsError: one of them did not answer, or refused the login.
        """
        return [await self._state(place) for place in await self._session.masters()]

    async def _state(self, place: Place) -> ServerState:
        before = time.time()
        (now,) = await self._session.call_at(place, ("TIME",))
        middle = (before + time.time()) / 2
        if isinstance(now, StreamsError):
            raise now
        information, configuration = await self._session.call_at(
            place, ("INFO",), ("CONFIG", "GET", *_OPTIONS)
        )
        return _state(
            self._session.shown(place),
            # Managed servers hide them, and a user may lack the right.
            {} if isinstance(information, StreamsRefusedError) else information_fields(information),
            {} if isinstance(configuration, StreamsRefusedError) else _options(configuration),
            int(now[0]) + int(now[1]) / 1_000_000 - middle,
        )


def _options(flat: list[bytes]) -> dict[str, str]:
    return pair_up([part.decode(errors="replace") for part in flat])


def _state(
    where: str, fields: dict[str, str], options: dict[str, str], ahead_seconds: float
) -> ServerState:
    is_valkey = "valkey_version" in fields
    version = fields.get("valkey_version" if is_valkey else "redis_version", "")
    aof = fields.get("aof_enabled")
    return ServerState(
        where=where,
        name="valkey" if is_valkey else "redis",
        version=tuple(int(part) for part in version.split(".") if part.isdigit()),
        maxmemory_bytes=_number(fields, "maxmemory"),
        maxmemory_policy=fields.get("maxmemory_policy", ""),
        is_aof_on=aof == "1" if aof is not None else None,
        appendfsync=options.get("appendfsync"),
        saves_snapshots=bool(options["save"].strip()) if "save" in options else None,
        failed_writes=tuple(
            name
            for name, field in (
                ("aof", "aof_last_write_status"),
                ("snapshot", "rdb_last_bgsave_status"),
            )
            if fields.get(field, "ok") != "ok"
        ),
        replicas=_number(fields, "connected_slaves"),
        client_share=_client_share(fields),
        clock_ahead_seconds=ahead_seconds,
        is_cluster=fields.get("cluster_enabled") == "1",
    )


def _client_share(fields: dict[str, str]) -> float | None:
    limit = _number(fields, "maxclients")
    used = _number(fields, "connected_clients")
    return used / limit if limit and used is not None else None


def _number(fields: dict[str, Any], name: str) -> int | None:
    text = fields.get(name, "")
    return int(text) if str(text).isdigit() else None
