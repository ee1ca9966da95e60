"""Opening the streams: every way in which a server can be unusable has a sentence that helps."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvloop

from realtime_message.errors import (
    ConfigurationError,
    RealtimeMessageError,
    StartupError,
    UnsupportedServerError,
)
from realtime_message.redis_url import parse_redis_url
from realtime_message.settings import RedisSettings
from realtime_message.streams import open_streams
from realtime_message.streams.startup import _check_information
from support.certificates import make_certificate
from support.ports import free_port
from support.streams_use import use_everything
from support.valkey_server import ValkeyServer, unique_prefix


def _settings(url: str, **more: object) -> RedisSettings:
    values: dict[str, object] = {"startup_timeout_seconds": 0.3, "partition_count": 2}
    return RedisSettings(url=url, prefix=unique_prefix(), **(values | more))  # type: ignore[arg-type]


@pytest.fixture
def guarded() -> Iterator[ValkeyServer]:
    """A server with a password and a user `rtm` whose rights a test sets."""
    server = ValkeyServer({"requirepass": "s3cret/word"}).start()
    yield server
    server.close()


def _admin(server: ValkeyServer) -> object:
    import redis  # noqa: PLC0415 - a client with the password as it is, not as in a URL

    return redis.Redis(port=server.port, password="s3cret/word", decode_responses=True)


async def test_unreachable_server_is_named_with_what_to_do() -> None:
    """Nothing listens: the text has host and port, for how long was tried, and the setting."""
    port = free_port()
    with pytest.raises(
        StartupError, match=rf"127.0.0.1:{port} .*within 0.3 s.*REDIS_URL"
    ) as raised:
        await open_streams(_settings(f"redis://:s3cret@127.0.0.1:{port}"))
    assert raised.value.exit_code == 3
    assert "s3cret" not in str(raised.value)


async def test_server_that_comes_later_is_waited_for() -> None:
    """A start waits for Redis, so that both may be started at once."""
    server = ValkeyServer()
    opening = asyncio.create_task(open_streams(_settings(server.url, startup_timeout_seconds=60.0)))
    await asyncio.sleep(0.1)
    assert not opening.done()
    await asyncio.to_thread(server.start)
    streams = await opening
    await use_everything(streams)
    await streams.close()
    server.close()


async def test_frozen_server_ends_the_start_in_time() -> None:
    """A server that takes connections and says nothing is unreachable, too."""
    with ValkeyServer() as server:
        server.pause()
        settings = _settings(server.url, connect_timeout_seconds=0.2, command_timeout_seconds=0.2)
        async with asyncio.timeout(30):
            with pytest.raises(StartupError, match=r"no answer within 0\.2 s"):
                await open_streams(settings)


@pytest.mark.parametrize("login", ["", ":wrong@", "nobody:s3cret%2Fword@"])
async def test_refused_login_is_told_at_once(guarded: ValkeyServer, login: str) -> None:
    """A wrong password, user, or none ends the start without waiting, and is not repeated."""
    url = f"redis://{login}127.0.0.1:{guarded.port}"
    async with asyncio.timeout(20):
        with pytest.raises(ConfigurationError, match=r"refused the login.*REDIS_URL") as raised:
            await open_streams(_settings(url, startup_timeout_seconds=600.0))
    assert "s3cret" not in str(raised.value)
    assert ":wrong@" not in str(raised.value)


async def test_password_with_special_characters(guarded: ValkeyServer) -> None:
    """A password is given percent-encoded."""
    streams = await open_streams(_settings(f"redis://:s3cret%2Fword@127.0.0.1:{guarded.port}"))
    await use_everything(streams)
    assert "s3cret" not in streams.where
    await streams.close()


async def test_missing_rights_are_all_named(guarded: ValkeyServer) -> None:
    """A user without some rights learns which, in one go."""
    _admin(guarded).acl_setuser(  # type: ignore[attr-defined]
        "rtm", enabled=True, passwords="+pw", keys="*", commands=["+@all", "-xreadgroup", "-xtrim"]
    )
    with pytest.raises(UnsupportedServerError, match=r"'xreadgroup'.*'xtrim'.*two patterns"):
        await open_streams(_settings(f"redis://rtm:pw@127.0.0.1:{guarded.port}"))


async def test_keys_of_another_prefix_are_not_allowed(guarded: ValkeyServer) -> None:
    """A user whose key patterns do not fit the prefix learns the patterns."""
    rule = "on >pw resetkeys ~other:* +@all"
    _admin(guarded).execute_command(  # type: ignore[attr-defined]
        "ACL", "SETUSER", "rtm", *rule.split()
    )
    settings = _settings(f"redis://rtm:pw@127.0.0.1:{guarded.port}")
    with pytest.raises(UnsupportedServerError, match=f"~{settings.prefix}:"):
        await open_streams(settings)


async def test_missing_command_is_named() -> None:
    """A server on which an operator disabled a command is refused by that command's name."""
    with (
        ValkeyServer({"rename-command": ("XCLAIM", "")}) as server,
        pytest.raises(UnsupportedServerError, match="unknown command 'XCLAIM'"),
    ):
        await open_streams(_settings(server.url))


