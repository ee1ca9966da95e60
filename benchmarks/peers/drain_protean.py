"""Protean on streams of its own: an event handler with `sequential_by`, a leased stream a channel.

REDIS_PORT=… python drain_protean.py queue COUNT
REDIS_PORT=… WARM_UP=… TOTAL=… python drain_protean.py

`queue` writes what Protean's outbox would write. The engine takes a lease for each channel, then
reads one entry at a time under it, which has no setting: the read of what is pending, the read of
what is new, and the acknowledgement are a script each, called from a thread.

What has settings is set for throughput: uvloop and hiredis, no traces kept in Redis, log from
warnings on, no health server, an outbox that is not looked at. By default an empty stream is polled
every 250 ms, which for a thousand channels is more work than their messages; and leases last 15 s,
but are renewed only when all have been taken, so that many of a thousand lapse meanwhile. Here
both are ten minutes, so that a drain sees neither.
"""

from __future__ import annotations

import asyncio
import sys

import uvloop
from drain_meter import REDIS_PORT, Meter
from protean import Domain, handle
from protean.fields import Identifier, String, Text
from protean.server import Engine
from protean.utils.eventing import Message

TEXT = "what people write to each other in a chat, a line or two of it, " * 5
CHANNELS = 1000
CONFIG = {
    # A database of its own: `queue` empties it, with the leases that the last run left.
    "brokers": {"default": {"provider": "redis", "URI": f"redis://127.0.0.1:{REDIS_PORT}/1"}},
    "server": {
        "default_subscription_type": "stream",
        "partitioning": {"poll_interval_seconds": 600, "lease_ttl_ms": 600_000},
        "health": {"enabled": False},
    },
    "outbox": {"tick_interval": 60},
    "observatory": {"trace_retention_days": 0},
    "logging": {"level": "WARNING"},
}

domain = Domain(name="drain", config=CONFIG)
meter = Meter()
last: dict[str, tuple[str, str]] = {}


@domain.aggregate
class Room:
    """What the events belong to: Protean names the streams after it."""

    channel = Identifier(identifier=True)


@domain.event(part_of=Room)
class Sent:
    """A message."""

    channel = String()
    id = String()
    text = Text()


@domain.event_handler(part_of=Room, sequential_by="channel")
class Keeper:
    """Keeps the last message of each channel."""

    @handle(Sent)
    def keep(self, message: Sent) -> None:
        """Keep it."""
        last[message.channel] = (message.id, message.text)
        meter.add()


def _queue(count: int) -> None:
    broker = domain.brokers["default"]
    broker.redis_instance.flushdb()
    rooms = [Room(channel=f"room-{number}") for number in range(CHANNELS)]
    for number in range(count):
        room = rooms[number % CHANNELS]
        room.raise_(Sent(channel=room.channel, id=str(number), text=TEXT))
        message = Message.from_domain_object(room._events.pop())  # noqa: SLF001 - as its outbox does
        category = message.metadata.domain.stream_category
        broker.record_partition(category, room.channel)
        broker.publish(f"{category}:{room.channel}", message.to_dict())


asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
domain.init(traverse=False)
with domain.domain_context():
    if sys.argv[1:2] == ["queue"]:
        _queue(int(sys.argv[2]))
    else:
        Engine(domain).run()
