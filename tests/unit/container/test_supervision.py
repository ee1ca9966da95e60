"""supervisord as the container runs it: real processes, a prefix, an order of ending, an end."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.background import Background

CONFIGURATION = """
[supervisord]
nodaemon=true
silent=true
logfile=/dev/null
logfile_maxbytes=0
nocleanup=true
pidfile={folder}/supervisord.pid
"""
PROGRAM = """
[program:{name}]
command={command}
priority={priority}
startsecs=0
autorestart=true
stopwaitsecs=2
killasgroup=true
redirect_stderr=true
stdout_logfile=NONE
stdout_events_enabled=true
"""
RUN = """
import sys
from pathlib import Path
from realtime_message.stack.container.part_lines import open_log
from realtime_message.stack.container.supervision import supervise
sys.exit(supervise(Path(sys.argv[1]), open_log("text")))
"""


@contextmanager
def supervised(folder: Path, **scripts: str) -> Iterator[Background]:
    """Run shell scripts under the container's supervisord; later ones end first."""
    text = CONFIGURATION.format(folder=folder)
    for priority, (name, script) in enumerate(scripts.items(), 1):
        file = folder / f"{name}.sh"
        file.write_text(script, "utf-8")
        text += PROGRAM.format(name=name, command=f"/bin/sh {file}", priority=priority)
    file = folder / "supervisord.conf"
    file.write_text(text, "utf-8")
    process = Background([sys.executable, "-c", RUN, str(file)], folder, os.environ)
    try:
        yield process
    finally:
        process.kill()


LASTING = 'trap "echo {name} ends; exit 0" TERM; echo {name} is up; while :; do sleep 0.05; done'


def test_parts_end_in_order_and_the_code_is_0(tmp_path: Path) -> None:
    """SIGTERM ends the gateway, then the callback service; every line carries its part."""
    callback = LASTING.format(name="callback")
    gateway = LASTING.format(name="gateway")
    with supervised(tmp_path, callback=callback, gateway=gateway) as process:
        process.wait_for("gateway is up", 20)
        process.wait_for("callback is up", 20)
        process.send(signal.SIGTERM)
        assert process.wait(20) == 0
        text = process.output
    assert "gateway  │ gateway is up" in text
    steps = ["ending gateway", "gateway ends", "ending callback", "callback ends"]
    places = [text.index(step) for step in steps]
    assert places == sorted(places), text


def test_part_that_dies_starts_again(tmp_path: Path) -> None:
    """One death is told with its exit code, and is no end."""
    once = f"[ -e {tmp_path}/died ] || {{ touch {tmp_path}/died; exit 7; }}; " + LASTING.format(
        name="callback"
    )
    with supervised(tmp_path, callback=once) as process:
        process.wait_for("callback died (exit code 7) and starts again", 20)
        process.wait_for("callback is up", 20)
        process.send(signal.SIGTERM)
        assert process.wait(20) == 0


def test_part_that_keeps_dying_ends_the_container(tmp_path: Path) -> None:
    """Also one that runs for a moment each time; the other part is ended in order."""
    dying = "echo callback tries; sleep 0.2; exit 1"
    with supervised(tmp_path, callback=dying, gateway=LASTING.format(name="gateway")) as process:
        assert process.wait(60) == 1
        text = process.output
    assert text.count("callback tries") == 6
    assert "is given up: it died 6 times within 60 s" in text
    assert "gateway ends" in text


def test_part_that_cannot_start_ends_the_container_at_once(tmp_path: Path) -> None:
    """Exit code 3 says that another try would not help, and becomes the container's."""
    with supervised(tmp_path, callback="echo a setting is wrong; exit 3") as process:
        assert process.wait(20) == 3
        text = process.output
    assert text.count("a setting is wrong") == 1


def test_part_that_does_not_end_is_killed(tmp_path: Path) -> None:
    """After stopwaitsecs, with what it started."""
    stubborn = 'trap "" TERM; echo stubborn is up; while :; do sleep 0.05; done'
    with supervised(tmp_path, gateway=stubborn) as process:
        process.wait_for("stubborn is up", 20)
        process.send(signal.SIGTERM)
        assert process.wait(30) == 0
        assert "gateway did not end in order" in process.output


@pytest.mark.parametrize("count", [20_000])
def test_no_line_is_lost_when_many_come_at_once(tmp_path: Path, count: int) -> None:
    """Lines are cut where the part cut them, whatever the pipe does."""
    flood = (
        f"i=0; while [ $i -lt {count} ]; do echo line $i; i=$((i+1)); done; echo -n rest; exit 3"
    )
    with supervised(tmp_path, callback=flood) as process:
        assert process.wait(60) == 3
        lines = [line for line in process.output.splitlines() if line.startswith("callback")]
    assert lines == [f"callback │ line {number}" for number in range(count)] + ["callback │ rest"]