async def test_replica_is_refused() -> None:
    """A read-only replica is refused with what to do."""
    with ValkeyServer() as server:
        server.client().replicaof("127.0.0.1", str(free_port()))
        with pytest.raises(ConfigurationError, match=r"read-only replica.*primary"):
            await open_streams(_settings(server.url))


@pytest.mark.parametrize(("version", "is_old"), [("6.2.14", True), ("7.0.0", False), ("8", False)])
def test_old_servers_are_refused_by_version(version: str, is_old: bool) -> None:
    """Versions below 7.0 are refused with the oldest that fits."""
    information = {"redis_version": version, "redis_mode": "standalone"}
    if is_old:
        with pytest.raises(UnsupportedServerError, match=r"6.2.14; 7.0 or newer"):
            _check_information(information, "redis://h:1")
    else:
        _check_information(information, "redis://h:1")


async def test_port_of_something_else_is_told() -> None:
    """A port on which no Redis answers ends the start with what came instead."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        with pytest.raises(StartupError, match="Protocol error"):
            await open_streams(_settings(f"redis://127.0.0.1:{port}"))


@pytest.mark.parametrize(
    "url",
    [
        "localhost:6379",
        "http://user:s3cret@localhost",
        "redis://user:s3cret@localhost:port",
        "redis://:s3cret/x@localhost:6379",
        "redis://localhost?no_such_option=s3cret",
        "redis://localhost?socket_timeout=s3cret",
        "s3cret",
    ],
)
async def test_url_that_is_none_is_refused_without_its_password(url: str) -> None:
    """A URL that cannot be understood is one sentence, which quotes nothing of it."""
    with pytest.raises(ConfigurationError, match="REDIS_URL") as raised:
        await open_streams(_settings(url))
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://localhost", "redis://localhost:6379"),
        ("redis://:pw@h:1/0", "redis://h:1"),
        ("rediss://u:pw@h:1/3?ssl_cert_reqs=none", "rediss://u@h:1/3"),
        ("redis://u:p%40w@[::1]:1", "redis://u@[::1]:1"),
        ("unix://:pw@/run/redis.sock?db=1", "unix:///run/redis.sock"),
    ],
)
def test_shown_url_has_no_password(url: str, shown: str) -> None:
    """What stands in texts and logs never has the password."""
    assert parse_redis_url(url).shown == shown


async def test_unix_socket(valkey: ValkeyServer) -> None:
    """A Unix socket serves as well."""
    streams = await open_streams(_settings(valkey.unix_url))
    await use_everything(streams)
    await streams.close()


async def test_database_number(valkey: ValkeyServer) -> None:
    """The URL's database is used, by the renewer too."""
    streams = await open_streams(_settings(valkey.url.replace("/0", "/5")))
    await use_everything(streams)
    await streams.close()


async def test_errors_of_the_start_are_ours(valkey: ValkeyServer) -> None:
    """A database that does not exist is a sentence, not a traceback of redis-py."""
    with pytest.raises(RealtimeMessageError):
        await open_streams(_settings(valkey.url.replace("/0", "/9999")))


@pytest.fixture
def tls_server(tmp_path: Path) -> Iterator[tuple[ValkeyServer, int, Path]]:
    """A server that speaks TLS, its TLS port, and the certificate that signs for it."""
    binary = shutil.which("redis-server")
    if binary is None:
        pytest.skip("needs redis-server with TLS on PATH")
    made, port = make_certificate(tmp_path), free_port()
    server = ValkeyServer({**made.options(port), "requirepass": "pw"}, binary=binary).start()
    yield server, port, made.certificate
    server.close()


async def test_tls_with_login(tls_server: tuple[ValkeyServer, int, Path]) -> None:
    """Over TLS with a password everything works, also the connection that was taken over."""
    _, port, certificate = tls_server
    url = f"rediss://:pw@127.0.0.1:{port}?ssl_ca_certs={certificate}"
    streams = await open_streams(_settings(url))
    await use_everything(streams)
    before = (await streams.inspect.partitions())[1].length
    appender = await streams.appender()
    before = (await streams.inspect.partitions())[1].length
    await asyncio.gather(*(appender.append(1, b"x" * 5000) for _ in range(500)))
    assert (await streams.inspect.partitions())[1].length == before + 500
    await streams.close()


def test_tls_on_uvloop(tls_server: tuple[ValkeyServer, int, Path]) -> None:
    """The same on the event loop that production uses."""
    _, port, certificate = tls_server

    async def run() -> None:
        url = f"rediss://:pw@127.0.0.1:{port}?ssl_ca_certs={certificate}"
        streams = await open_streams(_settings(url))
        await use_everything(streams)
        await streams.close()

    uvloop.run(run())


async def test_tls_certificate_that_is_not_trusted(
    tls_server: tuple[ValkeyServer, int, Path],
) -> None:
    """An unknown certificate ends the start with the reason."""
    _, port, _ = tls_server
    with pytest.raises(StartupError, match=r"(?i)certificate"):
        await open_streams(_settings(f"rediss://:pw@127.0.0.1:{port}"))
