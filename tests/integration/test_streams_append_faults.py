"""Appending while the server, the connection or a caller fails."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator

import pytest
import redis
import uvloop

from realtime_message.errors import (
    StreamsFullError,
    StreamsRefusedError,
    StreamsUnavailableError,
)
from realtime_message.settings import RedisSettings
from realtime_message.streams import Streams, open_streams, pipeline
from realtime_message.streams.append import PipelinedAppender
from realtime_message.streams.contracts import Appended, Dedup
from support.eventually import eventually
from support.ports import free_port
from support.tcp_proxy import TcpProxy
from support.valkey_server import ValkeyServer, unique_prefix


@pytest.fixture
def own_server() -> Iterator[ValkeyServer]:
    """A server that this test may break; what it confirmed is on the disk."""
    server = ValkeyServer(durable=True).start()
    yield server
    server.close()


@contextlib.asynccontextmanager
async def _opened(url: str, timeout_seconds: float = 10.0) -> AsyncIterator[Streams]:
    streams = await open_streams(
        RedisSettings(
            url=url,
            prefix=unique_prefix(),
            partition_count=2,
            command_timeout_seconds=timeout_seconds,
            max_memory_share=0,  # what the server itself says of its memory is looked at here
        )
    )
    try:
        yield streams
    finally:
        await streams.close()


async def _appends_again(appender: PipelinedAppender) -> Appended:
    async def attempt() -> Appended | None:
        with contextlib.suppress(StreamsUnavailableError, StreamsRefusedError):
            return await appender.append(0, b"again")
        return None

    appended = await eventually(attempt)
    assert appended is not None
    return appended


def _stored(server: ValkeyServer, streams: Streams, partition: int = 0) -> list[str]:
    rows = server.client().xrange(streams.keys.stream(partition))
    return [fields["payload"] for _, fields in rows]


async def test_killed_server_loses_nothing_that_was_confirmed(own_server: ValkeyServer) -> None:
    """SIGKILL and a restart under load: confirmed is stored, in order; the rest failed; then it
    goes on by itself."""
    async with _opened(own_server.url) as streams:
        appender = await streams.appender()
        confirmed: list[str] = []
        refused: list[Exception] = []

        async def send(sender: int) -> None:
            for n in range(10_000):
                payload = f"{sender}:{n}"
                try:
                    await appender.append(0, payload.encode())
                    confirmed.append(payload)
                except StreamsUnavailableError as error:
                    refused.append(error)
                    return

        senders = [asyncio.create_task(send(sender)) for sender in range(20)]

        async def is_busy() -> bool:
            return len(confirmed) > 500

        await eventually(is_busy)
        own_server.kill()
        await asyncio.gather(*senders)
        own_server.start()
        await _appends_again(appender)
        stored = _stored(own_server, streams)
        assert len(refused) == 20
        assert set(confirmed) <= set(stored)
        for sender in range(20):
            mine = [int(p.split(":")[1]) for p in stored if p.startswith(f"{sender}:")]
            assert mine == sorted(set(mine))


async def test_frozen_server_fails_appends_within_the_deadline(own_server: ValkeyServer) -> None:
    """A server that answers nothing fails appends while it is still frozen, and serves again
    once it goes on."""
    async with _opened(own_server.url, timeout_seconds=0.5) as streams:
        appender = await streams.appender()
        await appender.append(0, b"before")
        own_server.pause()
        outcomes = await asyncio.gather(
            *(appender.append(0, b"x") for _ in range(50)), return_exceptions=True
        )
        assert {type(outcome) for outcome in outcomes} == {StreamsUnavailableError}
        own_server.resume()
        await _appends_again(appender)


async def test_lost_connection_fails_exactly_what_was_under_way(valkey: ValkeyServer) -> None:
    """What waits for the next write goes out on the next connection."""
    async with TcpProxy(valkey.port) as proxy, _opened(proxy.url_of(valkey.url)) as streams:
        appender = await streams.appender()
        proxy.swallow_reply_to(b"under way")
        under_way = asyncio.create_task(appender.append(0, b"under way"))
        await asyncio.sleep(0)  # submitted
        await asyncio.sleep(0)  # written
        waiting = asyncio.create_task(appender.append(0, b"waiting"))
        with pytest.raises(StreamsUnavailableError):
            await under_way
        assert isinstance(await waiting, Appended)
        assert _stored(valkey, streams) == ["under way", "waiting"]


async def test_resend_after_a_lost_confirmation_is_one_entry(valkey: ValkeyServer) -> None:
    """A client that resends what was stored without a confirmation gets the first reply."""
    async with TcpProxy(valkey.port) as proxy, _opened(proxy.url_of(valkey.url)) as streams:
        appender = await streams.appender()
        dedup = Dedup("u|c|1", b"first", 60_000)
        proxy.swallow_reply_to(b"EVALSHA")
        with pytest.raises(StreamsUnavailableError):
            await appender.append(0, b"x", dedup)
        assert (await appender.append(0, b"x", dedup)).stored_reply == b"first"
        assert _stored(valkey, streams) == ["x"]


async def test_stopped_server_fails_appends_at_once(own_server: ValkeyServer) -> None:
    """Once an attempt to reconnect has failed, nobody waits for the deadline."""
    async with _opened(own_server.url, timeout_seconds=600.0) as streams:
        appender = await streams.appender()
        own_server.kill()

        async def is_refused() -> bool:
            with contextlib.suppress(StreamsUnavailableError):
                await appender.append(0, b"x")
                return False
            return appender._levels["memory"]._refusal is not None

        await eventually(is_refused)
        async with asyncio.timeout(5):
            with pytest.raises(StreamsUnavailableError, match=f"127.0.0.1:{own_server.port}"):
                await appender.append(0, b"x")
            with pytest.raises(StreamsUnavailableError):
                await appender.check()
        own_server.start()
        await _appends_again(appender)


async def test_full_server_refuses_and_recovers(own_server: ValkeyServer) -> None:
    """Out of memory is a refusal of that append, with nothing stored, until there is room."""
    async with _opened(own_server.url) as streams:
        appender = await streams.appender()
        client = own_server.client()
        client.config_set("maxmemory", "1")
        client.config_set("maxmemory-policy", "noeviction")
        dedup = Dedup("u|c|1", b"reply", 60_000)
        with pytest.raises(StreamsFullError, match="OOM"):
            await appender.append(0, b"x")
        with pytest.raises(StreamsFullError, match="OOM"):
            await appender.append(0, b"x", dedup)
        with pytest.raises(StreamsFullError, match="OOM"):
            await appender.check()
        client.config_set("maxmemory", "0")
        assert not (await appender.append(0, b"now", dedup)).is_duplicate
        assert _stored(own_server, streams) == ["now"]


async def test_demoted_server_refuses_until_a_primary_answers(own_server: ValkeyServer) -> None:
    """A read-only server refuses; the connection is opened again to find the primary."""
    async with _opened(own_server.url) as streams:
        appender = await streams.appender()
        client = own_server.client()
        client.replicaof("127.0.0.1", str(free_port()))
        with pytest.raises(StreamsRefusedError, match="READONLY"):
            await appender.append(0, b"x")
        client.replicaof("NO", "ONE")
        await _appends_again(appender)
        assert _stored(own_server, streams)[-1] == "again"


async def test_wrong_type_refuses_that_entry_only(redis_settings: RedisSettings) -> None:
    """One refused entry leaves its batch alone."""
    async with _opened(redis_settings.url) as streams:
        client = redis.Redis.from_url(redis_settings.url)
        client.set(streams.keys.stream(0), "no stream")
        appender = await streams.appender()
        outcomes = await asyncio.gather(
            *(appender.append(n % 2, b"x") for n in range(10)), return_exceptions=True
        )
        assert [type(outcome) for outcome in outcomes] == [StreamsRefusedError, Appended] * 5


async def test_callback_that_raises_stops_nobody(redis_settings: RedisSettings) -> None:
    """The pipeline goes on after a caller's callback failed."""
    async with _opened(redis_settings.url) as streams:
        appender = await streams.appender()

        def broken(_: Appended | Exception) -> None:
            raise RuntimeError("a caller's bug")

        outcomes = []
        for _ in range(10):
            appender.submit(0, b"x", broken)
            outcomes.append(asyncio.ensure_future(appender.append(0, b"y")))
        assert all(isinstance(outcome, Appended) for outcome in await asyncio.gather(*outcomes))
        assert isinstance(await appender.append(0, b"z"), Appended)


