"""For tests of your own handlers and hooks: the real worker and callback code, without servers."""

from realtime_message.testing.attempts import Attempt, DeadLetter
from realtime_message.testing.callback_harness import Answer, CallbackHarness, Refusal
from realtime_message.testing.memory.appender import MemoryAppender
from realtime_message.testing.memory.line import Line
from realtime_message.testing.memory.state import MemoryServer
from realtime_message.testing.memory.streams import MemoryStreams
from realtime_message.testing.running_worker import InlineKeeper, RecordedReplies, RunningWorker
from realtime_message.testing.virtual_time import VirtualTimeLoop, in_virtual_time
from realtime_message.testing.worker_harness import NotIdleError, WorkerHarness

__all__ = [
    "Answer",
    "Attempt",
    "CallbackHarness",
    "DeadLetter",
    "InlineKeeper",
    "Line",
    "MemoryAppender",
    "MemoryServer",
    "MemoryStreams",
    "NotIdleError",
    "RecordedReplies",
    "Refusal",
    "RunningWorker",
    "VirtualTimeLoop",
    "WorkerHarness",
    "in_virtual_time",
]
