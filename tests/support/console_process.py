"""`rtm console` as a process, and a system for it to show."""

from __future__ import annotations

import re
import signal
from pathlib import Path
from typing import Self

from realtime_message.message import encode_message
from realtime_message.partitions import partition_of
from realtime_message.settings import RedisSettings
from realtime_message.streams import Streams, open_streams
from realtime_message.testing.memory.streams import make_message
from support.background import Background
from support.ports import free_port
from support.up_stack import RTM, clean_environment

#: What breaks pages and terminals, if it is let.
EVIL = (
    "<script>document.title='broken'</script>"
    "<img src=x onerror=\"document.title='broken'\">\x1b[31m"
)


class ConsoleProcess:
    """A console on a free port, looking often.

    Args:
        redis: where the streams are.
        folder: its working directory.
        arguments: more of the command's.
        environment: more variables.
    """

    def __init__(
        self, redis: RedisSettings, folder: Path, *arguments: str, **environment: str
    ) -> None:
        self.port = free_port()
        self.process = Background(
            [
                *(*RTM, "console", "--port", str(self.port), "--no-browser"),
                *("--refresh-seconds", "0.2", *arguments),
            ],
            cwd=folder,
            environment=clean_environment(
                REDIS_URL=redis.url,
                RTM_REDIS__PREFIX=redis.prefix,
                RTM_REDIS__PARTITION_COUNT=str(redis.partition_count),
                **environment,
            ),
        )

    def __enter__(self) -> Self:
        try:
            self.process.wait_for("the console is at", timeout_seconds=60)
        except BaseException:
            self.process.kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()

    @property
    def url(self) -> str:
        """Where the first page is, as it said."""
        found = re.search(r"http://\S+/", self.process.output)
        assert found is not None, self.process.output
        return found[0]

    def interrupt(self) -> int:
        """Ctrl-C; return the exit code."""
        self.process.send(signal.SIGINT)
        return self.process.wait(timeout_seconds=20)


async def append_chat(streams: Streams, channel: str, count: int = 1) -> None:
    """Append messages of a channel to its partition."""
    appender = await streams.appender()
    partition = partition_of(channel, streams.partition_count)
    for number in range(count):
        message = make_message(channel, str(number), number, partition)
        await appender.append(partition, encode_message(message))


async def fill(settings: RedisSettings) -> None:
    """Leave a system with all that there is to see: owners, a backlog, failures, evil texts."""
    streams = await open_streams(settings)
    assignment = {n: ("worker-b" if n % 2 else "worker-a") for n in range(8)}
    for member in ("worker-a", "worker-b"):
        await streams.members.heartbeat(member, 3600)
    await streams.members.store_assignment(assignment, 0)
    await append_chat(streams, "room:lobby", 12)
    for channel in ("room:1", "orders:2026", EVIL[:200]):
        await append_chat(streams, channel)
        partition = partition_of(channel, 8)
        lease = await streams.leases.acquire(partition, assignment[partition], 3600)
        assert lease is not None
        reader = streams.reader(lease, f"worker-{assignment[partition]}-1")
        entries = await reader.cycle([], 100)
        await reader.bury(
            entries[-1], reason="attempts exhausted", error=f"ValueError: {EVIL}", attempts=5
        )
        await append_chat(streams, channel)
        *_, aside = await reader.cycle([], 100)
        await streams.parker(lease).park(channel, f"ValueError: {EVIL}")
        await reader.set_aside(channel, aside)
        await reader.close()
        # The rest of the partitions, but for one that nobody holds.
    for partition in range(7):
        await streams.leases.acquire(partition, assignment[partition], 3600)
    await streams.close()
