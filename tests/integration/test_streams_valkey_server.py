"""The private server that tests break: its own faults work as named."""

from collections.abc import Iterator

import pytest
import redis

from realtime_message.settings import RedisSettings
from support.valkey_server import ValkeyServer


@pytest.fixture
def server() -> Iterator[ValkeyServer]:
    server = ValkeyServer(durable=True).start()
    yield server
    server.close()


def test_killed_server_keeps_confirmed_writes(server: ValkeyServer) -> None:
    """With `durable`, SIGKILL and a restart keep what was confirmed."""
    server.client().set("a", "1")
    server.restart()
    assert server.client().get("a") == "1"


def test_paused_server_answers_nothing_until_resumed(server: ValkeyServer) -> None:
    """A paused server keeps the connection open and silent."""
    client = redis.Redis.from_url(server.url, socket_timeout=0.2, retry=None)
    client.ping()
    server.pause()
    with pytest.raises(redis.TimeoutError):
        client.ping()
    server.resume()
    assert client.ping()


def test_wrong_option_is_reported_with_the_servers_log() -> None:
    """A server that does not start says why."""
    server = ValkeyServer({"no-such-option": "1"})
    with pytest.raises(RuntimeError, match="no-such-option"):
        server.start()
    server.close()


def test_settings_point_at_the_shared_server(redis_settings: RedisSettings) -> None:
    """The settings fixture names a server that answers."""
    assert redis.Redis.from_url(redis_settings.url).ping()
