"""Breaks each rule in a copy of the package, and looks whether the tests notice."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from mutations.mutation import SOURCE, Mutation

PROJECT = SOURCE.parents[1]
TIMEOUT_SECONDS = 600


@dataclass(frozen=True)
class Verdict:
    """What the tests said to a broken rule.

    Attributes:
        mutation: how it was broken.
        failed: the first test that failed; empty if all passed: the rule is not tested.
        seconds: how long it took.
    """

    mutation: Mutation
    failed: str
    seconds: float


def run(mutation: Mutation, folder: Path) -> Verdict:
    """Break one rule and run its tests.

    Args:
        mutation: what to break.
        folder: for the copy, which is made anew.

    Raises:
        RuntimeError: the tests could not be run at all.
    """
    began_at = time.monotonic()
    package = folder / "realtime_message"
    shutil.rmtree(package, ignore_errors=True)
    shutil.copytree(SOURCE, package, ignore=shutil.ignore_patterns("__pycache__"))
    mutation.apply(package)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--no-header"),
            *("--timeout=60", "-o", "addopts=", "--import-mode=importlib"),
            # The rules hold on each server; clusters take long to start.
            *("-k", "not cluster and not sentinel"),
            *mutation.tests,
        ],
        cwd=PROJECT,
        env={**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    lines = done.stdout.splitlines()
    failed = [line for line in lines if line.startswith("FAILED")]
    # An error without a test that failed before it proves nothing.
    has_error_alone = not failed and any(line.startswith("ERROR") for line in lines)
    if done.returncode not in (0, 1) or has_error_alone:
        raise RuntimeError(f"{mutation.name}: pytest ended with {done.returncode}:\n{done.stdout}")
    name = failed[0].split(" ")[1].rpartition("/")[2] if failed else ""
    return Verdict(mutation, name, time.monotonic() - began_at)


def run_all(mutations: Iterable[Mutation]) -> list[Verdict]:
    """Run several, print each, and return the verdicts."""
    verdicts = []
    with tempfile.TemporaryDirectory(prefix="rtm-mutations-") as folder:
        for mutation in mutations:
            verdict = run(mutation, Path(folder))
            verdicts.append(verdict)
            print(
                f"{'caught  ' if verdict.failed else 'SURVIVED'} {mutation.name:<44}"
                f"{verdict.seconds:6.1f} s  {verdict.failed or mutation.why}",
                flush=True,
            )
    return verdicts
