"""Harm to processes, by their id."""

from __future__ import annotations

import os
import signal
import subprocess

Victim = int | subprocess.Popen[bytes] | subprocess.Popen[str]


def kill(victim: Victim) -> None:
    """End a process without a word to it (SIGKILL)."""
    os.kill(_pid(victim), signal.SIGKILL)


def freeze(victim: Victim) -> None:
    """Let a process stand still: its connections stay open, and nothing answers (SIGSTOP)."""
    os.kill(_pid(victim), signal.SIGSTOP)


def thaw(victim: Victim) -> None:
    """Let a frozen process go on (SIGCONT)."""
    os.kill(_pid(victim), signal.SIGCONT)


def _pid(victim: Victim) -> int:
    return victim if isinstance(victim, int) else victim.pid
