"""Ctrl-C while a program loads its modules: it ends without a word, and without a traceback.

Three steps. `hold_interrupts` before a process becomes another program: what comes waits, for
Python would raise KeyboardInterrupt in whatever it imports then. `end_at_interrupts` as soon as our
own code runs: the system ends the process, as the shell expects it (exit code 130).
`raise_interrupts` once everything is loaded: from then on it is KeyboardInterrupt again, so that
what was opened is closed.

A process that was told to ignore Ctrl-C, as a shell does in the background, goes on ignoring it.
"""

from __future__ import annotations

import signal

_INTERRUPT = {signal.SIGINT}


def hold_interrupts() -> None:
    """Let interrupts wait, also in the program that this process becomes."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _INTERRUPT)


def end_at_interrupts() -> None:
    """Let an interrupt end this process at once, also one that waits."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _INTERRUPT)


def raise_interrupts() -> None:
    """Let an interrupt be KeyboardInterrupt."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)
