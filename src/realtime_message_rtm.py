"""The script `rtm`. Beside the package, not in it: importing that takes a while.

A Ctrl-C in that while must end the command without a word, not with a traceback out of an import.
"""

from __future__ import annotations

import signal


def main() -> None:
    """Run the command line; until it can deal with a Ctrl-C itself, the system does."""
    # Whoever ignores it, as a shell does for what it starts in the background, goes on to.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from realtime_message.cli import main as run  # noqa: PLC0415 - see above

    run()
