"""FastStream on the same streams: one subscriber for each partition, message by message or batched.

REDIS_PORT=… WARM_UP=… TOTAL=… python drain_faststream.py one|many
"""

from __future__ import annotations

import asyncio
import json
import sys

import uvloop
from drain_meter import PARTITIONS, REDIS_PORT, Meter
from faststream.redis import RedisBroker, StreamSub
from faststream.redis.annotations import RedisStreamMessage

MODE = sys.argv[1]
broker = RedisBroker(f"redis://127.0.0.1:{REDIS_PORT}", logger=None)
meter = Meter()
last: dict[str, tuple[str, str]] = {}


def _note(payload: bytes) -> None:
    message = json.loads(payload)
    last[message["channel"]] = (message["id"], message["text"])


async def _one(message: RedisStreamMessage) -> None:
    _note(message.raw_message["data"][b"payload"])
    meter.add()


async def _many(message: RedisStreamMessage) -> None:
    entries = message.raw_message["data"]
    for fields in entries:
        _note(fields[b"payload"])
    meter.add(len(entries))


async def _raw(message: RedisStreamMessage) -> RedisStreamMessage:
    return message


def _subscribe(partition: int) -> None:
    stream = StreamSub(
        f"messages:partition:{partition}",
        group=f"workers:partition-{partition}",
        consumer="peer",
        batch=MODE == "many",
        max_records=200 if MODE == "many" else 10,
        polling_interval=100,
    )
    broker.subscriber(stream=stream, decoder=_raw)(_one if MODE == "one" else _many)


async def main() -> None:
    """Drain."""
    for partition in range(PARTITIONS):
        _subscribe(partition)
    await broker.start()
    await asyncio.Event().wait()


uvloop.run(main())
