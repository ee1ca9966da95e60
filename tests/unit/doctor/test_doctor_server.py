"""What the doctor says about a server, for each state it may be in."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from realtime_message.doctor.server import review_servers
from realtime_message.doctor.server_versions import KNOWN_BUGS, known_bugs
from realtime_message.doctor.spread import review_spread
from realtime_message.settings import CallbackSettings, ChannelRule, RedisSettings, Settings
from realtime_message.streams.server_state import ServerState

SOUND = ServerState(
    where="redis://here:6379",
    name="redis",
    version=(8, 8, 9),
    maxmemory_bytes=10**9,
    maxmemory_policy="noeviction",
    is_aof_on=True,
    appendfsync="everysec",
    saves_snapshots=True,
    failed_writes=(),
    replicas=0,
    client_share=0.1,
    clock_ahead_seconds=0.01,
    is_cluster=False,
)


def _found(redis: dict[str, Any] | None = None, **state: Any) -> list[tuple[str, str]]:
    settings = Settings(redis=RedisSettings(**(redis or {})))
    shown = msgspec.structs.replace(SOUND, **state)
    return [(f.severity, f.what) for f in review_servers([shown], settings)]


def test_sound_server_is_only_named() -> None:
    """No warning where none is due."""
    assert _found() == [("note", "Redis 8.8.9 at redis://here:6379 answers")]


@pytest.mark.parametrize(
    ("redis", "state", "severity", "text"),
    [
        ({}, {"maxmemory_policy": "allkeys-lru"}, "error", "maxmemory-policy allkeys-lru"),
        (
            {},
            {"maxmemory_policy": "volatile-ttl", "maxmemory_bytes": 0},
            "warning",
            "does not happen yet",
        ),
        ({}, {"maxmemory_bytes": 0}, "note", "has no maxmemory"),
        ({}, {"is_aof_on": False}, "warning", "keeps no append-only file"),
        ({}, {"is_aof_on": False, "saves_snapshots": False}, "warning", "saves no snapshots"),
        ({}, {"appendfsync": "no"}, "warning", "appendfsync no"),
        ({}, {"is_aof_on": None}, "note", "does not tell how it persists"),
        ({}, {"failed_writes": ("aof",)}, "error", "could not write its last aof"),
        ({"durability": "fsynced"}, {}, "error", "has appendfsync everysec"),
        ({"durability": "fsynced"}, {"is_aof_on": False}, "error", "has appendonly no"),
        ({"durability": "replicated"}, {}, "error", "needs 1 replica (redis.replicas), but"),
        ({"durability": "replicated"}, {"replicas": 2}, "note", "has 2 replicas, and"),
        ({}, {"clock_ahead_seconds": 2.0}, "warning", "is 2.0 s ahead of this machine's"),
        ({}, {"clock_ahead_seconds": -61.0}, "error", "is 61.0 s behind this machine's"),
        ({}, {"client_share": 0.9}, "warning", "90% of its maxclients"),
    ],
)
def test_each_fault_is_named_with_its_fix(
    redis: dict[str, Any], state: dict[str, Any], severity: str, text: str
) -> None:
    """Once, with what to do."""
    settings = Settings(redis=RedisSettings(**redis))
    shown = msgspec.structs.replace(SOUND, **state)
    found = [f for f in review_servers([shown], settings) if text in f.what]
    assert [f.severity for f in found] == [severity]
    assert found[0].fix or severity == "note"
    others = [f for f in review_servers([shown], settings) if f not in found]
    assert all(f.severity == "note" for f in others)


def test_fsynced_with_always_is_sound() -> None:
    """As the level asks for; also where the server hides its configuration."""
    for appendfsync in ("always", None):
        found = _found({"durability": "fsynced"}, appendfsync=appendfsync)
        assert [severity for severity, _ in found] == ["note"]


def test_level_of_a_single_channel_counts() -> None:
    """The default is not the only one that is asked for."""
    rule = ChannelRule(pattern="pay:*", durability="replicated")
    settings = Settings(callback=CallbackSettings(channels=[rule]))
    assert any("needs 1 replica" in f.what for f in review_servers([SOUND], settings))


def test_every_known_bug_has_a_range_and_a_source() -> None:
    """Nothing is claimed that is not written down somewhere."""
    for bug in KNOWN_BUGS:
        assert bug.first < bug.fixed
        assert bug.source.startswith("https://")
        assert bug.server in {"redis", "valkey"}


@pytest.mark.parametrize(
    ("server", "version", "is_cluster", "count"),
    [
        ("redis", (7, 0, 3), False, 3),
        ("redis", (7, 0, 15), False, 2),
        ("redis", (7, 2, 4), False, 2),
        ("redis", (7, 2, 4), True, 3),
        ("redis", (7, 2, 11), True, 0),
        ("redis", (8, 6, 2), False, 1),
        ("redis", (8, 6, 3), False, 0),
        ("valkey", (8, 1, 0), False, 3),
        ("valkey", (9, 0, 3), False, 1),
        ("valkey", (9, 1, 2), True, 0),
        ("redis", (), False, 0),
    ],
)
def test_releases_have_the_bugs_that_are_written_down(
    server: str, version: tuple[int, ...], is_cluster: bool, count: int
) -> None:
    """And the mended ones have none."""
    found = list(known_bugs(server, version, "here", is_cluster=is_cluster))
    assert len(found) == count
    assert all("upgrade to" in finding.fix for finding in found)


def test_master_without_a_partition_is_named() -> None:
    """A single server is no matter of spread."""
    assert list(review_spread({"a": 8})) == []
    assert [f.severity for f in review_spread({"a": 4, "b": 4})] == ["note"]
    (found,) = review_spread({"a": 5, "b": 3, "c": 0})
    assert found.severity == "warning"
    assert "c 0" in found.what
