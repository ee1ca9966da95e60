"""The console's pages on a real server: what they show, how much of it, and that they only read."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from html import unescape

import httpx
import msgspec
import pytest

from realtime_message.console.application import LETTERS_PER_PAGE, create_console_app
from realtime_message.console.letter_reader import LetterReader
from realtime_message.console.overview import OverviewTaker
from realtime_message.console.overview_keeper import OverviewKeeper
from realtime_message.doctor.overview import review_overview
from realtime_message.settings import RedisSettings, Settings
from realtime_message.streams import Streams
from support.console_process import EVIL, fill
from support.valkey_server import ValkeyServer

PATHS = ("/", "/workers", "/partitions/4", "/dead-letters", "/parked", "/health")


class Console:
    """The console in this process, looking when the test says so.

    Args:
        redis: where the streams are.
        search_seconds: for how long a search may take.
    """

    def __init__(self, redis: RedisSettings, search_seconds: float = 5.0) -> None:
        self.settings = Settings(redis=redis)
        self.streams, self.letter_streams = Streams(redis), Streams(redis)
        where = self.streams.where
        self.keeper = OverviewKeeper(OverviewTaker(self.streams).take, where)
        app = create_console_app(
            self.keeper,
            LetterReader(self.letter_streams, search_seconds),
            lambda overview: review_overview(overview, self.settings),
            self.settings,
            where,
        )
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app), base_url="http://localhost"
        )

    async def get(self, path: str, status: int = 200) -> str:
        """Return a page, its text as a reader sees it."""
        answer = await self.client.get(path)
        assert answer.status_code == status, answer.text
        assert EVIL[:20] not in answer.text
        assert "\x1b" not in answer.text
        return unescape(re.sub(r"<[^>]+>", " ", answer.text))


@asynccontextmanager
async def console_on(redis: RedisSettings, search_seconds: float = 5.0) -> AsyncIterator[Console]:
    """Run a console."""
    console = Console(redis, search_seconds)
    await console.keeper.look()
    async with console.client:
        yield console
    await console.streams.close()
    await console.letter_streams.close()


@pytest.fixture
async def console(redis_settings: RedisSettings) -> AsyncIterator[Console]:
    """A console on a system with all that there is to see."""
    await fill(redis_settings)
    async with console_on(redis_settings) as console:
        yield console


async def test_first_page_shows_the_system(console: Console) -> None:
    """Partitions, owners, workers, and what needs attention in the doctor's words."""
    text = await console.get("/")
    assert "3 dead letters wait in partitions 2, 7" in text
    assert "rtm dead-letters list" in text
    assert "3 channels are parked" in text
    assert re.search(r"\b4 +worker-a +12 +0 ", text)
    assert re.search(r"worker-b +alive +1, 3, 5, 7 +1, 3, 5, 7", text)
    assert "document.title" in text


async def test_partition_shows_lease_groups_and_what_failed(console: Console) -> None:
    """With the command that takes it from a holder that is stuck."""
    text = await console.get("/partitions/7")
    assert "worker-b" in text
    assert "rtm leases release 7" in text
    assert "workers:partition-7" in text
    assert "rtm channels resume orders:2026" in text
    answer = await console.client.get("/partitions/7")
    assert 'href="/dead-letters?partition=7"' in answer.text
    assert "There is no partition 8." in await console.get("/partitions/8", 404)


async def test_letters_are_found_and_shown_whole(console: Console) -> None:
    """Filters as those of the command, which stands below with the same ones."""
    everything = await console.get("/dead-letters")
    assert "rtm dead-letters replay --all" in everything
    found = await console.get("/dead-letters?channel=orders:*&error=valueerror&younger_than=1h")
    assert "orders:2026" in found
    assert "room:1" not in found
    command = "rtm dead-letters replay --channel 'orders:*' --error valueerror --younger-than 1h"
    assert command in found
    assert "No dead letter fits." in await console.get("/dead-letters?older_than=1d")
    (name,) = set(re.findall(r"7:\d+-\d+", found))
    letter = await console.get(f"/dead-letters/{name}")
    for shown in ("orders:2026", "worker-b", "attempts exhausted", '"clientId": "c"', "ValueError"):
        assert shown in letter
    assert f"rtm dead-letters replay {name}" in letter


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("older_than=soon", "soon: expected an age such as 90s, 15m, 2h or 7d"),
        ("partition=x", "x: expected the number of a partition"),
        ("after=x", "expected one such as 3:1764000000000-0"),
    ],
)
async def test_mistake_in_a_filter_is_told(console: Console, query: str, told: str) -> None:
    """Beside the fields, which keep what was written."""
    assert told in await console.get(f"/dead-letters?{query}", 400)


