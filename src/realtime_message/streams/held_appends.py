"""Appends that met a sealed stream: they wait until it is open, and go by the new layout then.

They, and all that is submitted after them, are held in their order. The layout is read again and
again until the streams are open; then each is routed anew, by its channel, and submitted. One whose
time is over before gets a temporary error: it is certain that it was not appended.

For a while after a resize, what may be a resend waits here, too, and all that comes after it, until
the marks from before the resize were looked at.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Protocol

import msgspec

from realtime_message.errors import StreamsError, StreamsUnavailableError
from realtime_message.message import UNDECODABLE, payload_in_partition
from realtime_message.partitions import partition_of
from realtime_message.settings import ChannelDurability
from realtime_message.streams.contracts import Appended, Dedup, OnAppended
from realtime_message.streams.former_marks import Candidate, FormerMarks, Mark
from realtime_message.streams.route import Route
from realtime_message.streams.server_errors import StreamSealedError
from realtime_message.telemetry.logs import get_logger
from realtime_message.telemetry.trace_context import TraceContext

#: How often it is looked whether the streams are open again.
LOOK_SECONDS = 0.005
MAX_HELD_ENTRIES = 16_384

_log = get_logger("streams.append")


class Sender(Protocol):
    """What appends in the end; see append.py."""

    def confirm(self, mark: Mark, submission: Submission) -> None:
        """Tell that a message was appended before, once that is as durable as it must be."""
        ...

    def send_again(self, partition: int, submission: Submission) -> None:
        """Append what was held, of whichever kind it is."""
        ...

    async def name_connections(self) -> bool:
        """Make all connections known under the present generation, behind all that was sent.

        Returns:
            Whether that succeeded.
        """
        ...


class Submission(msgspec.Struct, gc=False):
    """An append under way: told the outcome in place of the caller, it comes back if need be."""

    held: HeldAppends
    payload: bytes
    on_appended: OnAppended
    dedup: Dedup | None
    durability: ChannelDurability
    deadline_at: float = 0.0

    def __call__(self, outcome: Appended | Exception) -> None:
        """Tell the caller, unless it is to be appended elsewhere."""
        if type(outcome) is StreamSealedError:  # once for each message: the quickest way to ask
            self.held.take_back(self)
        else:
            self.on_appended(outcome)


class TracedSubmission(Submission, gc=False, kw_only=True):
    """An append that keeps a trace beside the payload."""

    trace: TraceContext


class HeldAppends:
    """What waits for the end of a resize, or for a look at the marks from before it.

    Args:
        route: by which this process appends.
        marks: those from before.
        sender: appends in the end.
        timeout_seconds: how long an append may take.

    Attributes:
        is_holding: whether what is submitted has to wait here.
    """

    def __init__(
        self, route: Route, marks: FormerMarks, sender: Sender, timeout_seconds: float
    ) -> None:
        self._route = route
        self._marks = marks
        self._sender = sender
        self._timeout_seconds = timeout_seconds
        self._loop = asyncio.get_running_loop()
        #: In the order of their submission: those that were sent, those that were taken back
        #: before, and those that were submitted while others waited here.
        self._sent: deque[Submission] = deque()
        self._unsent: deque[Submission] = deque()
        self._later: deque[Submission] = deque()
        self._is_taking_back = False
        self._named_generation = route.view.generation
        self._waiting: asyncio.Task[None] | None = None
        self.is_holding = False

    @property
    def _all(self) -> tuple[deque[Submission], ...]:
        return self._sent, self._unsent, self._later

    def add(self, submission: Submission) -> None:
        """Hold what is submitted now."""
        if len(self._later) >= MAX_HELD_ENTRIES:
            error = StreamsUnavailableError("not appended: too many appends wait for a resize")
            self._loop.call_soon(submission.on_appended, error)
            return
        submission.deadline_at = self._loop.time() + self._timeout_seconds
        self._later.append(submission)
        self._begin(0.0)

    def take_back(self, submission: Submission) -> None:
        """Hold what could not be appended where it was sent."""
        if not submission.deadline_at:
            submission.deadline_at = self._loop.time() + self._timeout_seconds
        (self._unsent if self._is_taking_back else self._sent).append(submission)
        self._begin(LOOK_SECONDS)

    @contextlib.contextmanager
    def taking_back(self) -> Iterator[None]:
        """While this lasts, what comes back was not sent. From then on everything waits."""
        self._begin(LOOK_SECONDS)
        self._is_taking_back = True
        try:
            yield
        finally:
            self._is_taking_back = False

    async def close(self) -> None:
        """Wait until nothing is held; every append has its deadline."""
        if self._waiting is not None:
            await asyncio.wait([self._waiting])

    def _begin(self, pause_seconds: float) -> None:
        self.is_holding = True
        if self._waiting is None:
            self._waiting = self._loop.create_task(self._wait(pause_seconds), name="append.held")

    async def _wait(self, pause_seconds: float) -> None:
        try:
            await asyncio.sleep(pause_seconds)
            while True:
                self._expire()
                if await self._are_open():
                    await self._release()
                    if not any(self._all):
                        break
                elif any(self._all):
                    await asyncio.sleep(LOOK_SECONDS)
                else:
                    break
        except StreamsError as error:
            self._fail_all(error)
        except Exception as error:  # noqa: BLE001 - told to everyone who waits
            _log.exception("append.holding_failed")
            self._fail_all(error)
        finally:
            self._waiting = None
            self.is_holding = False

    async def _are_open(self) -> bool:
        """Whether the streams take appends, and our connections are those of the layout."""
        view = await self._route.follow()
        if self._named_generation != view.generation:
            if not await self._sender.name_connections():
                return False
            self._named_generation = view.generation
            # The layout may only be relied on if it is still the one of the names.
            view = await self._route.follow()
        return view.takes_appends and view.generation == self._named_generation

    async def _release(self) -> None:
        """Append all that is held, in order, but for resends."""
        view = self._route.view
        counts = [len(held) for held in self._all]
        marks = await self._find_marks([submission for held in self._all for submission in held])
        if self._route.view.generation != view.generation:
            return  # not by this layout any more
        remaining = iter(marks)
        for held, count in zip(self._all, counts, strict=True):
            for _ in range(count):
                submission, mark = held.popleft(), next(remaining)
                if mark is not None:
                    self._sender.confirm(mark, submission)
                else:
                    self._send(submission, view.partition_count)

    async def _find_marks(self, submissions: Sequence[Submission]) -> list[Mark | None]:
        found: list[Mark | None] = [None] * len(submissions)
        if not self._marks.may_be:
            return found
        places, candidates = [], []
        for place, submission in enumerate(submissions):
            channel = _channel_of(submission.payload)
            if submission.dedup is not None and channel is not None:
                places.append(place)
                candidates.append(Candidate(channel, submission.dedup))
        for place, mark in zip(places, await self._marks.find(candidates), strict=True):
            found[place] = mark
        return found

    def _send(self, submission: Submission, partition_count: int) -> None:
        """Append by the present layout, which is put into the payload."""
        channel = _channel_of(submission.payload)
        if channel is None:
            error = StreamsUnavailableError("not appended: it has no channel to find a place by")
            submission.on_appended(error)
            return
        partition = partition_of(channel, partition_count)
        submission.payload = payload_in_partition(submission.payload, partition)
        self._sender.send_again(partition, submission)

    def _expire(self) -> None:
        now = self._loop.time()
        error = StreamsUnavailableError("not appended: the partition count is being changed")
        for held in self._all:
            while held and held[0].deadline_at <= now:
                held.popleft().on_appended(error)

    def _fail_all(self, error: Exception) -> None:
        failure = StreamsUnavailableError(f"not appended: {error}")
        for held in self._all:
            while held:
                held.popleft().on_appended(failure)


class _Placed(msgspec.Struct):
    """What a payload must at least say to have a place."""

    channel: str


_decode = msgspec.json.Decoder(_Placed).decode


def _channel_of(payload: bytes) -> str | None:
    try:
        return _decode(payload).channel
    except UNDECODABLE:
        return None
