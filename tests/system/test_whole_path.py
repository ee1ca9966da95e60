"""The whole path: official client → gateway → callback service → streams → worker → handler."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import redis.asyncio
from centrifuge import CentrifugeError, Client, SubscriptionEventHandler

from realtime_message.partitions import partition_of
from realtime_message.settings import RedisSettings
from support.checker import Report, Sent, check, read_notes
from support.node_packages import install_node_packages, needs_node
from support.official_client import leave
from support.parts import Parts

SCRIPT = Path(__file__).with_name("chat.mjs")
DEADLINE_SECONDS = 30.0
FIELDS = (
    *("id", "channel", "partitionId", "userId", "userName"),
    *("text", "timestamp", "raw", "clientId"),
)


@pytest.fixture
def parts(redis_settings: RedisSettings, tmp_path: Path) -> Iterator[Parts]:
    """Gateway and callback service; workers are the test's."""
    parts = Parts(redis_settings, tmp_path, {})
    try:
        yield parts.start()
    finally:
        parts.close()


async def handled(parts: Parts, count: int) -> list[str]:
    """Wait until handlers have ended `count` times; return the channels, in order."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while True:
            ends = [note for note in read_notes(parts.history) if note.event == "end"]
            if len(ends) >= count:
                return [f"{note.channel} {note.number}" for note in ends]
            await asyncio.sleep(0.02)


async def entries(parts: Parts, channel: str) -> list[tuple[str, dict[str, str]]]:
    """Return the channel's entries as any Redis client sees them."""
    number = partition_of(channel, 8)
    async with redis.asyncio.from_url(parts.redis.url, decode_responses=True) as client:
        rows = await client.xrange(f"{parts.redis.prefix}:partition:{number}")
        groups = await client.xinfo_groups(f"{parts.redis.prefix}:partition:{number}")
    assert [group["name"] for group in groups] == [f"workers:partition-{number}"]
    return rows


async def check_stored(parts: Parts, channel: str, user: str, texts: list[str]) -> list[str]:
    """Check the stored form field by field; return the messages' ids."""
    rows = await entries(parts, channel)
    payloads = [json.loads(fields["payload"]) for _, fields in rows]
    for payload in payloads:
        assert tuple(payload) == FIELDS
        assert payload["partitionId"] == partition_of(channel, 8)
        assert (payload["userId"], payload["userName"]) == (user, user.upper())
        assert json.loads(payload["raw"])["text"] == payload["text"]
        assert payload["timestamp"].endswith("Z")
    assert [payload["text"] for payload in payloads] == texts
    return [payload["id"] for payload in payloads]


class Seen(SubscriptionEventHandler):
    """What a subscriber sees."""

    def __init__(self) -> None:
        self.publications: asyncio.Queue[dict] = asyncio.Queue()

    async def on_publication(self, ctx) -> None:
        self.publications.put_nowait(ctx.pub.data)


@contextlib.asynccontextmanager
async def connected(parts: Parts, user: str) -> AsyncIterator[Client]:
    """A client of the official Python library."""
    client = Client(parts.gateway_url, token=parts.token(user), min_reconnect_delay=0.05)
    await client.connect()
    await client.ready(DEADLINE_SECONDS)
    try:
        yield client
    finally:
        await leave(client)


async def test_python_client_reaches_the_handler(parts: Parts) -> None:
    """What centrifuge-python publishes is stored, broadcast with our fields, and handled."""
    parts.add_worker()
    async with connected(parts, "ada") as client:
        seen = Seen()
        subscription = client.new_subscription("room:1", events=seen)
        await subscription.subscribe()
        await subscription.ready(DEADLINE_SECONDS)
        await subscription.publish({"text": "0", "id": "a", "mood": "good"})
        await subscription.publish({"text": "1"})
        first = await asyncio.wait_for(seen.publications.get(), DEADLINE_SECONDS)
        second = await asyncio.wait_for(seen.publications.get(), DEADLINE_SECONDS)
        assert await handled(parts, 2) == ["room:1 0", "room:1 1"]
    ids = await check_stored(parts, "room:1", "ada", ["0", "1"])
    assert [first["id"], second["id"]] == ids
    assert first["user"] == {"id": "ada", "name": "ADA"}
    assert first["clientMessageId"] == "a"
    assert first["mood"] == "good"
    assert set(second) == {"text", "id", "user", "timestamp"}


