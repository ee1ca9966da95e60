"""Clients of a gateway that publish as fast as they are answered, one message at a time each.

Written on bytes: a WebSocket library would cost more than the gateway and be what is measured. The
frames of a client are masked with zeros, which is a mask like any other.

    python websocket.py PORT CONNECTIONS SECONDS TOKEN
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

import uvloop


def frame(payload: bytes) -> bytes:
    """Return a text frame of a client."""
    size = len(payload)
    if size < 126:
        return b"\x81" + bytes([0x80 | size]) + bytes(4) + payload
    return b"\x81\xfe" + size.to_bytes(2, "big") + bytes(4) + payload


class Publisher(asyncio.Protocol):
    """One client."""

    def __init__(self, number: int, token: str, run: Run) -> None:
        self._number = number
        self._token = token
        self._run = run
        self._arrived = b""
        self._is_open = False
        self._sent = 0
        self._sent_at = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        transport.write(
            b"GET /connection/websocket HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )

    def data_received(self, data: bytes) -> None:
        self._arrived += data
        if not self._is_open:
            head, end, rest = self._arrived.partition(b"\r\n\r\n")
            if not end:
                return
            if b" 101 " not in head:
                raise SystemExit(head.decode())
            self._arrived, self._is_open = rest, True
            connect = {"id": 1, "connect": {"data": {"token": self._token}}}
            self._transport.write(frame(json.dumps(connect).encode()))
        while (payload := self._next_frame()) is not None:
            for line in payload.split(b"\n"):
                self._on_line(line)

    def connection_lost(self, _: Exception | None) -> None:
        if not self._run.is_over:
            self._run.errors += 1

    def _next_frame(self) -> bytes | None:
        data = self._arrived
        if len(data) < 2:
            return None
        size, start = data[1], 2
        if size == 126:
            size, start = int.from_bytes(data[2:4], "big"), 4
        if len(data) < start + size:
            return None
        self._arrived = data[start + size :]
        if data[0] != 0x81:
            raise SystemExit(f"the gateway closed the connection: {data[start : start + size]!r}")
        return data[start : start + size]

    def _on_line(self, line: bytes) -> None:
        if line == b"{}":
            self._transport.write(frame(b"{}"))
            return
        if b'"error"' in line:
            self._run.errors += 1
            self._run.last_error = line
        if self._sent:
            self._run.answered(time.perf_counter() - self._sent_at)
        if not self._run.is_over:
            self._sent += 1
            self._sent_at = time.perf_counter()
            self._transport.write(
                frame(
                    b'{"id":%d,"publish":{"channel":"chat:room-%d","data":{"text":"message number '
                    b'%d, with a line of plain text about as long as people write in a chat"}}}'
                    % (self._sent + 1, self._number, self._sent)
                )
            )


class Run:
    """What all clients count."""

    def __init__(self) -> None:
        self.latencies: list[float] = []
        self.errors = 0
        self.last_error = b""
        self.is_over = False

    def answered(self, seconds: float) -> None:
        self.latencies.append(seconds)


async def main() -> None:
    """Run the clients and print what they saw, as JSON."""
    port, connections, seconds, token = sys.argv[1:]
    loop = asyncio.get_running_loop()
    run = Run()
    for number in range(int(connections)):
        await loop.create_connection(lambda n=number: Publisher(n, token, run), "127.0.0.1", port)
    await asyncio.sleep(1)  # warm up
    run.latencies.clear()
    begun = time.perf_counter()
    await asyncio.sleep(float(seconds))
    elapsed = time.perf_counter() - begun
    seen = sorted(run.latencies)
    run.is_over = True
    result = {
        "per_second": len(seen) / elapsed,
        "p50_ms": seen[len(seen) // 2] * 1000,
        "p99_ms": seen[len(seen) * 99 // 100] * 1000,
        "errors": run.errors,
        "last_error": run.last_error.decode(),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    uvloop.run(main())
