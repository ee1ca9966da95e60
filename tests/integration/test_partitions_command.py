"""`rtm partitions`: by what Redis says, not by a setting that a resize left behind; 80 columns."""

import asyncio
import json

from typer.testing import CliRunner

from realtime_message.cli.application import application
from realtime_message.partitions import partition_of
from realtime_message.settings import RedisSettings
from realtime_message.streams import Streams
from support.valkey_server import ValkeyServer


async def _make_layout(url: str, partition_count: int) -> None:
    streams = Streams(RedisSettings(url=url, partition_count=partition_count))
    await streams.layout.ensure()
    await streams.close()


def test_stored_count_decides_where_a_channel_lives() -> None:
    """Settings say 8 by default; the streams were made with 5."""
    channel = next(c for c in map(str, range(99)) if partition_of(c, 5) != partition_of(c, 8))
    server = ValkeyServer()
    server.start()
    try:
        asyncio.run(_make_layout(server.url, 5))
        command = ["partitions", "of", channel, "--json", "--set", f"redis.url={server.url}"]
        done = CliRunner().invoke(application, command, catch_exceptions=False)
        assert json.loads(done.stdout)["partition"] == partition_of(channel, 5)
    finally:
        server.close()


def test_list_fits_eighty_columns() -> None:
    """Streams and epochs are for scripts; a row is one line on any terminal."""
    server = ValkeyServer()
    server.start()
    try:
        asyncio.run(_make_layout(server.url, 8))
        where = ["partitions", "list", "--seconds", "0", "--set", f"redis.url={server.url}"]
        done = CliRunner().invoke(application, where, catch_exceptions=False)
        header, *rows = done.stdout.splitlines()
        assert header.split()[:2] == ["partition", "length"]
        assert len(rows) == 8
        # Room for the name of a worker of `rtm up`, such as 1.a1b2c3.
        assert len(header) - len("owner") + len("1.a1b2c3") <= 80
        shown = json.loads(CliRunner().invoke(application, [*where, "--json"]).stdout)
        assert shown[0]["stream"] == "messages:partition:0"
    finally:
        server.close()
