"""`rtm monitor` in a real terminal, and where there is none."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from realtime_message.message import encode_message
from realtime_message.testing.memory.streams import make_message
from support.overviews import HOSTILE, HOSTILE_SHOWN
from support.ports import free_port
from support.tmux_terminal import TmuxTerminal
from support.up_stack import RTM, clean_environment, run_rtm
from support.valkey_server import ValkeyServer

pytestmark = pytest.mark.timeout(240)
needs_tmux = pytest.mark.skipif(not TmuxTerminal.is_installed(), reason="tmux is not installed")

KEY = "messages:partition:{}"
LAYOUT = {"partition_count": 8, "hash": "md5-first-4-bytes-big-endian"}


@pytest.fixture
def server() -> Iterator[ValkeyServer]:
    """A server with partitions; its data outlive its death."""
    with ValkeyServer(durable=True) as running:
        client = running.client()
        client.hset("{messages}:layout", mapping=LAYOUT)
        for partition in range(8):
            group = f"workers:partition-{partition}"
            client.xgroup_create(KEY.format(partition), group, id="0", mkstream=True)
        yield running


@pytest.fixture
def terminal(server: ValkeyServer, tmp_path: Path) -> Iterator[TmuxTerminal]:
    """A terminal of 80 columns and 24 lines, whose shell knows the server."""
    with TmuxTerminal(tmp_path, clean_environment(REDIS_URL=server.url)) as terminal:
        yield terminal


def append(client: redis.Redis, partition: int, count: int) -> None:
    """Append messages as the callback does."""
    for number in range(count):
        payload = encode_message(make_message("room:1", "text", number, partition))
        client.xadd(KEY.format(partition), {"payload": payload})


def bury(client: redis.Redis, channel: str, reason: str) -> None:
    """Write a dead letter as a worker does."""
    payload = encode_message(make_message(channel, "text", 1, 2))
    fields = {"payload": payload, "entry_id": "1000-0", "reason": reason, "attempts": 5}
    client.xadd(f"{{{KEY.format(2)}}}:dead", fields)


def start(terminal: TmuxTerminal, *options: str) -> None:
    """Start the monitor and wait until it shows something."""
    words = " ".join([*RTM, "monitor", "--refresh-seconds", "0.2", *options])
    terminal.type_line(f"{words}; echo ended with $?")
    terminal.until("8 partitions", "q end")


@needs_tmux
def test_figures_change_by_themselves(server: ValkeyServer, terminal: TmuxTerminal) -> None:
    """What is appended is seen, with its rate, and what needs attention in words."""
    start(terminal)
    screen = terminal.until("unhandled", "no worker is running", "0 s old")
    assert re.search(r"^ +0 +0 +0 +0 +0 +- ", screen, re.MULTILINE)
    append(server.client(), 3, 7)
    terminal.until("7 messages wait")
    assert re.search(r"^ +3 +7 +7 +0 +0 ", terminal.screen, re.MULTILINE)


@needs_tmux
def test_redis_is_killed_and_comes_back(server: ValkeyServer, terminal: TmuxTerminal) -> None:
    """The last values stay, marked, with the reason; then it goes on by itself."""
    append(server.client(), 3, 7)
    start(terminal)
    terminal.until("7 messages wait", "0 s old")
    server.kill()
    screen = terminal.until("NOT CURRENT", "no answer for", "Connection refused", "start it, or")
    assert re.search(r"^ +3 +7 +7 +0 +0 ", screen, re.MULTILINE)
    terminal.until("2 s old")
    server.start()
    terminal.until("7 messages wait", "0 s old", without="NOT CURRENT")
    append(server.client(), 3, 1)
    terminal.until("8 messages wait")


@needs_tmux
def test_terminal_changes_its_size(server: ValkeyServer, terminal: TmuxTerminal) -> None:
    """Everything is there at each size, whatever the environment says, or it is far too small."""
    terminal.type_line("export COLUMNS=80 LINES=24")
    start(terminal)
    for columns, lines in ((200, 60), (30, 6), (80, 24)):
        terminal.resize(columns, lines)
        screen = terminal.until("q end", without="dead letters" if columns == 30 else "\0")
        assert max(map(len, screen.splitlines())) <= columns
        if columns == 200:
            terminal.until("owner            ", "  worker  alive")
    rows = [f"        {number}        0" for number in range(8)]
    terminal.until("partition   length", *rows, "no worker is running", "? help")


@needs_tmux
def test_names_of_others_stay_text(server: ValkeyServer, terminal: TmuxTerminal) -> None:
    """A channel may be called by escapes and markup: they are shown, and do nothing."""
    client = server.client()
    bury(client, HOSTILE, f"ValueError: {HOSTILE}")
    client.zadd(f"{{{KEY.format(3)}}}:parked", {HOSTILE: 1})
    terminal.resize(200, 60)
    title = terminal.title
    start(terminal)
    terminal.until("1 channel is parked: \\x1b[2J")
    terminal.press("d")
    terminal.until("dead letter  ", HOSTILE_SHOWN, f"ValueError: {HOSTILE_SHOWN}")
    assert terminal.title == title
    # Bold, underlined, reversed and dim; no colour, so that it is read on every background.
    assert set(re.findall(r"\x1b\[([\d;]*)m", terminal.styled_screen)) <= {
        *("0", "1", "2", "4", "7", "1;7", "39", "49", "1;4", "22", "24", "27"),
    }


@needs_tmux
@pytest.mark.parametrize(
    ("end", "code"),
    [("q", 0), ("C-c", 130), (signal.SIGTERM, 143), (signal.SIGINT, 130)],
)
def test_terminal_is_left_as_it_was(
    end: str | signal.Signals, code: int, terminal: TmuxTerminal, tmp_path: Path
) -> None:
    """By key or by signal: its settings, its screen, its cursor, and what was typed before."""
    terminal.type_line(f"stty -a > {tmp_path}/before")
    start(terminal)
    if isinstance(end, str):
        terminal.press(end)
    else:
        _end_child(terminal, end)
    screen = terminal.until(f"ended with {code}")
    assert "stty -a >" in screen, "the screen of before is back"
    assert terminal.modes == "0 1 0"
    terminal.type_line(f"stty -a > {tmp_path}/after; echo written $((1 + 1))")
    terminal.until("written 2")
    assert (tmp_path / "after").read_text() == (tmp_path / "before").read_text()


def _end_child(terminal: TmuxTerminal, number: signal.Signals) -> None:
    """Send a signal to the program that the shell runs."""
    children = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", terminal.shell_pid],
        capture_output=True,
        text=True,
        check=True,
    )
    (pid,) = children.stdout.split()
    subprocess.run(["kill", f"-{number.value}", pid], check=True)


@needs_tmux
@pytest.mark.parametrize("variable", [{"NO_COLOR": "1"}, {"TERM": "vt100"}])
def test_screen_is_readable_without_colours(
    variable: dict[str, str], server: ValkeyServer, tmp_path: Path
) -> None:
    """Nothing has a colour, so nothing is painted black on black."""
    with TmuxTerminal(tmp_path, clean_environment(REDIS_URL=server.url)) as terminal:
        (name, value), *_ = variable.items()
        terminal.type_line(f"export {name}={value}")
        start(terminal)
        terminal.until("no worker is running")
        assert not re.search(r"\x1b\[[\d;]*(3[0-8]|4[0-8])[;m]", terminal.styled_screen)


def test_one_frame_is_plain_text(server: ValkeyServer, tmp_path: Path) -> None:
    """For pipes: every part of the screen, no escape, and names of others as text."""
    client = server.client()
    append(client, 3, 7)
    bury(client, HOSTILE, "ValueError: no")
    client.zadd(f"{{{KEY.format(3)}}}:parked", {HOSTILE: 1})
    words = ("monitor", "--once", "--refresh-seconds", "0.2")
    done = run_rtm(*words, folder=tmp_path, REDIS_URL=server.url)
    assert (done.returncode, done.stderr) == (0, "")
    assert "unhandled: 7, in/s: 0.0, done/s: 0.0" in done.stdout
    assert "no worker is running" in done.stdout
    assert done.stdout.count(HOSTILE_SHOWN) == 3
    assert all(c.isprintable() or c == "\n" for c in done.stdout)


def test_one_frame_is_data(server: ValkeyServer, tmp_path: Path) -> None:
    """The same for programs, with what needs attention."""
    client = server.client()
    append(client, 3, 7)
    bury(client, "room:1", "ValueError: no")
    done = run_rtm(
        *("monitor", "--once", "--json", "--refresh-seconds", "0.2"),
        folder=tmp_path,
        REDIS_URL=server.url,
    )
    values = json.loads(done.stdout)
    assert (values["unhandled"], values["dead_letters"]) == (7, 1)
    assert values["appended_per_second"] == 0
    assert values["partitions"][3]["lag"] == 7
    assert values["workers"] == []
    (letter,) = values["newest_dead_letters"]
    assert (letter["channel"], letter["reason"]) == ("room:1", "ValueError: no")
    assert any("no worker is running" in concern["what"] for concern in values["attention"])
    assert all(concern["fix"] for concern in values["attention"])


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "input and output are not a terminal: --once prints one frame as plain"),
        (["--json"], "--json needs --once"),
        (["--once", "--refresh-seconds", "0.1"], "0.2"),
        (["--once", "--refresh-seconds", "nan"], "--refresh-seconds"),
    ],
)
def test_wrong_use_is_code_2(words: list[str], told: str, tmp_path: Path) -> None:
    """A sentence says what to do."""
    done = run_rtm("monitor", *words, folder=tmp_path, COLUMNS="300")
    assert done.returncode == 2, done.stdout
    assert told in done.stderr
    assert done.stdout == ""


@needs_tmux
def test_terminal_that_cannot_show_it_is_code_2(terminal: TmuxTerminal) -> None:
    """TERM says so."""
    terminal.resize(150, 24)
    terminal.type_line(f"TERM=dumb {' '.join(RTM)} monitor; echo ended with $?")
    terminal.until("cannot show a live screen", "--once", "ended with 2")


@needs_tmux
def test_missing_library_is_code_3(terminal: TmuxTerminal, tmp_path: Path) -> None:
    """With the command that installs it; one frame does without."""
    terminal.resize(150, 24)
    hidden = "import sys; sys.modules['textual'] = None; from realtime_message.cli import main; "
    (tmp_path / "hide.py").write_text(f"{hidden}main()\n")
    terminal.type_line(f"{sys.executable} hide.py monitor; echo ended with $?")
    terminal.until("pip install", "'centrifuge-realtime-message[monitor]'", "ended with 3")
    terminal.type_line(f"clear; {sys.executable} hide.py monitor --once; echo ended with $?")
    terminal.until("no worker is running", "ended with 0")


@pytest.mark.parametrize("options", [["--once"], []])
@needs_tmux
def test_first_connection_that_is_impossible_is_code_3(
    options: list[str], server: ValkeyServer, tmp_path: Path
) -> None:
    """Nobody there, a refused login, another layout: one sentence and no screen."""
    urls = {
        f"redis://127.0.0.1:{free_port()}/0": "could not be reached",
        server.url.replace("127.0.0.1", "ada:wrong@127.0.0.1"): "refused the login",
        server.url: "redis.partition_count is 5",
    }
    with TmuxTerminal(tmp_path, clean_environment(), (150, 24)) as terminal:
        for url, told in urls.items():
            words = [*RTM, "monitor", *options]
            if "partition_count" in told:
                words += ["--set", "redis.partition_count=5"]
            terminal.type_line(f"clear; REDIS_URL={url} {' '.join(words)}; echo ended with $?")
            screen = terminal.until("rtm: ", told, "ended with 3")
            assert "Traceback" not in screen
            assert "wrong@" not in screen.partition("rtm:")[2]
