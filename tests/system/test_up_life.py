"""`rtm up` from start to end: ready, used, broken, ended."""

import os
import re
import shlex
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.background import Background
from support.up_stack import RTM, UpStack, clean_environment, free_ports, wait_until_gone
from support.valkey_server import ValkeyServer

pytestmark = [
    pytest.mark.timeout(240),
    pytest.mark.skipif(sys.platform != "linux", reason="finds the parts through /proc"),
]

_PARTS = {"valkey", "gateway", "callback", "worker", "page"}

_APP = """
from realtime_message import App, Message

app = App()


@app.on_message()
async def handle(message: Message) -> None:
    print("{word}", message.text)
"""


@pytest.fixture
def up(tmp_path: Path) -> Iterator[UpStack]:
    """A system that is ready."""
    with UpStack(tmp_path) as stack:
        yield stack.wait_until_ready()


def test_message_goes_all_the_way(up: UpStack) -> None:
    """What a terminal publishes is acknowledged, stored, handled, and told by a receipt."""
    assert up.pids().keys() == _PARTS
    done = up.rtm("publish", "room:lobby", "hello")
    assert done.stdout.startswith("1 of 1 acknowledged"), done.stderr
    up.wait_for("message.handled")
    assert "channel=room:lobby" in up.output
    assert "hello" not in up.output.partition("Ready")[2].partition("\n\n")[2]
    place = up.json("partitions", "of", "room:lobby")
    partitions = up.json("partitions", "list")
    assert [p["length"] for p in partitions if p["partition"] == place["partition"]] == [1]
    assert {p["owner"]["holder"] for p in partitions} == {up.json("workers")[0]["worker"]}
    assert [lease["partition"] for lease in up.json("leases", "list")] == list(range(8))


def test_interrupted_publisher_tells_how_far_it_came(up: UpStack) -> None:
    """Ctrl-C: what was acknowledged is counted, exit code 130, no traceback."""
    words = ("publish", "room:lobby", "n {n}", "--count", "100000", "--rate", "100")
    publishing = Background([*RTM, *words], up.folder, clean_environment())
    try:
        up.wait_for("message.handled", times=3)
        publishing.send(signal.SIGINT)
        assert publishing.wait(timeout_seconds=30) == 130
        assert re.search(r"^\d+ of 100000 acknowledged in ", publishing.output, re.MULTILINE)
        assert "Traceback" not in publishing.output
    finally:
        publishing.kill()


def test_message_that_is_too_large_names_the_limit(up: UpStack) -> None:
    """What the gateway closes for is told in words."""
    done = up.rtm("publish", "room:lobby", "x" * 70_000)
    assert done.returncode == 1
    assert "the message is larger than the gateway takes" in done.stderr


def test_ctrl_c_ends_all_in_order(up: UpStack) -> None:
    """Gateway and page, callback, worker, Valkey; nothing is left; 130."""
    pids = list(up.pids().values())
    assert up.interrupt() == 130
    ends = [line.partition("ending ")[2] for line in up.output.splitlines() if "ending " in line]
    assert ends == ["gateway, page", "callback", "worker", "valkey"]
    assert "Traceback" not in up.output
    wait_until_gone(pids, timeout_seconds=1)


def test_sigterm_is_an_orderly_end_too(up: UpStack) -> None:
    """A service manager gets exit code 0."""
    up.process.send(signal.SIGTERM)
    assert up.process.wait(timeout_seconds=60) == 0
    assert "ending valkey" in up.output


@pytest.mark.parametrize("part", ["worker", "callback", "gateway", "valkey", "page"])
def test_killed_part_is_named_and_comes_back(up: UpStack, part: str) -> None:
    """SIGKILL of any part: named with its last lines, started again, and messages flow again."""
    assert up.rtm("publish", "room:lobby", "before").returncode == 0
    before = up.pids()
    os.kill(before[part], signal.SIGKILL)
    up.wait_for(f"{part} died (killed by SIGKILL); its last lines:")
    up.wait_for(f"{part} is back after")
    handled = up.output.count("message.handled")
    done = up.rtm("publish", "room:lobby", "after")
    assert done.returncode == 0, done.stderr
    up.wait_for("message.handled", times=handled + 1)
    after = up.pids()
    assert after[part] != before[part]
    assert {n: p for n, p in after.items() if n != part} == {
        n: p for n, p in before.items() if n != part
    }


