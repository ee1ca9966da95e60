"""Every command of the README, run as it stands there, in a copy of the project.

Only addresses are changed: ports and the Redis server are the test's own.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.background import Background
from support.ports import free_port
from support.readme_commands import PROJECT, copy_project, shown_commands, shown_programs

pytestmark = pytest.mark.timeout(420)

#: Commands that end by themselves, and what they must print.
ENDING = {
    "rtm token ada": "eyJ",
    """rtm publish room:lobby '{"text": "hello"}'""": "1 of 1 acknowledged",
    "rtm partitions list": "done/s",
    "rtm partitions of room:lobby": "4",
    "rtm workers": "yes",
    "rtm config show": "redis.url",
    "rtm config check": "",
    "rtm config sample": "[redis]",
}
#: Commands that run until they are stopped, and what says that they do.
LASTING = {
    "rtm worker myworker:app": "worker.started",
    "rtm callback myworker:app": "callback.ready",
    "python examples/worker.py": "worker.started",
    "WORKER_ID=0 TOTAL_WORKERS=2 python examples/worker.py": "worker.started",
    "WORKER_ID=1 TOTAL_WORKERS=2 python examples/worker.py": "worker.started",
    "rtm subscribe room:lobby": "subscribed",
    "rtm console": "the console is at",
}
#: `./scripts/up` is what the fixture below runs; `./scripts/test` is what runs this test in CI.
TESTED_OTHERWISE = {"./scripts/up", "./scripts/test"}
OWN_APP = "test_readme_own_app.py"
ELSEWHERE = {
    "rtm up myworker:app --reload": OWN_APP,
    "rtm centrifugo run": OWN_APP,
    "rtm doctor": OWN_APP,
    "rtm centrifugo install": "test_cli_centrifugo.py",
    "rtm monitor": "test_monitor.py",
}
#: What the README's file of secrets is made with: test_readme_own_app.py runs the whole block.
SECRETS = r"cat > rtm.env|(REDIS|CENTRIFUGO)_\w+=|END$|chmod 600 rtm.env|set -a; . ./rtm.env"


def test_every_command_of_the_readme_is_run() -> None:
    """No command stands in the README that this file does not know."""
    known = {*ENDING, *LASTING, *ELSEWHERE, *TESTED_OTHERWISE}
    shown = {line for line in shown_commands(PROJECT / "README.md") if not re.match(SECRETS, line)}
    assert shown == known
    assert "./scripts/test" in (PROJECT / ".ci/run").read_text("utf-8")


class Clone:
    """A copy of the project in which `./scripts/up` runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "myworker.py").write_text(shown_programs(PROJECT / "README.md")[0])
        ports = [free_port() for _ in range(3)]
        flags = zip(("--gateway-port", "--callback-port", "--page-port"), ports, strict=True)
        words = [word for flag, port in flags for word in (flag, str(port))]
        self.up = Background(
            ["./scripts/up", "--no-browser", *words],
            cwd=folder,
            environment=_clean_environment(),
        )

    def environment(self) -> dict[str, str]:
        """What a shell has after `. .venv/bin/activate`, with a port that is free."""
        environment = _clean_environment()
        path = f"{self.folder / '.venv/bin'}{os.pathsep}{environment['PATH']}"
        ports = {"PORT": str(free_port()), "RTM_CONSOLE__PORT": str(free_port())}
        # No browser is opened under CI.
        return environment | ports | {"PATH": path, "REDIS_URL": self.redis_url, "CI": "true"}

    @property
    def redis_url(self) -> str:
        """Where the Valkey of `./scripts/up` is."""
        running = tomllib.loads((self.folder / ".rtm/running.toml").read_text("utf-8"))
        return str(running["redis"]["url"])


def _clean_environment() -> dict[str, str]:
    """Return the environment without this run's virtual environment and settings."""
    ours = re.compile(r"RTM_|VIRTUAL_ENV|CENTRIFUGO_|REDIS_URL|PORT$|WORKER_ID|PYTHON")
    return {name: value for name, value in os.environ.items() if not ours.match(name)}


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clone]:
    """The main command of the README, running in a fresh copy."""
    clone = Clone(copy_project(tmp_path_factory.mktemp("clone")))
    try:
        clone.up.wait_for("Ready", timeout_seconds=300)
        yield clone
        clone.up.send(signal.SIGINT)
        assert clone.up.wait(timeout_seconds=60) in (0, 130)
    finally:
        clone.up.kill()


@pytest.mark.parametrize("command", ENDING)
def test_command_does_its_work(clone: Clone, command: str) -> None:
    """A command that ends prints what it promises and exits with 0."""
    environment = clone.environment()
    del environment["REDIS_URL"]  # the running system is found by itself
    done = subprocess.run(
        command,
        shell=True,
        cwd=clone.folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert ENDING[command] in done.stdout


@pytest.mark.parametrize("command", LASTING)
def test_command_runs_until_it_is_stopped(clone: Clone, command: str) -> None:
    """A command that lasts says that it is ready, and ends in order on SIGTERM."""
    environment = clone.environment()
    if command.startswith("rtm subscribe"):
        del environment["REDIS_URL"]
    process = Background(["sh", "-c", f"exec env {command}"], clone.folder, environment)
    try:
        process.wait_for(LASTING[command], timeout_seconds=60)
        process.send(signal.SIGTERM)
        assert process.wait(timeout_seconds=40) in (0, -signal.SIGTERM, 143, 130)
    finally:
        process.kill()
