"""Appends that met a sealed stream: they wait until it is open, and go by the new layout then.

They, and all that is submitted after them, are held in their order. The layout is read again and
again until the streams are open; then each is routed anew, by its channel, and submitted. One whose
time is over before gets a temporary error: it is certain that it was not appended.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Iterator

import msgspec

from realtime_message.errors import StreamsError, StreamsUnavailableError
from realtime_message.partitions import partition_of
from realtime_message.settings import ChannelDurability
from realtime_message.streams.contracts import Appended, Dedup, OnAppended
from realtime_message.streams.route import Route
from realtime_message.streams.server_errors import StreamSealedError
from realtime_message.telemetry.logs import get_logger

#: How often it is looked whether the streams are open again.
LOOK_SECONDS = 0.005
MAX_HELD_ENTRIES = 16_384

_log = get_logger("streams.append")


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
        if isinstance(outcome, StreamSealedError):
            self.held.take_back(self)
        else:
            self.on_appended(outcome)


class HeldAppends:
    """What waits for the end of a resize.

    Args:
        route: by which this process appends.
        submit: appends to a partition.
        name_connections: makes all connections known under the present generation, after all that
            was sent on them; returns whether that succeeded.
        timeout_seconds: how long an append may take.

    Attributes:
        is_holding: whether what is submitted has to wait here.
    """

    def __init__(
        self,
        route: Route,
        submit: Callable[[int, Submission], None],
        name_connections: Callable[[], Awaitable[bool]],
        timeout_seconds: float,
    ) -> None:
        self._route = route
        self._submit = submit
        self._name_connections = name_connections
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

    def take_back(self, submission: Submission) -> None:
        """Hold what could not be appended where it was sent."""
        if not submission.deadline_at:
            submission.deadline_at = self._loop.time() + self._timeout_seconds
        (self._unsent if self._is_taking_back else self._sent).append(submission)
        self._begin()

    @contextlib.contextmanager
    def taking_back(self) -> Iterator[None]:
        """While this lasts, what comes back was not sent. From then on everything waits."""
        self._begin()
        self._is_taking_back = True
        try:
            yield
        finally:
            self._is_taking_back = False

    async def close(self) -> None:
        """Wait until nothing is held; every append has its deadline."""
        if self._waiting is not None:
            await asyncio.wait([self._waiting])

    def _begin(self) -> None:
        self.is_holding = True
        if self._waiting is None:
            self._waiting = self._loop.create_task(self._wait(), name="append.held")

    async def _wait(self) -> None:
        try:
            while True:
                await asyncio.sleep(LOOK_SECONDS)
                self._expire()
                if await self._are_open() or not any(self._all):
                    break
        except StreamsError as error:
            self._fail_all(error)
        except Exception as error:  # noqa: BLE001 - told to everyone who waits
            _log.exception("append.holding_failed")
            self._fail_all(error)
        finally:
            self._waiting = None
            self._release()

    async def _are_open(self) -> bool:
        """Whether the streams take appends, and our connections are those of the layout."""
        view = await self._route.follow()
        if self._named_generation != view.generation:
            if not await self._name_connections():
                return False
            self._named_generation = view.generation
            # The layout may only be relied on if it is still the one of the names.
            view = await self._route.follow()
        return view.takes_appends and view.generation == self._named_generation

    def _release(self) -> None:
        """Append all that is held, in order."""
        self.is_holding = False
        count = self._route.view.partition_count
        for held in self._all:
            for _ in range(len(held)):
                submission = held.popleft()
                try:
                    partition = self._route_anew(submission, count)
                except (msgspec.MsgspecError, KeyError, TypeError, AttributeError):
                    error = StreamsUnavailableError("not appended: the partition count has changed")
                    submission.on_appended(error)
                else:
                    self._submit(partition, submission)

    def _route_anew(self, submission: Submission, count: int) -> int:
        """Return the partition by the present layout, and put it into the payload."""
        fields = msgspec.json.decode(submission.payload)
        partition = partition_of(fields["channel"], count)
        if fields.get("partitionId") != partition:
            fields["partitionId"] = partition
            submission.payload = msgspec.json.encode(fields)
        return partition

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