def test_data_and_keys_survive_a_restart(tmp_path: Path) -> None:
    """The streams are as long as before, and a token of the first run still opens the second."""
    with UpStack(tmp_path) as first:
        first.wait_until_ready()
        assert first.rtm("publish", "room:lobby", "n {n}", "--count", "20").returncode == 0
        token = first.rtm("token", "ada").stdout.strip()
        assert first.interrupt() == 130
    assert not (tmp_path / ".rtm/running.toml").exists()
    with UpStack(tmp_path) as second:
        second.wait_until_ready()
        assert sum(p["length"] for p in second.json("partitions", "list")) == 20
        done = second.rtm("publish", "room:lobby", "again", "--token", token)
        assert done.returncode == 0, done.stderr


def test_parts_end_when_rtm_up_is_killed(up: UpStack) -> None:
    """After SIGKILL of the supervisor no orphan holds a port, and the next start works."""
    pids = list(up.pids().values())
    up.process.send(signal.SIGKILL)
    up.process.wait(timeout_seconds=10)
    wait_until_gone(pids)
    with UpStack(up.folder) as again:
        again.wait_until_ready()


def test_own_app_and_its_output(tmp_path: Path) -> None:
    """What a handler prints stands in the log at once, under the worker's name."""
    (tmp_path / "shop.py").write_text(_APP.format(word="took"))
    with UpStack(tmp_path, "shop:app", "--workers", "2") as stack:
        stack.wait_until_ready()
        assert stack.rtm("publish", "room:lobby", "an order").returncode == 0
        stack.wait_for("took an order")
        line = next(line for line in stack.output.splitlines() if "took an order" in line)
        assert line.startswith("worker-")
        assert len(stack.json("workers")) == 2


def test_reload_runs_the_new_source(tmp_path: Path) -> None:
    """A change restarts callback and worker; a broken change waits for the next one."""
    source = tmp_path / "shop.py"
    source.write_text(_APP.format(word="old"))
    with UpStack(tmp_path, "shop:app", "--reload") as stack:
        stack.wait_until_ready()
        stack.rtm("publish", "room:lobby", "one")
        stack.wait_for("old one")
        source.write_text("import nowhere_to_be_found\n")
        stack.wait_for("shop.py changed")
        stack.wait_for("worker waits for a change of the source")
        source.write_text(_APP.format(word="brand new"))
        stack.wait_for("shop.py changed", times=2)
        assert stack.rtm("publish", "room:lobby", "two").returncode == 0
        stack.wait_for("brand new two")
        assert "died" not in stack.output


def test_own_redis_is_used(tmp_path: Path, valkey: ValkeyServer) -> None:
    """With REDIS_URL no Valkey is started, and that server has the streams."""
    prefix = "up-own-redis"
    with UpStack(tmp_path, "--set", f"redis.prefix={prefix}", REDIS_URL=valkey.url) as stack:
        stack.wait_until_ready()
        assert "valkey" not in stack.pids()
        assert stack.rtm("publish", "room:lobby", "hello").returncode == 0
        stack.wait_for("message.handled")
    client = valkey.client()
    assert sum(client.xlen(f"{prefix}:partition:{n}") for n in range(8)) == 1
    client.delete(*client.scan_iter(f"*{prefix}*"))
    client.close()


@pytest.mark.skipif(
    not (os.environ.get("RTM_CENTRIFUGO_BIN") or shutil.which("centrifugo")),
    reason="no Centrifugo: RTM_CENTRIFUGO_BIN and PATH have none",
)
def test_real_centrifugo_takes_the_gateways_place(tmp_path: Path) -> None:
    """The same configuration, the same path, the real gateway."""
    program = os.environ.get("RTM_CENTRIFUGO_BIN") or str(shutil.which("centrifugo"))
    with UpStack(tmp_path, "--gateway", "centrifugo", RTM_CENTRIFUGO_BIN=program) as stack:
        stack.wait_until_ready()
        assert "centrifugo" in stack.pids()
        done = stack.rtm("publish", "room:lobby", "hello")
        assert done.returncode == 0, done.stderr
        stack.wait_for("message.handled")
        assert stack.interrupt() == 130
        assert "Traceback" not in stack.output


def test_log_whose_reader_leaves_ends_the_system(tmp_path: Path) -> None:
    """`rtm up | head` ends in order when head has seen enough."""
    command = shlex.join([*RTM, "up", "--no-browser", *free_ports()])
    piped = Background(["sh", "-c", f"{command} | head -n 1"], tmp_path, clean_environment())
    try:
        assert piped.wait(timeout_seconds=60) == 0
        assert "starting valkey" in piped.output
    finally:
        piped.kill()
    with UpStack(tmp_path) as again:
        again.wait_until_ready()
