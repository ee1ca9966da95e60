"""Levels of durability: confirmed only when reached, and never at another level's cost."""

from __future__ import annotations

import asyncio
import contextlib
import re
import shutil
from collections.abc import AsyncIterator, Iterator

import pytest
import structlog

from realtime_message.errors import ConfigurationError, StreamsUnavailableError
from realtime_message.settings import ChannelDurability, RedisSettings
from realtime_message.streams import Streams, open_streams
from realtime_message.streams.contracts import Appended, Dedup
from realtime_message.streams.wire import Wire
from support.eventually import eventually
from support.replicated_servers import ReplicatedServers
from support.server_abilities import require_waitaof
from support.valkey_server import ValkeyServer, unique_prefix


@pytest.fixture
def servers() -> Iterator[ReplicatedServers]:
    """A primary with one replica."""
    with ReplicatedServers() as running:
        yield running


@pytest.fixture(scope="module")
def synced_server() -> Iterator[ValkeyServer]:
    """A server that syncs each write to its disk; not to be broken."""
    with ValkeyServer(durable=True) as server:
        require_waitaof(server)
        yield server


@contextlib.asynccontextmanager
async def _opened(url: str, prefix: str = "", **more: object) -> AsyncIterator[Streams]:
    values: dict[str, object] = {"partition_count": 2, "command_timeout_seconds": 10.0, **more}
    streams = await open_streams(
        RedisSettings(url=url, prefix=prefix or unique_prefix(), **values)  # type: ignore[arg-type]
    )
    try:
        yield streams
    finally:
        await streams.close()


async def _confirmed(streams: Streams, payload: bytes, dedup: Dedup | None = None) -> Appended:
    """Append until it is confirmed."""
    appender = await streams.appender()

    async def attempt() -> Appended | None:
        with contextlib.suppress(StreamsUnavailableError):
            return await appender.append(0, payload, dedup)
        return None

    appended = await eventually(attempt, within_seconds=60)
    assert appended is not None
    return appended


def _payloads(server: ValkeyServer, streams: Streams) -> list[str]:
    return [fields["payload"] for _, fields in server.client().xrange(streams.keys.stream(0))]


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Everything that is written to Redis in callbacks, that is, by appenders."""
    found: list[bytes] = []
    send = Wire.send

    def watch(self: Wire, data: bytes, expected: int, on_replies: object) -> None:
        found.append(data)
        send(self, data, expected, on_replies)  # type: ignore[arg-type]

    monkeypatch.setattr(Wire, "send", watch)
    return found


@pytest.mark.parametrize(
    ("durability", "command"), [("memory", None), ("fsynced", b"WAITAOF"), ("replicated", b"WAIT")]
)
async def test_a_batch_has_one_barrier_of_its_level(
    servers: ReplicatedServers,
    written: list[bytes],
    durability: ChannelDurability,
    command: bytes | None,
) -> None:
    """All appends of a batch share one WAIT or WAITAOF; in memory there is none."""
    if durability == "fsynced":
        require_waitaof(servers.primary)
        servers.primary.client().config_set("appendfsync", "always")
    async with _opened(servers.primary.url) as streams:
        appender = await streams.appender([durability])
        written.clear()
        await asyncio.gather(
            *(appender.append(n % 2, b"x", durability=durability) for n in range(100))
        )
        batches = [data for data in written if b"XADD" in data]
        assert sum(data.count(b"XADD") for data in batches) == 100
        barriers = [re.findall(rb"\r\n(WAIT\w*)\r\n", data) for data in batches]
        assert barriers == [[command] if command else []] * len(batches)
        assert len(batches) < 10


async def test_replicated_append_fails_while_the_replica_is_frozen(
    servers: ReplicatedServers,
) -> None:
    """Without its replica an append ends with a temporary error within the time-out; the entry is
    there, and appends are confirmed again once the replica is back."""
    replica = servers.replicas[0]
    async with _opened(
        servers.primary.url, durability="replicated", command_timeout_seconds=2.0
    ) as streams:
        appender = await streams.appender()
        await appender.append(0, b"before")
        replica.pause()
        async with asyncio.timeout(30):
            with pytest.raises(StreamsUnavailableError, match="0 of 1 replicas"):
                await appender.append(0, b"unconfirmed")
            with pytest.raises(StreamsUnavailableError, match="not replicated"):
                await appender.check()
        assert appender.is_connected, "a barrier that gives up must not cost the connection"
        assert _payloads(servers.primary, streams) == ["before", "unconfirmed"]
        replica.resume()
        await _confirmed(streams, b"after")
        await appender.check()


async def test_resend_waits_for_the_level_of_the_first(servers: ReplicatedServers) -> None:
    """A resend to another process is not confirmed before the replica has the first append, though
    that process has written nothing itself; then it gets the first one's reply."""
    replica, prefix = servers.replicas[0], unique_prefix()
    level = {"durability": "replicated", "command_timeout_seconds": 2.0}
    async with (
        _opened(servers.primary.url, prefix, **level) as one,
        _opened(servers.primary.url, prefix, **level) as other,
    ):
        dedup = Dedup("u|c|1", b"first", 60_000)
        replica.pause()
        with pytest.raises(StreamsUnavailableError):
            await (await one.appender()).append(0, b"x", dedup)
        key = one.keys.dedup(0, "*").replace("{", "[{]").replace("}", "[}]")
        (mark,) = servers.primary.client().keys(key)
        expires_at = servers.primary.client().pexpiretime(mark)
        again = Dedup("u|c|1", b"second", 60_000)
        with pytest.raises(StreamsUnavailableError, match="0 of 1 replicas"):
            await (await other.appender()).append(0, b"x", again)
        replica.resume()
        assert (await _confirmed(other, b"x", again)).stored_reply == b"first"
        assert _payloads(servers.primary, one) == ["x"]
        assert _payloads(replica, one) == ["x"]
        # Resends do not prolong the window.
        assert servers.primary.client().pexpiretime(mark) == expires_at


