"""The rights that the page for operators lists: enough, and none too many."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from realtime_message.console.overview import OverviewTaker
from realtime_message.console.terminal.lookout import Lookout
from realtime_message.errors import (
    LeaseLostError,
    ResizeRefusedError,
    StartupError,
    StreamsRefusedError,
    UnsupportedServerError,
)
from realtime_message.settings import RedisSettings
from realtime_message.streams import open_streams
from realtime_message.streams.resize_run import ResizeRun
from support.server_abilities import require_waitaof
from support.streams_use import resize_once, use_everything
from support.valkey_server import ValkeyServer, unique_prefix

PAGE = (Path(__file__).parents[2] / "docs/reference/redis-rights.md").read_text("utf-8")
(RULE,) = re.findall(r"^ACL SETUSER rtm (.*)$", PAGE, re.MULTILINE)
NEEDED = re.findall(r"\+\S+", RULE)
FURTHER = [
    right.replace("\\", "")
    for row in re.findall(r"^\| (`\+[^`]+`(?: `\+[^`]+`)*) \|", PAGE, re.MULTILINE)
    for right in re.findall(r"\+[^`]+", row)
]


@pytest.fixture(scope="module")
def server() -> Iterator[ValkeyServer]:
    """A server whose users these tests make."""
    with ValkeyServer(durable=True) as running:
        yield running


def _user(server: ValkeyServer, rule: str, **more: object) -> RedisSettings:
    """Make a user with a rule as the page writes it; return settings that log in as it."""
    prefix, name = unique_prefix(), f"u{secrets.token_hex(4)}"
    words = rule.replace("messages", prefix).replace("PASSWORD", "pw").split()
    with redis.Redis(port=server.port) as admin:
        admin.execute_command("ACL", "SETUSER", name, *words)
    values: dict[str, object] = {"startup_timeout_seconds": 5.0, "partition_count": 2, **more}
    return RedisSettings(
        url=f"redis://{name}:pw@127.0.0.1:{server.port}",
        prefix=prefix,
        **values,  # type: ignore[arg-type]
    )


async def test_listed_rights_suffice(server: ValkeyServer) -> None:
    """A user with exactly the page's rule can do everything."""
    streams = await open_streams(_user(server, RULE))
    await use_everything(streams)
    assert streams.backlog.memory_share is None
    await streams.close()


async def test_monitor_shows_all_but_the_newest_dead_letters(server: ValkeyServer) -> None:
    """With the page's rule alone; in the place of the dead letters it names the right."""
    streams = await open_streams(_user(server, RULE))
    lookout = Lookout(OverviewTaker(streams).take, streams.dead_letters.list_newest)
    lookout.wants_letters = True
    overview = await lookout.take()
    assert (len(overview.partitions), overview.memory.share) == (2, None)
    assert "xrevrange" in lookout.refusal
    await streams.close()


async def test_further_rights_suffice_for_the_levels(server: ValkeyServer) -> None:
    """With the rights of the page's table the other levels work, too."""
    require_waitaof(server)
    settings = _user(server, f"{RULE} {' '.join(FURTHER)}", durability="fsynced")
    streams = await open_streams(settings)
    await use_everything(streams, ["memory"])
    await resize_once(streams)
    await streams.close()


async def test_rights_of_a_resize_are_missed_in_its_plan(server: ValkeyServer) -> None:
    """Without them nothing is begun, and the plan names each."""
    streams = await open_streams(_user(server, RULE))
    plan = await streams.planner.plan(await streams.layout.read(), 3)
    (told,) = plan.refusals
    assert told.endswith("needs: give it +client|list +client|kill +xsetid")
    run = ResizeRun(streams.resizer, streams.planner, print)
    with pytest.raises(ResizeRefusedError, match=r"give it \+client\|list"):
        await run.switch(3)
    assert (await streams.layout.read()).is_stable
    await streams.close()


@pytest.mark.parametrize("right", NEEDED)
async def test_every_listed_right_is_needed_and_missed_at_the_start(
    server: ValkeyServer, right: str
) -> None:
    """Without any single one of them the start ends and names the command."""
    rule = " ".join(word for word in RULE.split() if word != right)
    command = right.removeprefix("+").partition("|")[0]
    with pytest.raises(UnsupportedServerError, match=f"'{command}"):
        await open_streams(_user(server, rule))


@pytest.mark.parametrize(
    ("durability", "command"), [("replicated", "wait"), ("fsynced", "waitaof")]
)
async def test_right_of_a_level_is_missed_at_the_start(
    server: ValkeyServer, durability: str, command: str
) -> None:
    """A level whose command is not allowed is refused, with the right to give."""
    if command == "waitaof":
        require_waitaof(server)
    streams = await open_streams(_user(server, RULE, durability=durability))
    with pytest.raises(StartupError, match=rf"durability {durability} needs .*\+{command}"):
        await streams.appender()
    await streams.close()


async def test_right_to_watch_that_is_taken_away_ends_reading(server: ValkeyServer) -> None:
    """Without the watch nothing would be fenced: a former owner could go on reading."""
    settings = _user(server, RULE)
    streams = await open_streams(settings)
    former = await streams.leases.acquire(0, "a", 60)
    assert former is not None
    reader = streams.reader(former, "worker-a-1")
    assert await reader.cycle([], 10) == []
    user = settings.url.partition("//")[2].partition(":")[0]
    with redis.Redis(port=server.port) as admin:
        admin.execute_command("ACL", "SETUSER", user, "-watch")
        with pytest.raises(StreamsRefusedError, match="watch"):
            await reader.cycle([], 10)
        with pytest.raises(StreamsRefusedError, match="watch"):
            await reader.cycle([], 10)
        admin.delete(streams.keys.lease(0))
        assert await streams.leases.acquire(0, "b", 60) is not None
        await (await streams.appender()).append(0, b"1")
        with pytest.raises(LeaseLostError):
            await reader.cycle([], 10)
    assert (await streams.inspect.partitions())[0].pending == 0
    await reader.close()
    await streams.close()
