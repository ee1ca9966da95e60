"""A backlog of messages that workers drain: written once, read anew by each contender."""

from __future__ import annotations

from collections.abc import Iterator

import redis

from realtime_message.message import Message, encode_message
from realtime_message.partitions import partition_of

PREFIX = "messages"
# With the other fields about 460 bytes of payload.
_TEXT = "what people write to each other in a chat, a line or two of it, " * 2
_BATCH = 5000


def fill(client: redis.Redis, count: int, channels: int, partitions: int = 8) -> None:
    """Write `count` messages, one channel after the other, and make the workers' groups."""
    client.flushall()
    for partition in range(partitions):
        client.xgroup_create(stream(partition), group(partition), "0", mkstream=True)
    append(client, count, channels, partitions)


def append(client: redis.Redis, count: int, channels: int, partitions: int = 8) -> None:
    """Write `count` messages, one channel after the other."""
    pipe = client.pipeline(transaction=False)
    for number, (partition, payload) in enumerate(_messages(count, channels, partitions), 1):
        pipe.xadd(stream(partition), {"payload": payload})
        if number % _BATCH == 0:
            pipe.execute()
    pipe.execute()


def rewind(client: redis.Redis, partitions: int = 8) -> None:
    """Let the backlog be unread again."""
    for key in client.scan_iter(f"{{{PREFIX}*", count=10_000):
        client.delete(key)
    for partition in range(partitions):
        client.xgroup_destroy(stream(partition), group(partition))
        client.xgroup_create(stream(partition), group(partition), "0")


def stream(partition: int) -> str:
    """The key of a partition's stream."""
    return f"{PREFIX}:partition:{partition}"


def group(partition: int) -> str:
    """The workers' group of a partition."""
    return f"workers:partition-{partition}"


def _messages(count: int, channels: int, partitions: int) -> Iterator[tuple[int, bytes]]:
    for number in range(count):
        channel = f"chat:room-{number % channels}"
        partition = partition_of(channel, partitions)
        yield (
            partition,
            encode_message(
                Message(
                    id=f"0190f1c2-0000-7000-8000-{number:012}",
                    channel=channel,
                    partition_id=partition,
                    user_id=f"user-{number % 500}",
                    user_name="A name of some length",
                    text=f"{number} {_TEXT}",
                    timestamp="2026-01-01T00:00:00.000Z",
                    raw=f'{{"text":"{number}"}}',
                    client_id="6e1a0d5c-0000-4000-8000-000000000000",
                )
            ),
        )
