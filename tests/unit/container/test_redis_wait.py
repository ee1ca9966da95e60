"""Waiting for Redis before anything is started."""

import asyncio

import msgspec
import pytest

from realtime_message.errors import LayoutMismatchError, StartupError
from realtime_message.settings import RedisSettings
from realtime_message.stack.container.redis_wait import wait_for_redis
from support.ports import free_port
from support.valkey_server import ValkeyServer, unique_prefix


async def test_waits_until_redis_answers_and_says_so():
    """A server that comes late is waited for, and each line says what is missing."""
    server = ValkeyServer()
    lines: list[str] = []
    has_said = asyncio.Event()

    def say(line: str) -> None:
        lines.append(line)
        has_said.set()

    settings = RedisSettings(url=server.url, startup_timeout_seconds=30)
    waiting = asyncio.create_task(wait_for_redis(settings, say))
    await asyncio.wait_for(has_said.wait(), 20)
    try:
        await asyncio.to_thread(server.start)
        await waiting
    finally:
        server.close()
    assert "waiting for Redis, 0 of 30 s" in lines[0]
    assert f"127.0.0.1:{server.port}" in lines[0]


async def test_gives_up_when_the_time_is_over():
    """One sentence: where, why, for how long, what to do; a password is never in it."""
    url = f"redis://ada:hunter2@127.0.0.1:{free_port()}"
    lines: list[str] = []
    settings = RedisSettings(url=url, startup_timeout_seconds=2)
    with pytest.raises(StartupError, match=r"waited 2 s .*REDIS_URL"):
        await wait_for_redis(settings, lines.append)
    assert len(lines) == 2
    assert "hunter2" not in "".join(lines)


async def test_what_waiting_does_not_mend_ends_it_at_once(redis_settings: RedisSettings):
    """Another partition count than the stored one is told, not waited for."""
    settings = msgspec.structs.replace(redis_settings, prefix=unique_prefix())
    lines: list[str] = []
    await wait_for_redis(settings, lines.append)
    other = msgspec.structs.replace(settings, partition_count=3)
    with pytest.raises(LayoutMismatchError):
        await wait_for_redis(other, lines.append)
    assert lines == []