async def test_cancelled_append_stops_nobody(redis_settings: RedisSettings) -> None:
    """A caller that gives up leaves the others their outcomes."""
    async with _opened(redis_settings.url) as streams:
        appender = await streams.appender()
        tasks = [asyncio.create_task(appender.append(0, b"x")) for _ in range(10)]
        await asyncio.sleep(0)
        tasks[3].cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert sum(isinstance(outcome, Appended) for outcome in outcomes) == 9


@pytest.mark.parametrize("limit", ["MAX_QUEUED_ENTRIES", "MAX_QUEUED_BYTES"])
async def test_full_queue_refuses_at_once(
    own_server: ValkeyServer, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    """What would queue beyond the bound fails at once; what was taken goes through."""
    async with _opened(own_server.url, timeout_seconds=30.0) as streams:
        appender = await streams.appender()
        own_server.pause()
        taken = [asyncio.create_task(appender.append(0, b"x" * 100)) for _ in range(10)]
        await asyncio.sleep(0)  # submitted
        await asyncio.sleep(0)  # written
        monkeypatch.setattr(pipeline, limit, 10)
        with pytest.raises(StreamsUnavailableError, match="too many appends wait"):
            await appender.append(0, b"y")
        own_server.resume()
        assert all(isinstance(outcome, Appended) for outcome in await asyncio.gather(*taken))
        assert isinstance(await appender.append(0, b"z"), Appended)


async def test_script_unknown_to_the_server_is_sent_again(own_server: ValkeyServer) -> None:
    """After SCRIPT FLUSH resends are still recognised, and nothing fails."""
    async with _opened(own_server.url) as streams:
        appender = await streams.appender()
        own_server.client().script_flush()
        outcomes = await asyncio.gather(
            *(appender.append(0, b"x", Dedup(f"{n % 5}", b"r", 60_000)) for n in range(20)),
            appender.append(0, b"plain"),
        )
        assert sum(outcome.is_duplicate for outcome in outcomes) == 15
        assert len(_stored(own_server, streams)) == 6


async def test_closing_waits_for_what_was_taken(redis_settings: RedisSettings) -> None:
    """Close confirms what was submitted, and refuses what comes later."""
    async with _opened(redis_settings.url) as streams:
        appender = await streams.appender()
        tasks = [asyncio.create_task(appender.append(0, b"x")) for _ in range(2000)]
        await asyncio.sleep(0)
        await appender.close()
        assert all(isinstance(outcome, Appended) for outcome in await asyncio.gather(*tasks))
        with pytest.raises(StreamsUnavailableError, match="closed"):
            await appender.append(0, b"y")


async def test_closing_while_the_server_is_frozen_ends(own_server: ValkeyServer) -> None:
    """Close ends with the deadline of what was taken, whatever the server does."""
    async with _opened(own_server.url, timeout_seconds=0.3) as streams:
        appender = await streams.appender()
        own_server.pause()
        task = asyncio.create_task(appender.append(0, b"x"))
        await asyncio.sleep(0)
        async with asyncio.timeout(30):
            await appender.close()
        with pytest.raises(StreamsUnavailableError):
            await task


@pytest.mark.parametrize("size", [0, 1, 65_536, 6_000_000])
async def test_payloads_of_all_sizes(redis_settings: RedisSettings, size: int) -> None:
    """A payload is stored byte for byte, also one larger than a batch."""
    async with _opened(redis_settings.url) as streams:
        appender = await streams.appender()
        payload = b"\r\n" + b"x" * size
        first, second = await asyncio.gather(
            appender.append(0, payload), appender.append(0, b"after")
        )
        rows = redis.Redis.from_url(redis_settings.url).xrange(streams.keys.stream(0))
        assert [fields[b"payload"] for _, fields in rows] == [payload, b"after"]
        assert [entry_id.decode() for entry_id, _ in rows] == [first.entry_id, second.entry_id]


def test_killed_connections_are_replaced_on_uvloop(valkey: ValkeyServer) -> None:
    """The same on the event loop that production uses."""

    async def run() -> None:
        async with _opened(valkey.url) as streams:
            appender = await streams.appender()
            await asyncio.gather(*(appender.append(0, b"x") for _ in range(1000)))
            wire = appender._levels["memory"]._wire
            assert wire is not None
            wire._transport.abort()
            await _appends_again(appender)
            assert len(_stored(valkey, streams)) == 1001

    uvloop.run(run())
