"""Parked channels: after a message failed for good, its channel is held back until resumed.

The later messages of a parked channel are set aside in a stream of the channel's own, in order. So
neither the partition, nor its trimming, nor the memory of the worker waits for the channel.

Resuming runs in the channel's lane, by means of a *marker* that waits there like a message. When it
is its turn, nothing of the channel can be on its way aside; so it fetches what was set aside, puts
it before everything that waits, and itself behind it. When nothing is left, the channel goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Protocol, TypeVar

from realtime_message.errors import StreamsError
from realtime_message.streams.contracts import Entry
from realtime_message.telemetry.logs import get_logger
from realtime_message.worker.backoff import until_answered
from realtime_message.worker.delivery import Delivery, Origin, deliver_aside, make_marker

if TYPE_CHECKING:
    from realtime_message.worker.held_partition import HeldPartition

log = get_logger("worker.parking")

T = TypeVar("T")

_LOOK_SECONDS = 1.0
_READ_COUNT = 32


class ChannelParker(Protocol):
    """What parks channels in the streams under a lease; see streams.parked."""

    async def states(self) -> dict[str, bool]:
        """Return the parked channels, each with whether it is being resumed."""
        ...

    async def park(self, channel: str, reason: str = "") -> None:
        """Hold a channel back."""
        ...

    async def unpark(self, channel: str) -> bool:
        """Let a channel go on; False if entries are still set aside."""
        ...

    async def read(self, channel: str, count: int) -> list[Entry]:
        """Return the first entries that are set aside."""
        ...

    async def record_attempt(self, channel: str, entry_id: str, attempts: int) -> None:
        """Keep the number of attempts of the first entry that is set aside."""
        ...

    async def finish(self, channel: str, entry_id: str) -> None:
        """Remove an entry that was handled."""
        ...

    async def bury(
        self, channel: str, entry_id: str, *, reason: str, error: str, attempts: int
    ) -> None:
        """Move an entry to the dead letters."""
        ...


class Parking:
    """The parked channels of one partition while its lease is held.

    Args:
        held: the partition.
        parker: the same in the streams.

    Attributes:
        channels: those that are parked, each with whether it is being resumed.
    """

    def __init__(self, held: HeldPartition, parker: ChannelParker) -> None:
        self._held = held
        self.parker = parker
        self.channels: dict[str, bool] = {}
        self._marked: set[str] = set()
        self._absent: set[str] = set()

    async def load(self) -> None:
        """Learn what former owners parked; before the first message is read."""
        self._notice(await self._call(self.parker.states))

    async def watch(self) -> None:
        """Look every second whether an operator resumed a channel, until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            if self.channels:
                try:
                    states = await self.parker.states()
                except StreamsError:
                    continue  # the fetcher says so in the log
                if not self._held.is_at_gate:  # else they may be on their way elsewhere
                    self._notice(states)

    async def reload(self) -> None:
        """Learn anew which channels are parked, while nothing is in hand: some have moved."""
        states = await self._call(self.parker.states)
        self.channels.clear()
        self._marked.clear()
        self._absent.clear()
        self._notice(states)

    def takes(self, delivery: Delivery) -> bool:
        """Whether a delivery whose turn it is goes to us instead of its handler."""
        is_resuming = self.channels.get(delivery.message.channel)
        if is_resuming is None:
            return False
        if delivery.origin is Origin.stream:
            self._held.run_errand(self._set_aside(delivery))
        elif is_resuming and delivery.origin is Origin.aside:
            return False
        elif is_resuming:
            self._held.run_errand(self._hand_out(delivery))
        else:
            # Parked again by one before it: it stays where it was set aside.
            self._marked.discard(delivery.message.channel)
            self._held.let_go(delivery)
        return True

    async def park(self, channel: str, reason: str) -> None:
        """Hold a channel back, from its next message on."""
        # First what was handled of it: would that come again to another owner, who finds the
        # channel parked, it would be set aside behind messages that we had set aside before.
        await self._held.committer.wait_for_acknowledgement()
        await self._call(lambda: self.parker.park(channel, reason))
        self.channels[channel] = False
        log.error("channel.parked", channel=channel, partition=self._held.number)

    async def finish(self, delivery: Delivery, *, is_last: bool) -> None:
        """Remove a message that was set aside and is handled now."""
        channel = delivery.message.channel
        await self._call(lambda: self.parker.finish(channel, delivery.entry.id))
        self._held.suspects.clear(delivery)
        if is_last:
            self._held.let_go(delivery)

    async def _set_aside(self, delivery: Delivery) -> None:
        channel = delivery.message.channel
        await self._call(lambda: self._held.reader.set_aside(channel, delivery.entry))
        self._held.suspects.clear(delivery)
        self._held.let_go(delivery)

    async def _hand_out(self, marker: Delivery) -> None:
        """Put what was set aside before all that waits; if there is nothing, unpark."""
        channel = marker.message.channel
        entries = await self._call(lambda: self.parker.read(channel, _READ_COUNT))
        if entries:
            found = [deliver_aside(entry, self._held, channel) for entry in entries]
            self._held.lanes.insert(channel, [*found, make_marker(channel, self._held)])
        elif await self._call(lambda: self.parker.unpark(channel)):
            del self.channels[channel]
            self._marked.discard(channel)
            log.info("channel.resumed", channel=channel, partition=self._held.number)
        self._held.let_go(marker)

    def _notice(self, states: dict[str, bool]) -> None:
        absent = self.channels.keys() - states.keys() - self._marked
        # Twice in a row: one that was parked a moment ago may not have been seen yet.
        for channel in absent & self._absent:
            del self.channels[channel]
        self._absent = absent
        for channel, is_resuming in states.items():
            self.channels[channel] = is_resuming
            if is_resuming and channel not in self._marked:
                self._mark(channel)

    def _mark(self, channel: str) -> None:
        lanes = self._held.lanes
        if not lanes.has_overflow(channel):  # else at the next look
            self._marked.add(channel)
            lanes.add([make_marker(channel, self._held)])
            self._held.look_again()

    async def _call(self, action: Callable[[], Awaitable[T]]) -> T:
        return await until_answered(action, call="park", partition=self._held.number)
