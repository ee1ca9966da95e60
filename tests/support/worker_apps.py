"""Apps that a worker cannot run, each in its own way, and one with everything."""

import asyncio
import contextlib
import os
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec

from realtime_message import App, Context, Message, PublishEvent

without_handlers = App()

only_hooks = App()


@only_hooks.on_publish()
async def permit(event: PublishEvent) -> None:
    """Permit all."""


unfit = App()


@unfit.on_message()
async def handle_unfit(message: Message, database: object) -> None:
    """Asks for a resource that there is not."""


broken = App()


@broken.resource
async def broken_database() -> AsyncIterator[object]:
    """Cannot be opened."""
    raise ConnectionError("no route to host")
    yield


@broken.on_message()
async def handle_broken(message: Message, broken_database: object) -> None:
    """Never runs."""


rich = App()


class Said(msgspec.Struct):
    """What the messages carry."""

    text: str = ""


def _write(line: str) -> None:
    with Path(os.environ["TEST_HISTORY"]).open("a", encoding="utf-8") as file:
        file.write(line + "\n")


@rich.resource
async def database() -> AsyncIterator[list[str]]:
    """Notes when it is opened and closed."""
    _write("opened")
    yield ["connection"]
    _write("closed")


@rich.on_message("room:*")
async def handle_rich(said: Said, database: list[str], context: Context) -> None:
    """Takes all there is."""
    _write(f"handled {said.text} {database[0]} {context.attempt}")


@rich.on_batch("log:*", max_wait_seconds=0.01)
def handle_batch(messages: list[Message]) -> None:
    """Runs in a thread."""
    _write(f"batch {len(messages)}")


stubborn = App()


async def stay() -> None:
    """Ignore being cancelled, as a loop with `except:` does."""
    while True:
        with contextlib.suppress(BaseException):
            await asyncio.sleep(3600)


@stubborn.on_message("loop:*")
async def handle_stubbornly(message: Message) -> None:
    """Never ends."""
    _write("begun")
    await stay()


@stubborn.on_batch("batch:*", max_wait_seconds=0.01)
async def handle_batch_stubbornly(messages: list[Message]) -> None:
    """Never ends."""
    _write("begun")
    await stay()


@stubborn.on_message("thread:*")
async def handle_in_thread(message: Message) -> None:
    """Leaves a thread behind that never ends."""
    _write("begun")
    await asyncio.to_thread(threading.Event().wait)
