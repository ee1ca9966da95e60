"""The release before this source, installed in an environment of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from realtime_message.settings import RedisSettings
from support.background import Background
from support.callback_process import TOKEN_SECRET
from support.clean_environment import clean_environment
from support.readme_commands import PROJECT
from support.up_stack import clean_environment as clean_variables
from support.worker_process import WorkerProcess

#: Names another commit to test against than that of the newest tag.
VARIABLE = "TESTS_PREVIOUS_RELEASE"


@dataclass(frozen=True)
class Release:
    """A release that can be run.

    Attributes:
        name: for reports.
        python: of an environment in which it is installed.
    """

    name: str
    python: str

    def start_callback(self, redis: RedisSettings, port: int, folder: Path) -> Background:
        """Start its callback service and wait until it takes messages."""
        variables = {
            "REDIS_URL": redis.url,
            "RTM_REDIS__PREFIX": redis.prefix,
            "PORT": str(port),
            "CENTRIFUGO_TOKEN_HMAC_SECRET_KEY": TOKEN_SECRET,
            "RTM_LOG__FORMAT": "json",
        }
        words = [self.python, "-m", "realtime_message", "callback"]
        service = Background(words, folder, clean_variables(**variables))
        service.wait_for("callback.ready", timeout_seconds=60)
        return service

    def start_worker(self, redis: RedisSettings, folder: Path) -> WorkerProcess:
        """Start its worker; the history of all of them is `history.jsonl` in the folder."""
        number = len(list(folder.glob("worker-*")))
        return WorkerProcess(
            redis,
            folder / f"worker-{number}-{self.name}.log",
            folder / "history.jsonl",
            settings={"lease_seconds": 2},
            python=self.python,
        )


THIS = Release("this", sys.executable)


def previous_release(folder: Path) -> Release:
    """Install the release before this source from its tag, or skip the test with the reason."""
    name = os.environ.get(VARIABLE) or _newest_tag()
    source = folder / "source"
    source.mkdir()
    archive = subprocess.run(
        ["git", "archive", name], cwd=PROJECT, capture_output=True, check=False
    )
    assert archive.returncode == 0, archive.stderr.decode()
    subprocess.run(["tar", "-x", "-C", str(source)], input=archive.stdout, check=True)
    return Release(name.replace("/", "-"), str(clean_environment(folder / "venv", str(source))))


def _newest_tag() -> str:
    """Return the newest release tag that is an ancestor of this source, but not of this commit."""

    def git(*words: str) -> str:
        done = subprocess.run(
            ["git", *words], cwd=PROJECT, capture_output=True, text=True, check=False
        )
        return done.stdout.strip() if done.returncode == 0 else ""

    if not git("rev-parse", "--git-dir"):
        pytest.skip("this is no clone with git, so the release before it is not known")
    mine = set(git("tag", "--points-at", "HEAD").split())
    tags = git("tag", "--list", "v[0-9]*", "--merged", "HEAD", "--sort=-version:refname").split()
    older = [tag for tag in tags if tag not in mine]
    if not older:
        pytest.skip(
            f"there is no release before this one: no tag v*; {VARIABLE} names another commit"
        )
    return older[0]
