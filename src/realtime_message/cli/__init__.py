"""The command `rtm`: parsing only. What a command does stands in the package it belongs to."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line and exit with its code: 0, 1 failed, 2 usage, 3, 130 interrupted."""
    # Imported here: `import realtime_message.cli` must not cost what parsing costs.
    from realtime_message.stack.interrupts import (  # noqa: PLC0415
        end_at_interrupts,
        raise_interrupts,
    )

    end_at_interrupts()
    from realtime_message.cli.application import application  # noqa: PLC0415
    from realtime_message.errors import EXIT_USAGE  # noqa: PLC0415
    from realtime_message.stack.ending import run_to_exit_code  # noqa: PLC0415
    from realtime_message.stack.terminal import prepare_output  # noqa: PLC0415

    prepare_output()
    if not all(map(_is_utf8, sys.argv)):
        print("rtm: an argument is not valid UTF-8", file=sys.stderr)
        sys.exit(EXIT_USAGE)
    raise_interrupts()
    sys.exit(run_to_exit_code(lambda: application(prog_name="rtm")))


def _is_utf8(argument: str) -> bool:
    """Whether an argument is text; Python keeps other bytes as lone surrogates."""
    try:
        argument.encode()
    except UnicodeEncodeError:
        return False
    return True
