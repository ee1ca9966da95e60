"""The implementations that the contract of streams/contracts.py is tested against."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import AsyncIterator, Iterator

import pytest

from realtime_message.settings import RedisSettings
from realtime_message.streams import Streams, open_streams
from realtime_message.testing import MemoryStreams
from support.streams_outside import AnyStreams
from support.valkey_server import ValkeyServer, unique_prefix


@pytest.fixture(scope="session")
def debian_redis() -> Iterator[ValkeyServer]:
    """The oldest server that is supported: Redis 7.0, as Debian 12 packs it."""
    binary = shutil.which("redis-server")
    if binary is None:
        pytest.skip("no redis-server on PATH")
    server = ValkeyServer(binary=binary).start()
    yield server
    server.close()


@pytest.fixture(params=["valkey", "debian_redis"])
def server(request: pytest.FixtureRequest) -> ValkeyServer:
    """Each server in turn."""
    found: ValkeyServer = request.getfixturevalue(request.param)
    return found


@pytest.fixture
async def server_streams(server: ValkeyServer) -> AsyncIterator[Streams]:
    """Streams with two partitions on each server in turn, for what only a server does."""
    async with _opened(server) as streams:
        yield streams


@pytest.fixture(params=["valkey", "debian_redis", "memory"])
async def streams(request: pytest.FixtureRequest) -> AsyncIterator[AnyStreams]:
    """Streams with two partitions: on each server in turn, and in memory."""
    if request.param == "memory":
        yield MemoryStreams(2)
        return
    server: ValkeyServer = request.getfixturevalue(request.param)
    async with _opened(server) as streams:
        yield streams


@contextlib.asynccontextmanager
async def _opened(server: ValkeyServer) -> AsyncIterator[Streams]:
    # Generous: these tests are about what is answered, not how soon on a busy machine.
    settings = RedisSettings(
        url=server.url, prefix=unique_prefix(), partition_count=2, command_timeout_seconds=10.0
    )
    opened = await open_streams(settings)
    yield opened
    await opened.close()
