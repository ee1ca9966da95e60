"""A worker under test: the real one, on streams in memory, without waiting for its clock.

async with WorkerHarness(app) as harness:
await harness.publish("chat:1", {"text": "hi"}, user="u")
await harness.run_until_idle()
assert [m.text for m in harness.handled] == ["hi"]
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping
from typing import Any, Self

from structlog.testing import capture_logs

from realtime_message.app import App, check_handlers, open_resources
from realtime_message.message import Message, encode_message
from realtime_message.partitions import partition_of
from realtime_message.settings import CallbackSettings
from realtime_message.telemetry.tracing_extra import open_tracing
from realtime_message.telemetry.worker_metrics import Outcome
from realtime_message.testing.attempts import Attempt, DeadLetter, parked_messages, read_dead_letter
from realtime_message.testing.callback_harness import CallbackHarness
from realtime_message.testing.given import check_replaced, given_app, made_message
from realtime_message.testing.memory.state import Pending
from realtime_message.testing.memory.streams import MemoryStreams
from realtime_message.testing.running_worker import RecordedReplies, RunningWorker
from realtime_message.testing.skipped_time import SkippedTime
from realtime_message.worker.delivery import Delivery

# Long, so that skipped minutes are no reason to lose a partition between two renewals.
_LEASE_SECONDS = 60.0
# So many turns of the event loop without a call to the streams: everybody waits for time to pass.
_QUIET_TURNS = 5
_MAX_STEP_SECONDS = 5.0
_DONE = (Outcome.ack, Outcome.skip)


class NotIdleError(TimeoutError):
    """The worker did not come to rest in time; the text says what it still works on."""


class WorkerHarness:
    """A worker and its streams, in the current event loop. An asynchronous context manager.

    Only `run_until_idle`, `run_until` and `advance` skip time, and only while no handler is at
    work; then retries, batches and parked channels wait for nothing.

    Args:
        app: the handlers and hooks under test, or their name as `module:attribute`.
        resources: given to them instead of what the app's resources would open, by name.
        partition_count: how many partitions there are.
        callback: settings of the callback service, for `callback`.
        has_tracing: whether publishes and attempts are spans; needs the extra `tracing`.
        settings: of the worker, by their names in `[worker]`, where they differ from the
            defaults.

    Attributes:
        streams: where the messages are; `streams.line` lets calls fail.
        attempts: every attempt, in the order in which they ended.
        replies: what handlers sent to Centrifugo's server API.

    Raises:
        StartupError: the app does not fit, or has no resource of a name in `resources`; at
            `async with`.
    """

    def __init__(
        self,
        app: App | str,
        *,
        resources: Mapping[str, Any] | None = None,
        partition_count: int = 8,
        callback: CallbackSettings | None = None,
        has_tracing: bool = False,
        **settings: Any,
    ) -> None:
        self._app = given_app(app)
        self._replaced = dict(resources or {})
        self._settings = {
            "lease_seconds": _LEASE_SECONDS,
            "partitions": ",".join(str(partition) for partition in range(partition_count)),
            **settings,
        }
        self.streams = MemoryStreams(partition_count, self._now)
        self.attempts: list[Attempt] = []
        self.replies = RecordedReplies()
        self.callback = CallbackHarness(self._app, self.streams, callback)
        self._opened: Mapping[str, Any] = {}
        self._stack = contextlib.AsyncExitStack()
        self._time: SkippedTime | None = None
        self._worker: RunningWorker | None = None
        self._quiet_seconds = 0.0
        self._tracing = open_tracing() if has_tracing else None

    async def __aenter__(self) -> Self:
        check_handlers(self._app)
        check_replaced(self._app, self._replaced)
        self._time = SkippedTime(asyncio.get_running_loop())
        self._time.install()
        opening = open_resources(self._app, replaced=self._replaced)
        self._opened = await self._stack.enter_async_context(opening)
        self.callback.open(self._opened, self._tracing)
        self._stack.callback(self.callback.close)
        self._start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._end_worker()
        await self._stack.aclose()

    def __repr__(self) -> str:
        reasons = "; ".join(dict.fromkeys(letter.reason for letter in self.streams.dead))
        shown = f"handled={len(self.handled)} dead_letters={len(self.streams.dead)}"
        return f"<WorkerHarness {shown}{': ' if reasons else ''}{reasons}>"

    @property
    def handled(self) -> list[Message]:
        """The messages that were handled, in the order in which their handlers ended."""
        return [a.message for a in self.attempts if a.outcome in _DONE]

    @property
    def dead_letters(self) -> list[DeadLetter]:
        """The messages that were given up."""
        return [read_dead_letter(letter) for letter in self.streams.dead]

    @property
    def parked(self) -> dict[str, list[Message]]:
        """The parked channels, each with the messages that were set aside."""
        return parked_messages(self.streams.partitions)

    @property
    def is_idle(self) -> bool:
        """Whether every message is done with: handled, a dead letter, or set aside."""
        is_resuming = any(any(state.parked.values()) for state in self.streams.partitions)
        return self.streams.unfinished == 0 and not is_resuming and not self._is_at_work()

    def attempts_of(self, message: Message) -> list[Attempt]:
        """Return the attempts of one message."""
        return [attempt for attempt in self.attempts if attempt.message.id == message.id]

    def handled_in(self, channel: str) -> list[Message]:
        """Return the messages of one channel that were handled, in order."""
        return [message for message in self.handled if message.channel == channel]

    async def publish(
        self,
        channel: str,
        data: Any,
        *,
        user: str = "user",
        user_name: str = "",
        client: str = "client",
    ) -> Message:
        """Store a message as the callback service does, without asking hooks or rules.

        Args:
            channel: its channel.
            data: what the client sent; anything that is JSON.
            user: the sender.
            user_name: the sender's name; the user id by default.
            client: the id of the sender's connection.
        """
        partition = partition_of(channel, self.streams.partition_count)
        message = made_message(
            channel, partition, data, user=user, user_name=user_name, client=client, at=self._now()
        )
        appender = await self.streams.appender()
        await appender.append(partition, encode_message(message))
        return message

    async def run_until_idle(self, timeout_seconds: float = 10.0) -> None:
        """Let the worker work until every message is done with.

        Args:
            timeout_seconds: how long that may take, in real time.

        Raises:
            NotIdleError: it took longer.
            BaseException: what ended the worker.
        """
        await self.run_until(lambda: self.is_idle, timeout_seconds)

    async def run_until(self, condition: Callable[[], bool], timeout_seconds: float = 10.0) -> None:
        """Let the worker work until a condition holds; as `run_until_idle`."""
        deadline = time.monotonic() + timeout_seconds
        while not condition():
            self._check_worker()
            if time.monotonic() > deadline:
                raise NotIdleError(self._what_is_left(timeout_seconds))
            await self._go_on(_MAX_STEP_SECONDS)

    async def advance(self, seconds: float) -> None:
        """Let so much time pass for the worker, and whatever is due in it happen."""
        until = self._clock.skipped_seconds + seconds
        while (left := until - self._clock.skipped_seconds) > 0:
            self._check_worker()
            await self._go_on(left)

    async def crash(self) -> None:
        """End the worker in the midst of whatever it does; another one takes over at once.

        What was being handled is handled again: a message that was in hand at the crash of its
        worker, and the number of its attempts, are treated as after any crash.
        """
        await self._end_worker()
        for state in self.streams.partitions:
            state.held_until = 0.0
        self._start()

    async def redeliver(self, message: Message) -> None:
        """Deliver a handled message again, as when a worker ends just before it acknowledges.

        Raises:
            ValueError: the message was not handled.
        """
        attempts = [a for a in self.attempts_of(message) if a.outcome in _DONE]
        if not attempts:
            raise ValueError(f"message {message.id} was not handled, so it cannot come again")
        state = self.streams.partitions[message.partition_id]
        entries = zip(state.entries, state.places, strict=True)
        entry, place = next(found for found in entries if found[0].id == attempts[-1].entry_id)
        await self.run_until(lambda: entry.id not in state.pending)
        state.pending[entry.id] = Pending(entry, place, "worker-that-crashed")
        await self.crash()

    def resume(self, channel: str) -> None:
        """Let a parked channel go on, as an operator does."""
        self.streams.resume(channel)

    @property
    def _clock(self) -> SkippedTime:
        if self._time is None:
            raise RuntimeError("use the harness in `async with WorkerHarness(app) as harness:`")
        return self._time

    def _now(self) -> float:
        return time.time() + (self._time.skipped_seconds if self._time is not None else 0.0)

    async def _end_worker(self) -> None:
        if self._worker is not None:
            # That it cannot release its partitions belongs to the crash, and is no news.
            with capture_logs():
                await self._worker.crash()

    def _start(self) -> None:
        self._worker = RunningWorker(
            self.streams,
            self._app,
            "0",
            self._opened,
            replies=self.replies,
            observe=self._observe,
            tracing=self._tracing,
            **self._settings,
        )

    def _observe(self, delivery: Delivery, outcome: Outcome, took_seconds: float) -> None:
        self.attempts.append(
            Attempt(delivery.message, delivery.entry.id, delivery.attempt, outcome, took_seconds)
        )

    def _is_at_work(self) -> bool:
        if self._worker is None:
            return False
        worker = self._worker.worker
        has_batch = any(held.batch_handlers_at_work for held in worker.ownership.held())
        return len(worker.handling.running) > 0 or has_batch

    def _check_worker(self) -> None:
        if self._worker is not None and self._worker.task.done():
            self._worker.task.result()
            raise RuntimeError("the worker has ended")

    async def _go_on(self, at_most_seconds: float) -> None:
        """Let others work; when nobody can without time passing, let it pass."""
        if self._is_at_work():
            self._quiet_seconds = 0.0
            await asyncio.sleep(0.0005)
            return
        before = self.streams.line.call_count
        for _ in range(_QUIET_TURNS):
            await asyncio.sleep(0)
            if self.streams.line.call_count != before or self._is_at_work():
                return
        # Most timers only look after something: the longer nothing came of them, the longer steps.
        skipped = self._clock.skipped_seconds
        self._clock.skip_to_next_timer(min(_MAX_STEP_SECONDS, self._quiet_seconds), at_most_seconds)
        self._quiet_seconds += self._clock.skipped_seconds - skipped

    def _what_is_left(self, timeout_seconds: float) -> str:
        running = len(self._worker.worker.handling.running) if self._worker is not None else 0
        return (
            f"the worker is not idle after {timeout_seconds:g} s: {self.streams.unfinished} "
            f"entries unread or not acknowledged, {running} handlers at work"
        )
