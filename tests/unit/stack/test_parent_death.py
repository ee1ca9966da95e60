"""A part ends with its parent, even when that is killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

_PARENT = """
import subprocess, sys, time
from realtime_message.stack import parent_death
command = ["/bin/sh", "-c", "echo $$; exec sleep 300"]
if sys.argv[1] == "kernel":
    command, in_child = parent_death.bound_to_parent(command)
else:
    command, in_child = parent_death.guarded(command), None
child = subprocess.Popen(command, preexec_fn=in_child)
time.sleep(300)
"""


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    return not (status.exists() and status.read_text().rpartition(")")[2].split()[0] == "Z")


@pytest.mark.parametrize("way", ["kernel", "guard"])
def test_child_ends_when_its_parent_is_killed(way: str) -> None:
    """SIGKILL of the parent leaves no orphan, by the kernel's signal or by the guard."""
    parent = subprocess.Popen([sys.executable, "-c", _PARENT, way], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.kill()
    parent.wait(10)
    deadline = time.monotonic() + 15
    while _is_alive(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _is_alive(child)
    parent.stdout.close()


@pytest.mark.parametrize(("script", "code"), [("exit 5", 5), ("kill -KILL $$", -9)])
def test_guard_ends_as_its_child_did(script: str, code: int) -> None:
    """Exit codes and signals pass through."""
    module = "realtime_message.stack.parent_death"
    done = subprocess.run([sys.executable, "-m", module, "/bin/sh", "-c", script], check=False)
    assert done.returncode == code


def test_guard_hands_signals_on() -> None:
    """SIGTERM reaches the part, which ends in its own way."""
    script = 'trap "exit 7" TERM; echo up; while :; do sleep 0.05; done'
    module = "realtime_message.stack.parent_death"
    guard = subprocess.Popen(
        [sys.executable, "-m", module, "/bin/sh", "-c", script], stdout=subprocess.PIPE
    )
    assert guard.stdout is not None
    assert guard.stdout.readline() == b"up\n"
    guard.send_signal(signal.SIGTERM)
    assert guard.wait(10) == 7
    guard.stdout.close()
