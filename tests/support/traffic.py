"""A producer in a thread: messages at a rate over channels, numbered within each channel."""

from __future__ import annotations

import itertools
import threading
import time
from collections import defaultdict

from realtime_message.message import Message, encode_message
from realtime_message.partitions import partition_of
from realtime_message.settings import RedisSettings
from realtime_message.streams.contracts import EntryAppender
from support.checker import Sent
from support.open_client import open_client


class Traffic:
    """Appends as the callback service does, and remembers what was confirmed.

    Args:
        settings: where the streams are.
        channel_count: over how many channels.
        rate: messages per second.
    """

    def __init__(self, settings: RedisSettings, channel_count: int = 50, rate: float = 200) -> None:
        self._settings = settings
        self._client = open_client(settings.url)
        self.rate = rate
        self._channels = [f"room:{n}" for n in range(channel_count)]
        self._numbers: dict[str, int] = defaultdict(int)
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        #: What was appended and confirmed.
        self.sent: list[Sent] = []

    def append(self, channel: str, order: str = "") -> Sent:
        """Append one message; `order` is for the handler (see fault_app)."""
        with self._lock:
            number = self._numbers[channel]
            sent, payload = self._make(channel, number, order)
            stream = f"{self._settings.prefix}:partition:{sent.partition}"
            self._client.xadd(stream, {"payload": payload})
            self._numbers[channel] = number + 1
            self.sent.append(sent)
            return sent

    def _make(self, channel: str, number: int, order: str = "") -> tuple[Sent, bytes]:
        partition = partition_of(channel, self._settings.partition_count)
        message = Message(
            id=f"{channel}-{number}",
            channel=channel,
            partition_id=partition,
            user_id="u1",
            user_name="User",
            text=f"{number} {order}".strip(),
            timestamp="2026-01-01T00:00:00.000Z",
            raw="{}",
            client_id="c1",
        )
        return Sent(channel, number, partition, time.monotonic()), encode_message(message)

    async def append_by(self, appender: EntryAppender, channel: str) -> None:
        """Append one message as the callback service does; it counts once it is confirmed.

        Raises:
            StreamsError: as the appender does.
        """
        number = self._numbers[channel]
        sent, payload = self._make(channel, number)
        await appender.append(sent.partition, payload)
        self._numbers[channel] = number + 1
        self.sent.append(sent)

    def start(self) -> None:
        """Begin to append at the rate."""
        self._stop.clear()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End it."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def pending_and_unread(self) -> int:
        """How many entries the workers' groups have not acknowledged."""
        total = 0
        for partition in range(self._settings.partition_count):
            stream = f"{self._settings.prefix}:partition:{partition}"
            if not self._client.exists(stream):
                continue
            groups = self._client.xinfo_groups(stream)
            total += sum(g["pending"] + (g["lag"] or 0) for g in groups)
            if not groups:
                total += self._client.xlen(stream)
        return total

    def close(self) -> None:
        """Close the connection."""
        self.stop()
        self._client.close()

    def _run(self) -> None:
        begin = time.monotonic()
        for count, channel in enumerate(itertools.cycle(self._channels)):
            pause = begin + count / self.rate - time.monotonic()
            if self._stop.wait(max(0.0, pause)):
                return
            self.append(channel)
