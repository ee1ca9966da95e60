"""Fixtures of the callback service's unit tests."""

from contextlib import ExitStack

import pytest

from realtime_message import App
from realtime_message.callback.bound_hooks import bind_hooks
from realtime_message.callback.events.table import make_event_handlers
from realtime_message.callback.hooks import HookRunner
from realtime_message.settings import CallbackSettings, Settings
from realtime_message.testing.memory.appender import MemoryAppender


@pytest.fixture
def event_handlers():
    """A function from an App, settings and an appender to the event handlers of all events."""
    with ExitStack() as stack:

        def make(app: App, settings: CallbackSettings | None = None, appender=None, resources=None):
            runner = HookRunner(4)
            stack.callback(runner.close)
            return make_event_handlers(
                Settings(callback=settings or CallbackSettings()),
                bind_hooks(app, resources or {}),
                runner,
                appender or MemoryAppender(),
            )

        yield make