@pytest.mark.parametrize("name", ["7:5-0", "nonsense", "%3Cscript%3E"])
async def test_letter_that_is_not_there_is_told(console: Console, name: str) -> None:
    """Replayed, purged, or never there."""
    assert "dead letter" in await console.get(f"/dead-letters/{name}", 404)


async def test_letters_come_in_pages(redis_settings: RedisSettings) -> None:
    """Each once, whichever partition they are in; the filters stay."""
    async with console_on(redis_settings) as console:
        session, keys = console.streams._session, console.streams.keys
        count = LETTERS_PER_PAGE * 2 + 3
        for number in range(count):
            key = keys.dead_letters(number % 3)
            fields = ("payload", "x", "entry_id", f"{number + 1}-0", "error", "e&f")
            await session.run("XADD", key, f"{1000 + number}-0", *fields)
        path, names = "/dead-letters?error=e%26f", []
        for _ in range(3):
            answer = await console.client.get(path)
            names += re.findall(r">(\d+:\d+-\d+)</a>", answer.text)
            following = re.search(r'href="(/dead-letters\?[^"]*after[^"]*)"', answer.text)
            path = unescape(following[1]) if following else ""
        assert path == ""
        assert len(names) == len(set(names)) == count


async def test_large_letter_is_shown_in_part(redis_settings: RedisSettings) -> None:
    """A payload of 1 MB, an error and a channel without end: the page stays small."""
    async with console_on(redis_settings) as console:
        payload = msgspec.json.encode({"id": "1", "channel": "c" * 5000, "text": "\x1b<" * 500_000})
        key = console.streams.keys.dead_letters(2)
        fields = ("payload", payload, "entry_id", "1-0", "error", "<e>" * 100_000, "reason", "r")
        await console.streams._session.run("XADD", key, "5-0", *fields)
        assert len((await console.client.get("/dead-letters")).text) < 20_000
        answer = await console.client.get("/dead-letters/2:5-0")
        assert len(answer.text) < 300_000
        assert "rtm dead-letters show 2:5-0" in answer.text
        assert "<e>" not in answer.text


async def test_pages_only_read() -> None:
    """Nothing is written, and nothing is searched for, whatever is asked."""
    with ValkeyServer() as server:
        redis = RedisSettings(url=server.url)
        await fill(redis)
        async with console_on(redis) as console:
            with server.client() as client:
                before = {key: client.dump(key) for key in client.keys("*")}
                client.config_resetstat()
                for path in PATHS:
                    assert (await console.client.get(path)).status_code == 200
                    assert (await console.client.post(path)).status_code == 405
                await console.keeper.look()
                commands = {c.removeprefix("cmdstat_") for c in client.info("commandstats")}
                assert {key: client.dump(key) for key in client.keys("*")} == before
    assert commands <= {
        *("xlen", "xrange", "xpending", "xinfo|groups", "xinfo|stream", "hmget", "hgetall"),
        *("pttl", "zrange", "time", "info", "evalsha", "eval", "client|setname", "hello", "auth"),
        *("config|resetstat", "cluster|slots", "select", "client|setinfo"),
    }, commands


async def test_redis_that_is_away_is_told_and_the_rest_stays() -> None:
    """Pages keep what was seen; letters, which are read when asked for, say that they cannot be."""
    with ValkeyServer() as server:
        redis = RedisSettings(url=server.url)
        await fill(redis)
        async with console_on(redis) as console:
            server.kill()
            await console.keeper.look()
            text = await console.get("/")
            assert re.search(r"No answer since [\d: -]+: Redis at \S+ could not be reached", text)
            assert "What is shown was seen at" in text
            assert "worker-a" in text
            assert "data-stale" in (await console.client.get("/workers")).text
            assert "They cannot be read now" in await console.get("/dead-letters", 503)
            health = (await console.client.get("/health")).json()
            assert health == {"status": "ok", "redis": "does not answer"}
            server.start()
            await console.keeper.look()
            assert "No answer" not in await console.get("/")
            assert "room:1" in await console.get("/dead-letters")
            assert (await console.client.get("/health")).json()["redis"] == "answers"


async def test_console_before_the_first_look_says_so(redis_settings: RedisSettings) -> None:
    """Redis was away from the start."""
    redis = msgspec.structs.replace(redis_settings, url="redis://127.0.0.1:1")
    async with console_on(redis) as console:
        text = await console.get("/")
        assert "Nothing was seen yet." in text
        assert "could not be reached" in text
        await console.get("/partitions/3")


async def test_search_without_end_is_ended(console: Console) -> None:
    """It says what to do instead."""
    async with console_on(console.settings.redis, search_seconds=0.0) as hurried:
        assert "name a partition" in await hurried.get("/dead-letters?channel=x", 503)
    assert "room:1" in await console.get("/dead-letters?channel=room:1")
