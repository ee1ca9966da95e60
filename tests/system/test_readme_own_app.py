"""The README's way from its sample to a system of one's own, as a reader goes it.

Only addresses are changed: ports and the Redis server are the test's own. Centrifugo is run where
it is found, else the embedded gateway that the README names in its place.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.background import Background
from support.centrifugo import find_centrifugo
from support.ports import free_port
from support.readme_commands import PROJECT, shell_blocks, shown_commands, shown_programs
from support.up_stack import UpStack, clean_environment
from support.valkey_server import ValkeyServer, unique_prefix

pytestmark = pytest.mark.timeout(180)

README = PROJECT / "README.md"
TERMINALS = {"rtm callback myworker:app": "callback.ready", "rtm worker myworker:app": "started"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the README's programs, saved as it says."""
    (tmp_path / "myworker.py").write_text("\n\n".join(shown_programs(README)))
    return tmp_path


def test_sample_runs_under_rtm_up(folder: Path) -> None:
    """Handler and hook of the same file see what is published."""
    assert "rtm up myworker:app --reload" in shown_commands(README)
    with UpStack(folder, "myworker:app", "--reload") as stack:
        stack.wait_until_ready()
        assert stack.rtm("publish", "room:lobby", "hello").returncode == 0
        stack.wait_for("room:lobby rtm hello")
        refused = stack.rtm("publish", "room:lobby", "spam")
        assert "no spam here" in refused.stdout + refused.stderr


class Terminals:
    """The terminals of one reader."""

    def __init__(self, folder: Path, redis_url: str) -> None:
        self.folder = folder
        self.redis_url = redis_url
        self.running: list[Background] = []
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self.environment = clean_environment(
            PATH=path,
            PORT=str(free_port()),
            RTM_GATEWAY__PORT=str(free_port()),
            RTM_REDIS__PREFIX=unique_prefix(),
            RTM_CENTRIFUGO_BIN=find_centrifugo() or "",
        )

    def write_secrets(self, block: str) -> None:
        """Run the block that writes the file, for the test's Redis, without the download."""
        text = block.replace("redis://localhost:6379", self.redis_url)
        text = text.replace("rtm centrifugo install\n", "")
        subprocess.run(["sh", "-e", "-c", text], cwd=self.folder, env=self.environment, check=True)

    def open(self, command: str, ready: str) -> Background:
        """Open a terminal: read the file, run a command, and wait for what it says."""
        (reading,) = (b for b in shell_blocks(README) if ". ./rtm.env" in b)
        text = f"{reading}exec {command}"
        process = Background(["sh", "-c", text], self.folder, self.environment)
        self.running.append(process)
        process.wait_for(ready, timeout_seconds=60)
        return process


@pytest.fixture
def terminals(folder: Path, valkey: ValkeyServer) -> Iterator[Terminals]:
    """Terminals, which are closed at the end."""
    terminals = Terminals(folder, valkey.url)
    yield terminals
    for process in terminals.running:
        if process.process.poll() is None:
            process.send(signal.SIGTERM)
            process.wait(timeout_seconds=60)
        process.kill()


def test_sample_runs_for_real(terminals: Terminals) -> None:
    """Followed word by word, messages are handled, answered, and the doctor is content."""
    (secrets,) = (block for block in shell_blocks(README) if "END\n" in block)
    terminals.write_secrets(secrets)
    assert (terminals.folder / "rtm.env").stat().st_mode & 0o777 == 0o600
    if find_centrifugo():
        terminals.open("rtm centrifugo run", "serving")
    else:
        terminals.open("rtm gateway", "gateway.ready")
    for command, ready in TERMINALS.items():
        assert command in shown_commands(README)
        terminals.open(command, ready)
    follower = terminals.open("rtm subscribe activity", "subscribed")
    terminals.open("""rtm publish room:lobby '{"text": "hello"}'""", "1 of 1 acknowledged")
    follower.wait_for('activity  {"room":"room:lobby"}', timeout_seconds=30)
    doctor = terminals.open("rtm doctor", "checks,").output
    for check in ("settings", "gateway configuration", "callback", "gateway"):
        assert f"{check}: ok" in doctor, doctor
