"""Virtual environments in which nothing but one package is installed, with what it needs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import venv
from pathlib import Path

import pytest

_NO_NETWORK = re.compile(r"NewConnectionError|ConnectTimeout|Could not fetch|ProxyError")


def clean_environment(folder: Path, requirement: str) -> Path:
    """Make an environment, install into it, and return its Python.

    Without a package index the test is skipped; any other failure of the installation fails it.

    Args:
        folder: where the environment is made.
        requirement: for pip, such as the path of a wheel, with extras.
    """
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    done = subprocess.run(
        # Nothing is compiled beforehand: only a part of it is ever loaded.
        [
            sys.executable,
            "-m",
            "pip",
            "--python",
            str(python),
            "install",
            "--no-compile",
            requirement,
        ],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if done.returncode != 0 and _NO_NETWORK.search(done.stderr):
        pytest.skip("no package index can be reached, so nothing can be installed")
    assert done.returncode == 0, done.stderr
    return python


def run_clean(
    python: Path, *words: str, timeout_seconds: float = 60.0
) -> subprocess.CompletedProcess[str]:
    """Run an environment's Python from a folder in which this project is not found."""
    return subprocess.run(
        [str(python), *words],
        cwd=python.parent,
        env={k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")},
        capture_output=True,
        text=True,
        timeout=timeout_seconds,
        check=False,
    )


def build_with(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m build` of the development environment in a folder with sources."""
    return subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