@needs_node
async def test_javascript_client_reaches_the_handler(parts: Parts) -> None:
    """What npm centrifuge publishes is stored, broadcast with our fields, and handled."""
    parts.add_worker()
    words = [parts.gateway_url, parts.token("bob"), "room:2", "0", "1", "2"]
    done = await asyncio.to_thread(
        subprocess.run,
        ["node", str(SCRIPT), str(install_node_packages()), *words],
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    seen = [json.loads(line) for line in done.stdout.splitlines()]
    assert await handled(parts, 3) == ["room:2 0", "room:2 1", "room:2 2"]
    ids = await check_stored(parts, "room:2", "bob", ["0", "1", "2"])
    assert [data["id"] for data in seen] == ids
    assert [data["clientMessageId"] for data in seen] == ["js-0", "js-1", "js-2"]


class Storm:
    """Several clients that publish while workers come and go.

    Each channel is written by one client, one message after the other; a message whose fate is
    unknown is sent again with its id until it is acknowledged.
    """

    def __init__(self, parts: Parts, channels: int, per_channel: int) -> None:
        self.parts = parts
        self.channels = [f"room:{number}" for number in range(channels)]
        self.per_channel = per_channel
        self.sent: list[Sent] = []

    async def publish(self, clients: list[Client]) -> None:
        """Publish everything; ends when the last message is acknowledged."""
        async with asyncio.TaskGroup() as group:
            for number, channel in enumerate(self.channels):
                group.create_task(self._write(clients[number % len(clients)], channel))

    async def _write(self, client: Client, channel: str) -> None:
        for number in range(self.per_channel):
            await asyncio.sleep(random.uniform(0.1, 0.7))
            at = time.monotonic()
            while True:
                try:
                    await client.publish(
                        channel, {"text": str(number), "id": f"{channel}/{number}"}
                    )
                    break
                except CentrifugeError:
                    await asyncio.sleep(0.1)
            self.sent.append(Sent(channel, number, partition_of(channel, 8), at))


@pytest.mark.timeout(180)
async def test_nothing_is_lost_while_workers_start_stop_and_die(parts: Parts, capsys) -> None:
    """1,000 messages over 50 channels by five clients, with SIGKILL, SIGTERM and new workers."""
    storm = Storm(parts, channels=50, per_channel=20)
    options = {"lease_seconds": 2, "drain_timeout_seconds": 5}
    deaths: dict[int, float] = {}
    async with contextlib.AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(connected(parts, f"user{number}"))
            for number in range(5)
        ]
        first, second = parts.add_worker(**options), parts.add_worker(**options)
        for worker in (first, second):
            await asyncio.to_thread(worker.wait_until_said, "partition.acquired", 40)
        publishing = asyncio.create_task(storm.publish(clients))
        await handled(parts, 100)
        deaths[first.pid] = first.kill()
        third = parts.add_worker(**options)
        await asyncio.to_thread(third.wait_until_said, "partition.acquired", 40)
        assert await asyncio.to_thread(second.stop) == 0
        fourth = parts.add_worker(**options)
        await asyncio.to_thread(fourth.wait_until_said, "partition.acquired", 40)
        deaths[third.pid] = third.kill()
        await asyncio.wait_for(publishing, 60)
    report = await finish(parts, storm, deaths)
    with capsys.disabled():
        print(f"\n{Report.header()}\n{report.row()}")
    assert report.is_sound, report
    # Only what a killed worker had in hand may come again: at most one message of each channel.
    assert report.duplicates <= len(deaths) * len(storm.channels)


def ended(parts: Parts) -> set[tuple[str, int]]:
    """Return channel and number of everything that was handled to its end."""
    notes = read_notes(parts.history)
    return {(note.channel, note.number) for note in notes if note.event == "end"}


async def finish(parts: Parts, storm: Storm, deaths: dict[int, float]) -> Report:
    """Wait until everything is handled, and judge."""
    wanted = {(sent.channel, sent.number) for sent in storm.sent}
    deadline = time.monotonic() + DEADLINE_SECONDS
    while wanted - ended(parts) and time.monotonic() < deadline:  # noqa: ASYNC110 - a file is watched
        await asyncio.sleep(0.1)
    return check(
        "start, stop, kill",
        storm.sent,
        read_notes(parts.history),
        deaths=deaths,
        faults=deaths.values(),
    )
