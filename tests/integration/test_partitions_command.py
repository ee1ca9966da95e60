"""`rtm partitions`: by what Redis says, not by a setting that a resize left behind; 80 columns."""

import asyncio
import json
from pathlib import Path

from typer.testing import CliRunner

from realtime_message.cli.application import application
from realtime_message.partitions import partition_of
from realtime_message.settings import RedisSettings
from realtime_message.streams import Streams, open_streams
from realtime_message.streams.resize_run import ResizeRun
from support.up_stack import run_rtm
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


def test_settings_that_a_resize_left_behind_are_told_in_a_sentence(
    tmp_path: Path,
) -> None:
    """A command says it as commands do, not as services log."""
    with ValkeyServer() as server:
        asyncio.run(_resized(server.url))
        where = ["partitions", "list", "--seconds", "0", "--set", f"redis.url={server.url}"]
        done = run_rtm(*where, folder=tmp_path)
    assert done.stderr == (
        "rtm: partition_count.outdated (set_to=8, stored=9): the stored number is used; set "
        "redis.partition_count to it\n"
    )


async def _resized(url: str) -> None:
    streams = await open_streams(RedisSettings(url=url))
    await ResizeRun(streams.resizer, streams.planner, lambda _: None).switch(9)
    await streams.close()


def test_list_fits_eighty_columns(tmp_path: Path) -> None:
    """Streams and epochs are for scripts; a row is one line on any terminal."""
    with ValkeyServer() as server:
        asyncio.run(_make_layout(server.url, 8))
        where = ["partitions", "list", "--seconds", "0", "--set", f"redis.url={server.url}"]
        header, *rows = run_rtm(*where, folder=tmp_path).stdout.splitlines()
        assert header.split()[:2] == ["partition", "length"]
        assert len(rows) == 8
        # Room for the name of a worker of `rtm up`, such as 1.a1b2c3.
        assert len(header) - len("owner") + len("1.a1b2c3") <= 80
        shown = json.loads(run_rtm(*where, "--json", folder=tmp_path).stdout)
        assert shown[0]["stream"] == "messages:partition:0"
