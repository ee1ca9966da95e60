"""Runners: no task per message, bounded, and nothing passes from one handler to the next."""

import asyncio
import contextlib
import contextvars
from collections import deque

import pytest

from realtime_message.streams.contracts import Entry
from realtime_message.testing.memory.streams import make_message
from realtime_message.testing.virtual_time import until
from realtime_message.worker import runners
from realtime_message.worker.delivery import Delivery
from realtime_message.worker.runners import Runners

VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


class Queue:
    """A source of deliveries without lanes."""

    def __init__(self) -> None:
        self.items: deque[Delivery] = deque()

    def __bool__(self) -> bool:
        return bool(self.items)

    def take(self) -> Delivery | None:
        return self.items.popleft() if self.items else None

    def put(self, *channels: str) -> None:
        for channel in channels:
            self.items.append(Delivery(Entry("1-1", b""), make_message(channel), None))


class Harness:
    """Runners with a handler of the test's own, for one delivery after the other."""

    def __init__(self, handle: object, concurrency: int = 10) -> None:
        self.queue = Queue()
        self.failures: list[BaseException] = []
        self._handle = handle
        self.runners = Runners(self.queue, self._work, concurrency, self.failures.append)

    async def _work(self, task: asyncio.Task[None], runners: Runners) -> bool:
        """As the dispatcher does."""
        pristine = contextvars.copy_context()
        for _ in range(64):
            delivery = self.queue.take()
            if delivery is None:
                return True
            if self.queue and not runners.is_one_coming:
                runners.wake()
            await self._handle(delivery, task)
            if contextvars.copy_context() != pristine or task.cancelling():
                return False
        return True

    def put(self, *channels: str) -> None:
        self.queue.put(*channels)
        self.runners.wake()


async def test_handlers_that_do_not_wait_share_one_task() -> None:
    """A hundred quick messages are handled by one or two tasks."""
    tasks = set()

    async def handle(_delivery: Delivery, _task: object) -> None:
        tasks.add(asyncio.current_task())

    harness = Harness(handle)
    harness.put(*[str(n) for n in range(100)])
    await until(lambda: not harness.queue)
    assert len(tasks) <= 2
    await harness.runners.close()


async def test_waiting_handlers_run_side_by_side_up_to_the_limit() -> None:
    """As many are at work as the concurrency allows, and not one more."""
    at_work, most = 0, 0
    go_on = asyncio.Event()

    async def handle(_delivery: Delivery, _task: object) -> None:
        nonlocal at_work, most
        at_work += 1
        most = max(most, at_work)
        await go_on.wait()
        at_work -= 1

    harness = Harness(handle, concurrency=7)
    harness.put(*[str(n) for n in range(50)])
    await until(lambda: at_work == 7)
    go_on.set()
    await until(lambda: at_work == 0 and not harness.queue)
    assert most == 7
    await harness.runners.close()


async def test_each_handler_sees_its_own_current_task_from_the_start() -> None:
    """Time-outs and task groups belong to the task in which the handler runs."""
    outcomes = []

    async def handle(delivery: Delivery, _task: object) -> None:
        try:
            async with asyncio.timeout(0.01 if delivery.message.channel == "slow" else 5):
                await asyncio.sleep(0.03)
            outcomes.append("done")
        except TimeoutError:
            outcomes.append("timed out")

    harness = Harness(handle)
    harness.put("slow", "quick")
    await until(lambda: len(outcomes) == 2)
    assert sorted(outcomes) == ["done", "timed out"]
    await harness.runners.close()


@pytest.mark.parametrize("waits", [False, True])
async def test_context_variables_do_not_leak_into_the_next_message(waits: bool) -> None:
    """A variable that a handler sets is unset again for the next one."""
    seen = []

    async def handle(delivery: Delivery, _task: object) -> None:
        seen.append(VARIABLE.get())
        VARIABLE.set(delivery.message.channel)
        if waits:
            await asyncio.sleep(0)

    harness = Harness(handle, concurrency=1)
    harness.put("a", "b", "c")
    await until(lambda: len(seen) == 3)
    assert seen == ["unset"] * 3
    await harness.runners.close()


async def test_cancelled_handler_does_not_harm_the_next_message() -> None:
    """A runner that was cancelled and whose handler ended is replaced."""
    seen = []

    async def handle(delivery: Delivery, _task: object) -> None:
        seen.append(delivery.message.channel)
        if delivery.message.channel == "a":
            asyncio.current_task().cancel()
            try:
                await asyncio.sleep(1)
            except asyncio.CancelledError:
                seen.append("cancelled")
        else:
            await asyncio.sleep(0)
            seen.append("finished")

    harness = Harness(handle, concurrency=1)
    harness.put("a", "b")
    await until(lambda: len(seen) == 4)
    assert seen == ["a", "cancelled", "b", "finished"]
    await harness.runners.close()


async def test_long_queue_leaves_time_for_others() -> None:
    """The event loop gets its turn between messages."""
    harness: Harness
    ticks = 0

    async def handle(_delivery: Delivery, _task: object) -> None:
        pass

    async def tick() -> None:
        nonlocal ticks
        while harness.queue:
            ticks += 1
            await asyncio.sleep(0)

    harness = Harness(handle)
    harness.put(*[str(n) for n in range(1000)])
    await tick()
    assert ticks >= 5
    await harness.runners.close()


async def test_defect_is_reported_and_the_others_go_on() -> None:
    """An exception out of handle is a defect of ours: it is not swallowed."""
    seen = []

    async def handle(delivery: Delivery, _task: object) -> None:
        if delivery.message.channel == "bad":
            raise LookupError("a defect")
        seen.append(delivery.message.channel)

    harness = Harness(handle, concurrency=1)
    harness.put("bad", "good")
    await until(lambda: bool(seen))
    assert [repr(error) for error in harness.failures] == ["LookupError('a defect')"]
    assert seen == ["good"]
    await harness.runners.close()


async def test_close_cancels_what_runs_and_starts_nothing() -> None:
    """After close no runner is left."""
    ended = []

    async def handle(_delivery: Delivery, _task: object) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(True)

    harness = Harness(handle, concurrency=3)
    harness.put("a", "b", "c", "d")
    await until(lambda: len(harness.queue.items) == 1)
    await asyncio.sleep(0)
    await harness.runners.close()
    assert len(ended) == 3
    harness.runners.wake()
    await asyncio.sleep(0)
    assert not harness.runners._tasks


async def test_close_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """A handler may ignore that it is cancelled."""
    monkeypatch.setattr(runners, "_CLOSE_SECONDS", 0.01)
    go_on = asyncio.Event()

    async def handle(_delivery: Delivery, _task: object) -> None:
        while not go_on.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await go_on.wait()

    harness = Harness(handle)
    harness.put("a")
    await until(lambda: not harness.queue)
    await asyncio.wait_for(harness.runners.close(), 5)
    assert len(harness.runners._tasks) == 1
    go_on.set()
    await until(lambda: not harness.runners._tasks)


async def test_burst_leaves_few_parked_runners() -> None:
    """Thousands of runners may be needed once; they do not all stay."""
    go_on = asyncio.Event()

    async def handle(_delivery: Delivery, _task: object) -> None:
        await go_on.wait()

    harness = Harness(handle, concurrency=1000)
    harness.put(*[str(n) for n in range(1000)])
    await until(lambda: len(harness.runners._tasks) == 1000)
    go_on.set()
    await until(lambda: len(harness.runners._tasks) <= 64)
    await harness.runners.close()