async def test_memory_does_not_wait_for_other_levels(servers: ReplicatedServers) -> None:
    """While replicated appends wait for a frozen replica, those in memory are confirmed."""
    async with _opened(servers.primary.url, command_timeout_seconds=30.0) as streams:
        appender = await streams.appender(["replicated"])
        servers.replicas[0].pause()
        waiting = [
            asyncio.create_task(appender.append(0, b"slow", durability="replicated"))
            for _ in range(10)
        ]
        for _ in range(20):
            assert isinstance(await appender.append(0, b"quick"), Appended)
        assert not any(task.done() for task in waiting)
        servers.replicas[0].resume()
        assert all(isinstance(outcome, Appended) for outcome in await asyncio.gather(*waiting))


async def test_connection_lost_while_waiting_confirms_nothing(servers: ReplicatedServers) -> None:
    """An entry whose barrier was not answered is not confirmed, though its own reply came."""
    async with _opened(servers.primary.url, durability="replicated") as streams:
        appender = await streams.appender()
        servers.replicas[0].pause()
        waiting = asyncio.create_task(appender.append(0, b"x"))
        client = servers.primary.client()

        async def is_stored() -> bool:
            return bool(client.xlen(streams.keys.stream(0)))

        await eventually(is_stored)
        client.client_kill_filter(_type="normal", skipme=True)
        with pytest.raises(StreamsUnavailableError, match="lost"):
            await waiting
        servers.replicas[0].resume()
        await _confirmed(streams, b"y")


async def test_barrier_sends_an_unknown_script_again(servers: ReplicatedServers) -> None:
    """After SCRIPT FLUSH the text is sent, with a barrier of its own."""
    async with _opened(servers.primary.url, durability="replicated") as streams:
        appender = await streams.appender()
        servers.primary.client().script_flush()
        dedup = Dedup("u|c|1", b"r", 60_000)
        outcomes = await asyncio.gather(
            *(appender.append(0, b"x", dedup) for _ in range(5)), appender.append(0, b"plain")
        )
        assert sum(outcome.is_duplicate for outcome in outcomes) == 4


async def test_too_few_replicas_are_a_warning_at_the_start(servers: ReplicatedServers) -> None:
    """The process starts, says what is missing, and is not ready until the replica is there."""
    with structlog.testing.capture_logs() as logs:
        async with _opened(
            servers.primary.url, durability="replicated", replicas=2, command_timeout_seconds=2.0
        ) as streams:
            appender = await streams.appender()
            with pytest.raises(StreamsUnavailableError, match="1 of 2 replicas"):
                await appender.check()
            servers.add_replica()
            servers.wait_until_in_sync()
            await _confirmed(streams, b"x")
            await appender.check()
    (warning,) = [log for log in logs if log["event"] == "replicas.missing"]
    assert (warning["found"], warning["needed"], warning["log_level"]) == (1, 2, "warning")


