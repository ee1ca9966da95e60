"""A partition that stands still although nothing is at work: noticed, counted, read anew."""

import asyncio

from realtime_message import App, Message
from realtime_message.telemetry.worker_metrics import Loss
from realtime_message.testing.memory.streams import MemoryStreams
from realtime_message.testing.running_worker import RunningWorker
from realtime_message.testing.virtual_time import in_virtual_time, until


def _streams() -> MemoryStreams:
    return MemoryStreams(1, asyncio.get_running_loop().time)


def _stalls(worker: RunningWorker) -> tuple[int, int]:
    return worker.metrics.incidents.get("partition_stalled", 0), worker.metrics.losses[Loss.stalled]


@in_virtual_time
async def test_forgotten_entry_is_found_and_read_anew() -> None:
    """As after a defect of ours: the entry is pending, and nobody has it in hand."""
    streams, app, seen = _streams(), App(), []

    @app.on_message()
    async def note(message: Message) -> None:
        seen.append(message.text)

    worker = RunningWorker(streams, app)
    await until(lambda: worker.partitions == [0])
    (held,) = worker.worker.ownership.held()
    held.committer.finish = lambda entry_id: None
    streams.append("a", "1")
    await until(lambda: seen == ["1"])
    await asyncio.sleep(25)
    assert _stalls(worker) == (0, 0)
    await until(lambda: streams.unfinished == 0)
    assert seen == ["1", "1"]
    assert _stalls(worker) == (1, 1)
    await worker.stop()


@in_virtual_time
async def test_partition_is_given_up_once_for_an_entry() -> None:
    """What giving up does not mend is for people; the worker does not go round in circles."""
    streams, app = _streams(), App()

    @app.on_message()
    async def note(message: Message) -> None:
        pass

    async def find_oldest(partition: int) -> str:
        return "1-1"

    worker = RunningWorker(streams, app)
    worker.worker.progress._find_oldest = find_oldest
    await asyncio.sleep(200)
    assert _stalls(worker) == (1, 1)
    await worker.stop()


@in_virtual_time
async def test_work_that_takes_its_time_is_no_standstill() -> None:
    """Slow handlers, long waits between attempts, batches that gather, an empty stream."""
    streams, app = _streams(), App()

    @app.on_message("slow")
    async def dawdle(message: Message) -> None:
        await asyncio.sleep(300)

    @app.on_message("ill")
    async def fail(message: Message) -> None:
        raise ValueError("no")

    @app.on_batch("many", max_wait_seconds=200)
    async def gather(messages: list[Message]) -> None:
        pass

    for channel in ("slow", "ill", "many"):
        worker = RunningWorker(
            streams,
            app,
            handler_timeout_seconds=0,
            backoff_initial_seconds=120,
            backoff_max_seconds=120,
            max_attempts=3,
        )
        streams.append(channel, "1")
        await until(lambda: streams.unfinished == 0, 500)
        await asyncio.sleep(100)
        assert _stalls(worker) == (0, 0), channel
        await worker.stop()


@in_virtual_time
async def test_messages_that_wait_for_a_free_runner_are_no_standstill() -> None:
    """All handlers are at work for another partition."""
    streams, app = MemoryStreams(2, asyncio.get_running_loop().time), App()

    @app.on_message()
    async def dawdle(message: Message) -> None:
        await asyncio.sleep(200)

    worker = RunningWorker(streams, app, concurrency=1, handler_timeout_seconds=0)
    for number in range(4):
        streams.append(f"c{number}", "1")
    assert all(partition.entries for partition in streams.partitions)
    await until(lambda: streams.unfinished == 0, 1000)
    assert _stalls(worker) == (0, 0)
    await worker.stop()
