"""Publishes at a steady rate over keep-alive connections, and says what came of it as JSON.

    SECRET=… python steady.py PORT CONNECTIONS RATE SECONDS

Every tenth message carries an id of the client's, and every hundredth of those is sent twice.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections import Counter, deque

import uvloop

HEAD = (
    "POST /centrifugo/publish HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: Go-http-client/1.1\r\n"
    "Content-Length: %d\r\nContent-Type: application/json\r\nX-Callback-Secret: {secret}\r\n"
    "Accept-Encoding: gzip\r\n\r\n"
).format(secret=os.environ.get("SECRET", ""))


class Steady:
    """What all connections share: whose turn it is, and what was answered."""

    def __init__(self) -> None:
        self.idle: deque[Connection] = deque()
        self.outcomes: Counter[str] = Counter()
        self.latencies_ms: list[float] = []
        self.sent = 0

    def next_request(self) -> bytes:
        self.sent += 1
        number = self.sent - 1 if self.sent % 1000 == 1 and self.sent > 1 else self.sent
        message_id = f',"id":"steady-{number}"' if number % 10 == 0 else ""
        text = f"message number {number}, about as long as people write"
        body = (
            f'{{"client":"steady","user":"{number % 500}","channel":"chat:room-{number % 1000}",'
            f'"data":{{"text":"{text}"{message_id}}}}}'
        )
        return (HEAD % len(body) + body).encode()


class Connection(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self, steady: Steady) -> None:
        self._steady = steady
        self._sent_at = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._steady.idle.append(self)

    def connection_lost(self, _: Exception | None) -> None:
        self._steady.outcomes["closed"] += 1

    def send(self) -> None:
        self._sent_at = time.perf_counter()
        self._transport.write(self._steady.next_request())

    def data_received(self, data: bytes) -> None:
        # Answers are small enough to arrive whole.
        self._steady.latencies_ms.append((time.perf_counter() - self._sent_at) * 1000)
        is_taken = data.startswith(b"HTTP/1.1 200") and b'{"result":' in data
        self._steady.outcomes["taken" if is_taken else "refused"] += 1
        self._steady.idle.append(self)


async def main() -> None:
    """Send for the time that is asked for."""
    port, connections, rate, seconds = (int(float(argument)) for argument in sys.argv[1:])
    loop = asyncio.get_running_loop()
    steady = Steady()
    for _ in range(connections):
        await loop.create_connection(lambda: Connection(steady), "127.0.0.1", port)
    begun = time.perf_counter()
    while (elapsed := time.perf_counter() - begun) < seconds:
        due = int(elapsed * rate) - steady.sent
        for _ in range(min(due, len(steady.idle))):
            steady.idle.popleft().send()
        await asyncio.sleep(0.001)
    await asyncio.sleep(2)  # for the last answers
    seen = sorted(steady.latencies_ms)
    result = {
        "sent": steady.sent,
        "outcomes": dict(steady.outcomes),
        "per_second": steady.sent / seconds,
        "p50_ms": seen[len(seen) // 2],
        "p99_ms": seen[len(seen) * 99 // 100],
    }
    print(json.dumps(result))


if __name__ == "__main__":
    uvloop.run(main())
