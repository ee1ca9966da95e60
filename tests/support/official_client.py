"""How tests part from a client of the official Python library."""

from __future__ import annotations

import asyncio

from centrifuge import Client

DEADLINE_SECONDS = 10.0


async def leave(client: Client) -> None:
    """Disconnect, and wait until the client's sockets are gone.

    The library closes them in tasks that nobody waits for. One that the end of the event loop
    cancels leaves its socket open, which is reported in whatever test runs by the time it is found.
    """
    await client.disconnect()
    loop = asyncio.get_running_loop()
    give_up_at = loop.time() + DEADLINE_SECONDS
    while client._background_tasks and loop.time() < give_up_at:
        await asyncio.wait(set(client._background_tasks), timeout=give_up_at - loop.time())
    assert not client._background_tasks, "the client did not let its sockets go"
