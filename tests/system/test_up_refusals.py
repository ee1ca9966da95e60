"""What `rtm up` says when it cannot start, or cannot go on."""

import os
import signal
import socket
import sys
from pathlib import Path

import pytest

from support.ports import free_port
from support.up_stack import UpStack, free_ports, run_rtm

pytestmark = [
    pytest.mark.timeout(180),
    pytest.mark.skipif(sys.platform != "linux", reason="finds the parts through /proc"),
]


def test_ports_in_use_are_named_with_their_flags(tmp_path: Path) -> None:
    """Every one of them, before anything is started; exit code 3."""
    with (
        socket.create_server(("127.0.0.1", 0)) as one,
        socket.create_server(("127.0.0.1", 0)) as two,
    ):
        taken = [str(s.getsockname()[1]) for s in (one, two)]
        done = run_rtm(
            "up",
            *("--no-browser", "--gateway-port", taken[0], "--redis-port", taken[1]),
            *("--callback-port", str(free_port()), "--page-port", str(free_port())),
            folder=tmp_path,
        )
    assert done.returncode == 3
    assert f"port {taken[0]} for the gateway is in use by another program" in done.stderr
    assert "--gateway-port" in done.stderr
    assert f"port {taken[1]} for the valkey is in use" in done.stderr
    assert "--redis-port" in done.stderr
    assert done.stdout == ""


def test_second_one_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    """The first is named with its process."""
    with UpStack(tmp_path) as first:
        first.wait_until_ready()
        done = run_rtm("up", "--no-browser", folder=tmp_path)
        assert done.returncode == 3
        assert f"another rtm up (process {first.process.process.pid})" in done.stderr
        assert "--data-dir" in done.stderr
        with UpStack(tmp_path, "--data-dir", "other") as second:
            second.wait_until_ready()


@pytest.mark.parametrize(
    ("app", "expected"),
    [
        ("nowhere:app", "there is no module nowhere"),
        ("shop:app", "shop failed while it was imported, shop.py, line 2: NameError"),
        ("empty:app", "the module empty has no app"),
        ("torn:app", "torn failed while it was imported, torn.py, line 1: SyntaxError"),
        ("idle:app", "the app has no handler"),
        ("gone:app", "gone:app: importing it ended with exit code 7"),
    ],
)
def test_app_that_is_none_is_told(tmp_path: Path, app: str, expected: str) -> None:
    """One sentence, exit code 3, and nothing is started for it."""
    (tmp_path / "shop.py").write_text("\nundefined\n")
    (tmp_path / "empty.py").write_text("")
    (tmp_path / "idle.py").write_text("from realtime_message import App\napp = App()\n")
    (tmp_path / "torn.py").write_text("def :\n")
    (tmp_path / "gone.py").write_text("import os\nos._exit(7)\n")
    done = run_rtm("up", "--no-browser", *free_ports(), app, folder=tmp_path)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("rtm: ")
    assert expected in done.stderr
    assert done.stderr.count("\n") == 1


def test_part_that_cannot_start_is_told_last(tmp_path: Path) -> None:
    """Below what the others say at their end, without their chatter."""
    source = "import os\nfrom realtime_message import App\napp = App()\n@app.on_message()\n"
    # Fits wherever it is looked at beforehand, and not in the worker.
    (tmp_path / "shop.py").write_text(
        f"{source}def handle(m): ...\nif 'RTM_WORKER__METRICS_PORT' in os.environ: undefined\n"
    )
    with UpStack(tmp_path, "shop:app") as stack:
        assert stack.process.wait(timeout_seconds=90) == 3
        *_, before, last = stack.output.splitlines()
        assert "ending valkey" in before
        assert "worker is given up: it could not start" in last
        assert "its last line: shop failed while it was imported, shop.py, line 6" in last


def test_unreachable_redis_is_told(tmp_path: Path) -> None:
    """The address is named, without its password."""
    url = f"redis://:hunter2@127.0.0.1:{free_port()}"
    limit = "redis.startup_timeout_seconds=0.5"
    with UpStack(tmp_path, "--set", limit, REDIS_URL=url) as stack:
        assert stack.process.wait(timeout_seconds=90) == 3
        assert "could not be reached within 0.5 s" in stack.output
        assert "hunter2" not in stack.output


def test_part_that_keeps_dying_ends_everything(tmp_path: Path) -> None:
    """More than five deaths in a minute: given up by name, the rest ended, exit code 1."""
    with UpStack(tmp_path) as stack:
        stack.wait_until_ready()
        for death in range(1, 7):
            pids = stack.pids()
            while "page" not in pids:
                pids = stack.pids()
            os.kill(pids["page"], signal.SIGKILL)
            stack.wait_for("page died (killed by SIGKILL)", times=death)
        assert stack.process.wait(timeout_seconds=60) == 1
        assert "page is given up: it died 6 times within 60 s" in stack.output
        assert "ending valkey" in stack.output


@pytest.mark.parametrize(
    ("arguments", "environment", "code", "expected"),
    [
        (["--workers", "0"], {}, 2, "--workers"),
        (["--gateway", "other"], {}, 2, "--gateway"),
        (["--set", "callback.port"], {}, 2, "expected SECTION.NAME=VALUE"),
        (["--set", "callback.prot=1"], {}, 3, "did you mean callback.port?"),
        ([], {"PORT": "many"}, 3, 'callback.port = "many"'),
        ([], {"TOTAL_WORKERS": "2", "WORKER_ID": "0"}, 3, "lets them share the partitions out"),
        ([], {"CENTRIFUGO_TOKEN_HMAC_SECRET_KEY": "short"}, 3, "expected at least 16"),
        (["--data-dir", "/dev/null/x"], {}, 3, "the data folder /dev/null/x cannot be used"),
        (["--gateway", "centrifugo"], {"PATH": "/nowhere"}, 3, "there is no centrifugo on PATH"),
        (["--config", "none.toml"], {}, 3, "there is no settings file none.toml"),
    ],
)
def test_mistake_is_one_sentence(
    tmp_path: Path,
    arguments: list[str],
    environment: dict[str, str],
    code: int,
    expected: str,
) -> None:
    """Each mistake has its sentence and its exit code, and nothing is started."""
    free = [] if "PORT" in environment else free_ports()
    done = run_rtm("up", "--no-browser", *free, *arguments, folder=tmp_path, **environment)
    assert done.returncode == code, done.stderr
    assert expected in done.stderr
    assert "Traceback" not in done.stderr
    assert "short" not in done.stderr
