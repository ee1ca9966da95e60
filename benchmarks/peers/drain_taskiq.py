"""taskiq on streams of its own: `kick COUNT` queues the tasks; a worker process drains them.

REDIS_PORT=… python drain_taskiq.py kick COUNT
REDIS_PORT=… WARM_UP=… TOTAL=… taskiq worker --workers 1 drain_taskiq:broker
"""

from __future__ import annotations

import asyncio
import sys

from drain_meter import REDIS_PORT, Meter
from taskiq_redis import RedisStreamBroker

TEXT = "what people write to each other in a chat, a line or two of it, " * 5
broker = RedisStreamBroker(f"redis://127.0.0.1:{REDIS_PORT}", xread_count=100)
meter = Meter()
last: dict[str, tuple[str, str]] = {}


@broker.task(task_name="handle")
async def handle(message: dict[str, str]) -> None:
    """Keep the last message of each channel."""
    last[message["channel"]] = (message["id"], message["text"])
    meter.add()


async def _kick(count: int) -> None:
    await broker.startup()
    for number in range(count):
        await handle.kiq({"channel": f"room-{number % 1000}", "id": str(number), "text": TEXT})
    await broker.shutdown()


if __name__ == "__main__":
    asyncio.run(_kick(int(sys.argv[2])))
