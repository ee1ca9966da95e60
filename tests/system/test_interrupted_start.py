"""Ctrl-C while a command still loads its modules: it ends at once and says nothing."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from support.ports import free_port
from support.up_stack import clean_environment

pytestmark = pytest.mark.timeout(120)

# Interrupts the process where it imports a module; a part is what `rtm` becomes.
_INTERRUPTS = """
import os, signal, sys

class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == "{module}" and ("-P" in sys.orig_argv) == {in_part}:
            print("interrupted", flush=True)
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupt())
"""
# What the script `rtm` runs.
_SCRIPT = [sys.executable, "-c", "from realtime_message_rtm import main; main()"]


@pytest.mark.parametrize(
    ("arguments", "module", "in_part"),
    [
        (["worker", "shop:app"], "realtime_message.app", False),
        (["worker", "shop:app"], "typer", False),
        (["worker", "shop:app"], "realtime_message.app", True),
        (["worker", "shop:app"], "realtime_message.worker.run", True),
        (["callback"], "realtime_message.callback.service", True),
        (["gateway"], "realtime_message.gateway.server", True),
        (["up", "--no-browser"], "realtime_message.stack.up", False),
        (["workers"], "redis", False),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else str(value),
)
def test_interrupt_during_imports_ends_silently(
    arguments: list[str], module: str, in_part: bool, tmp_path: Path
) -> None:
    """No traceback out of an import; for a shell the exit code is 130."""
    hook = tmp_path / "hook"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text(_INTERRUPTS.format(module=module, in_part=in_part))
    done = subprocess.run(
        [*_SCRIPT, *arguments],
        cwd=tmp_path,
        env=clean_environment(
            PYTHONPATH=str(hook),
            REDIS_URL=f"redis://127.0.0.1:{free_port()}",
            CENTRIFUGO_TOKEN_HMAC_SECRET_KEY="k" * 32,
        ),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.splitlines()[0] == "interrupted", "the module was not imported there"
    assert done.stderr == ""
    # Of a process that the signal ended, a shell says 130.
    assert done.returncode in (130, -signal.SIGINT)