async def test_fsynced_append_is_on_the_disk(synced_server: ValkeyServer) -> None:
    """What is confirmed as fsynced stands in the append-only file."""
    async with _opened(synced_server.url, durability="fsynced") as streams:
        appender = await streams.appender()
        await appender.check()
        await appender.append(0, b"on the disk")
        files = (synced_server.directory / "appendonlydir").glob("*.incr.aof")
        assert any(b"on the disk" in file.read_bytes() for file in files)


async def test_fsynced_needs_an_append_only_file() -> None:
    """Without appendonly the start ends with what to change."""
    with ValkeyServer({"appendonly": "no"}) as server:
        require_waitaof(server)
        async with _opened(server.url, durability="fsynced") as streams:
            with pytest.raises(ConfigurationError, match=r"has appendonly no: change it there"):
                await streams.appender()


@pytest.mark.parametrize("policy", ["everysec", "no"])
async def test_fsynced_needs_a_sync_for_each_write(policy: str) -> None:
    """With another appendfsync, under which WAITAOF cannot be relied on, nothing starts."""
    with ValkeyServer({"appendfsync": policy}) as server:
        require_waitaof(server)
        async with _opened(server.url) as streams:
            with pytest.raises(ConfigurationError, match=f"has appendfsync {policy}"):
                await streams.appender(["fsynced"])


async def test_fsynced_needs_a_server_that_knows_waitaof() -> None:
    """Redis 7.0 is refused for fsynced by the missing command, and serves the other levels."""
    binary = shutil.which("redis-server")
    if binary is None:
        pytest.skip("no redis-server on PATH")
    with ValkeyServer(binary=binary, durable=True) as server:
        if "waitaof" in server.client().command():
            pytest.skip("this redis-server is too new")
        async with _opened(server.url) as streams:
            with pytest.raises(ConfigurationError, match=r"WAITAOF.*use Redis 7\.2 or newer"):
                await streams.appender(["fsynced"])
            assert isinstance(await (await streams.appender()).append(0, b"x"), Appended)


async def test_fsync_policy_that_may_not_be_seen_is_a_warning(synced_server: ValkeyServer) -> None:
    """Where CONFIG GET is not allowed, the start says what it could not check."""
    admin = synced_server.client()
    admin.acl_setuser(
        "guest", enabled=True, passwords="+pw", keys="*", commands=["+@all", "-config"]
    )
    url = synced_server.url.replace("redis://", "redis://guest:pw@")
    with structlog.testing.capture_logs() as logs:
        async with _opened(url, durability="fsynced") as streams:
            assert isinstance(await (await streams.appender()).append(0, b"x"), Appended)
    assert [log["needed"] for log in logs if log["event"] == "appendfsync.unknown"] == ["always"]


async def test_append_only_file_switched_off_later_confirms_nothing() -> None:
    """An operator who switches it off turns fsynced appends into temporary errors."""
    with ValkeyServer(durable=True) as server:
        require_waitaof(server)
        async with _opened(server.url, durability="fsynced") as streams:
            appender = await streams.appender()
            await appender.append(0, b"x")
            server.client().config_set("appendonly", "no")
            with pytest.raises(StreamsUnavailableError, match="not fsynced"):
                await appender.append(0, b"y")
            with pytest.raises(StreamsUnavailableError, match="not fsynced"):
                await appender.check()


async def test_level_that_comes_later_is_opened(synced_server: ValkeyServer) -> None:
    """Asking for one more level opens it beside the others, once."""
    async with _opened(synced_server.url) as streams:
        first = await streams.appender()
        assert first.levels == {"memory"}
        second = await streams.appender(["fsynced", "default", "memory"])
        assert second is first
        assert first.levels == {"memory", "fsynced"}
        outcomes = await asyncio.gather(
            *(first.append(0, b"x", durability=level) for level in ("default", "fsynced", "memory"))
        )
        assert all(isinstance(outcome, Appended) for outcome in outcomes)


def test_a_server_that_may_evict_is_a_warning() -> None:
    """Redis that may throw keys away when it is full is named at the start."""
    with (
        ValkeyServer({"maxmemory": "100mb", "maxmemory-policy": "allkeys-lru"}) as server,
        structlog.testing.capture_logs() as logs,
    ):

        async def run() -> None:
            async with _opened(server.url):
                pass

        asyncio.run(run())
    (warning,) = [log for log in logs if log["event"] == "eviction.allowed"]
    assert warning["maxmemory_policy"] == "allkeys-lru"
