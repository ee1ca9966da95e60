"""The gateway of an instance: opens its port when the callback service beside it takes messages.

Before that, every client that connects would be told of an error. The process waits, then becomes
Centrifugo, or the embedded gateway.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import NoReturn

from realtime_message.errors import StartupError
from realtime_message.settings import CallbackSettings, load_settings
from realtime_message.settings.load import reachable
from realtime_message.stack.container.admission import EMBEDDED, chosen_gateway
from realtime_message.stack.container.instance import instance_folder
from realtime_message.stack.ending import run_to_exit_code
from realtime_message.stack.gateway_launch import (
    find_centrifugo,
    gateway_environment,
    write_configuration,
)
from realtime_message.stack.part_command import part_command
from realtime_message.stack.readiness import http_ok
from realtime_message.stack.terminal import prepare_output

_LOOK_EVERY_SECONDS = 0.05
# The callback service waits for Redis by itself; this is for its own start.
_PATIENCE_SECONDS = 20.0


def main() -> int:
    """Wait and become the gateway; return the exit code of what goes wrong before."""
    prepare_output()
    return run_to_exit_code(_become_gateway)


def _become_gateway() -> NoReturn:
    settings = load_settings(os.environ, search_file=False).settings
    timeout_seconds = settings.redis.startup_timeout_seconds + _PATIENCE_SECONDS
    asyncio.run(wait_for_callback(settings.callback, timeout_seconds))
    environment = gateway_environment(settings, os.environ)
    if chosen_gateway(os.environ) == EMBEDDED:
        command = part_command("gateway")
        environment = {**os.environ, **environment}
    else:
        program = find_centrifugo(os.environ).resolve()
        folder = instance_folder(os.environ)
        file = folder / "centrifugo.json"
        write_configuration(settings, file)
        # Centrifugo reads a file called .env in its working directory: not the user's.
        os.chdir(folder)
        command = [str(program), "-c", str(file)]
    os.execve(command[0], command, environment)  # noqa: S606 - no shell is the point


async def wait_for_callback(settings: CallbackSettings, timeout_seconds: float) -> None:
    """Wait until the callback service says that it takes messages.

    Raises:
        StartupError: it did not within the time.
    """
    is_ready = http_ok(
        settings.port,
        "/health/ready",
        reachable(settings.host),
        is_https=bool(settings.tls_certificate),
    )
    try:
        async with asyncio.timeout(timeout_seconds):
            while not await is_ready():  # noqa: ASYNC110 - another process tells nobody
                await asyncio.sleep(_LOOK_EVERY_SECONDS)
    except TimeoutError:
        raise StartupError(
            f"the callback service was not ready within {timeout_seconds:g} s: its own lines say "
            "why"
        ) from None


if __name__ == "__main__":
    sys.exit(main())
