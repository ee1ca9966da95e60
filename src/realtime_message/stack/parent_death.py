"""A part must not outlive `rtm up`, however that ends, or the next start finds its ports taken.

On Linux the kernel sends the part a signal when its parent dies. Elsewhere a small process stands
between the two and watches.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

_PR_SET_PDEATHSIG = 1
_LOOK_EVERY_SECONDS = 0.5
_PATIENCE_SECONDS = 10.0

_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def bound_to_parent(command: Sequence[str]) -> tuple[list[str], Callable[[], None] | None]:
    """Return a command, and what to do in the child before it, so that it ends with its parent."""
    if _libc is None:
        return guarded(command), None
    parent = os.getpid()
    prctl = _libc.prctl

    def ask_for_signal() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        # The parent may have died before the call.
        if os.getppid() != parent:
            os._exit(1)

    return list(command), ask_for_signal


def guarded(command: Sequence[str]) -> list[str]:
    """Return a command that runs another and ends it when the parent dies."""
    return [sys.executable, "-P", "-m", "realtime_message.stack.parent_death", *command]


def _guard(command: Sequence[str]) -> int:
    parent = os.getppid()
    signals = (signal.SIGTERM, signal.SIGINT)
    # Held back until there is a child to hand them to.
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    child = subprocess.Popen(  # noqa: S603 - the command line of a part, made by us
        command,
        preexec_fn=lambda: signal.pthread_sigmask(  # noqa: PLW1509 - no thread runs yet
            signal.SIG_UNBLOCK, signals
        ),
    )
    for number in signals:
        signal.signal(number, lambda number, _: child.send_signal(number))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
    while os.getppid() == parent:
        try:
            return _as_own(child.wait(_LOOK_EVERY_SECONDS))
        except subprocess.TimeoutExpired:
            continue
    child.terminate()
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    child.kill()
    return _as_own(child.wait())


def _as_own(exit_code: int) -> int:
    """End in the way the child ended: a shell and `rtm up` then name the same cause."""
    if exit_code < 0:
        signal.signal(-exit_code, signal.SIG_DFL) if -exit_code != signal.SIGKILL else None
        os.kill(os.getpid(), -exit_code)
    return exit_code


if __name__ == "__main__":
    sys.exit(_guard(sys.argv[1:]))
