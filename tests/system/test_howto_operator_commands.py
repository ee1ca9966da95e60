"""The pages about operating it: each command is read from the page and run on streams with data."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from realtime_message.message import encode_message
from realtime_message.partitions import partition_of
from realtime_message.testing.memory.streams import make_message
from support.background import Background
from support.deploy_files import PROJECT
from support.howto_pages import HOWTO, OPERATOR_PAGES, commands
from support.up_stack import RTM, clean_environment
from support.valkey_server import ValkeyServer

pytestmark = pytest.mark.timeout(240)

#: An entry id that stands in the pages for one of the reader's.
SHOWN_ID = re.compile(r"\b\d:\d+-\d\b")
#: What ends with another code than 0 on these streams, and what it says.
ENDS_OTHERWISE = {"rtm channels resume room:lobby": (1, "room:lobby is not parked")}
CHANNELS = ("room:lobby", "room:2", "test:1")


def bury(client: redis.Redis, channel: str, number: int) -> str:
    """Write a dead letter as a worker does; return its id, as the commands take it."""
    partition = partition_of(channel, 8)
    payload = encode_message(make_message(channel, str(number), number, partition))
    fields = {"payload": payload, "entry_id": f"{1000 + number}-0", "attempts": 5}
    fields |= {"reason": "attempts", "error": "connection refused"}
    return f"{partition}:{client.xadd(f'{{messages:partition:{partition}}}:dead', fields)}"


@pytest.fixture
def server() -> Iterator[ValkeyServer]:
    """A server with dead letters of each channel."""
    with ValkeyServer() as running:
        client = running.client()
        client.hset(
            "{messages}:layout",
            mapping={"partition_count": 8, "hash": "md5-first-4-bytes-big-endian"},
        )
        for number in range(30):
            bury(client, CHANNELS[number % len(CHANNELS)], number)
        yield running


@pytest.fixture
def environment(server: ValkeyServer, tmp_path: Path) -> Iterator[dict[str, str]]:
    """What a command needs to know; a worker runs, without which a resize would wait for one."""
    environment = clean_environment(REDIS_URL=server.url, COLUMNS="200")
    words = [*RTM, "worker", "examples.worker:app"]
    worker = Background(words, tmp_path, {**environment, "PYTHONPATH": str(PROJECT)})
    try:
        worker.wait_for("worker.started", timeout_seconds=40)
        yield environment
    finally:
        worker.kill()


@pytest.mark.parametrize("page", OPERATOR_PAGES)
def test_every_command_of_the_page_runs(
    page: str, server: ValkeyServer, environment: dict[str, str], tmp_path: Path
) -> None:
    """In the page's order; what is asked is answered with yes."""
    lines = commands(HOWTO / page)
    assert lines
    for line in lines:
        program, _, arguments = line.partition(" ")
        assert program == "rtm", line
        if SHOWN_ID.search(arguments):
            arguments = SHOWN_ID.sub(bury(server.client(), "test:1", 99), arguments)
        done = subprocess.run(
            f"{' '.join(RTM)} {arguments}",
            shell=True,
            cwd=tmp_path,
            env=environment,
            input="y\n",
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        code, said = ENDS_OTHERWISE.get(line, (0, ""))
        assert done.returncode == code, f"{line}\n{done.stdout}{done.stderr}"
        assert said in done.stderr
        assert "Traceback" not in done.stderr
