"""From the command line to the process that serves: the same one, without what parsing needs."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from realtime_message.settings import LoadedSettings


def become_part(loaded: LoadedSettings, name: str, *arguments: str) -> NoReturn:
    """Replace this process by a part. It keeps the process id, so signals reach it.

    Args:
        loaded: the settings that it gets, through its environment.
        name: the part.
        arguments: its own arguments.
    """
    # Imported here: --help needs none of it.
    from realtime_message.settings.environment import environment_with  # noqa: PLC0415
    from realtime_message.stack.interrupts import hold_interrupts  # noqa: PLC0415
    from realtime_message.stack.part_command import part_command  # noqa: PLC0415

    hold_interrupts()
    command = part_command(name, *arguments)
    become(command, environment_with(os.environ, loaded.chosen()))


def become(command: list[str], environment: Mapping[str, str]) -> NoReturn:
    """Replace this process by a program."""
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(command[0], command, environment)  # noqa: S606 - no shell is the point
