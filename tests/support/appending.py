"""A producer on our own appender: every channel sends its next message once the last is confirmed.

An append that fails is sent again until it is confirmed, as a client's outbox does: with an id the
resend is the same message, without one it may be there twice.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter

import msgspec

from realtime_message.errors import StreamsError
from realtime_message.message import Message, encode_message
from realtime_message.partitions import partition_of
from realtime_message.settings import RedisSettings
from realtime_message.streams import open_streams
from realtime_message.streams.append import PipelinedAppender
from realtime_message.streams.contracts import Dedup
from support.checker import Sent
from support.traffic import Traffic

RESEND_SECONDS = 0.02


class Appending(Traffic):
    """The same as Traffic, through the streams.

    Args:
        settings: where the streams are, and how durable.
        channel_count: over how many channels.
        rate: messages per second.
        with_ids: whether a resend is recognised.

    Attributes:
        failures: how often appends failed, by what was said.
        gap_seconds: the longest time from an append that was confirmed to the next one of its
            channel.
    """

    def __init__(
        self,
        settings: RedisSettings,
        channel_count: int = 50,
        rate: float = 200,
        *,
        with_ids: bool = True,
    ) -> None:
        super().__init__(settings, channel_count, rate)
        self._with_ids = with_ids
        self.failures: Counter[str] = Counter()
        self.gap_seconds = 0.0
        self.error: BaseException | None = None

    def stop(self) -> None:
        """End it; what is under way is confirmed first."""
        super().stop()
        assert self.error is None, self.error

    def _run(self) -> None:
        try:
            asyncio.run(self._append_all())
        except BaseException as error:  # noqa: BLE001 - shown by the test
            self.error = error

    async def _append_all(self) -> None:
        streams = await open_streams(msgspec.structs.replace(self._settings))
        appender = await streams.appender()
        await asyncio.gather(*(self._keep_appending(appender, c) for c in self._channels))
        await streams.close()

    async def _keep_appending(self, appender: PipelinedAppender, channel: str) -> None:
        pause_seconds = len(self._channels) / self.rate
        last_at = time.monotonic()
        while not self._stop.is_set():
            await self._append_one(appender, channel, self._numbers[channel])
            self._numbers[channel] += 1
            self.gap_seconds = max(self.gap_seconds, time.monotonic() - last_at - pause_seconds)
            last_at = time.monotonic()
            await asyncio.sleep(pause_seconds)

    async def _append_one(self, appender: PipelinedAppender, channel: str, number: int) -> None:
        partition = partition_of(channel, self._settings.partition_count)
        message = Message(
            id=f"{channel}-{number}",
            channel=channel,
            partition_id=partition,
            user_id="u1",
            user_name="User",
            text=f"{number}",
            timestamp="2026-01-01T00:00:00.000Z",
            raw="{}",
            client_id="c1",
        )
        payload = encode_message(message)
        dedup = Dedup(message.id, b"r", 600_000) if self._with_ids else None
        at = time.monotonic()
        while True:
            try:
                await appender.append(partition, payload, dedup)
            except StreamsError as error:
                self.failures[kind_of(error)] += 1
                await asyncio.sleep(RESEND_SECONDS)
            else:
                self.sent.append(Sent(channel, number, partition, at))
                return


def kind_of(error: StreamsError) -> str:
    """Return an error's text without what differs each time."""
    text = str(error)
    for word in ("Connect call failed", "Connection refused", "MOVED", "TRYAGAIN", "CLUSTERDOWN"):
        if word in text:
            return word
    return text[:80]


def describe(traffic: Appending, partitions: int) -> str:
    """Return a line about the producer, for the table of a run."""
    return (
        f"producer: {len(traffic.sent)} confirmed in {partitions} partitions, longest wait for a "
        f"confirmation {traffic.gap_seconds:.2f} s, failures {dict(traffic.failures)}"
    )
