"""One handler for messages as they come or in batches, for tests of what holds for both."""

import inspect
from collections.abc import Callable
from typing import Any

from realtime_message import App, Message


def app_of(handle: Callable[[list[Message]], Any], *, is_batch: bool) -> App:
    """Return an app with this handler.

    Args:
        handle: a coroutine function, or one for a thread.
        is_batch: whether it gets batches; else it gets each message alone, in a list of one.
    """
    app = App()
    if is_batch:
        app.on_batch(max_wait_seconds=0)(handle)
        return app

    async def handle_one(message: Message) -> None:
        await handle([message])

    def handle_one_in_thread(message: Message) -> None:
        handle([message])

    is_async = inspect.iscoroutinefunction(handle)
    app.on_message()(handle_one if is_async else handle_one_in_thread)
    return app
