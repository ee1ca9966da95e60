"""For tests of your own handlers and hooks: the real worker and callback code, without servers."""

from realtime_message.testing.memory.appender import MemoryAppender
from realtime_message.testing.memory.line import Line
from realtime_message.testing.memory.state import MemoryServer
from realtime_message.testing.memory.streams import MemoryStreams
from realtime_message.testing.running_worker import RecordedReplies, RunningWorker
from realtime_message.testing.virtual_time import VirtualTimeLoop, in_virtual_time

__all__ = [
    "Line",
    "MemoryAppender",
    "MemoryServer",
    "MemoryStreams",
    "RecordedReplies",
    "RunningWorker",
    "VirtualTimeLoop",
    "in_virtual_time",
]
