"""What the two commands of a fresh clone say when something is missing, and what they skip."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
TOOLS = ("sh", "cat", "cksum", "dirname", "pwd", "env")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """The scripts with the project's metadata, and a PATH of few tools without a Python."""
    shutil.copytree(PROJECT / "scripts", tmp_path / "scripts")
    shutil.copy(PROJECT / "pyproject.toml", tmp_path)
    tools = tmp_path / "tools"
    tools.mkdir()
    for tool in TOOLS:
        found = shutil.which(tool)
        if found:
            (tools / tool).symlink_to(found)
    return tmp_path


def _program(file: Path, script: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)


def _run(clone: Path, script: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [str(clone / "scripts" / script), "argument"],
        env={"PATH": str(clone / "tools"), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _install_fakes(clone: Path) -> None:
    """Make an environment whose programs only say that they were called."""
    for name in ("rtm", "ruff", "mypy", "pytest"):
        _program(clone / ".venv/bin" / name, f'echo {name} "$@"')
    _program(clone / ".venv/bin/python", f'echo python "$@" >> "{clone}/installed"')


@pytest.mark.parametrize("script", ["up", "test"])
def test_missing_or_old_python_is_told_in_one_line(clone: Path, script: str) -> None:
    """A machine without a Python that is new enough learns which is needed."""
    _program(clone / "tools/python3", "exit 1")
    done = _run(clone, script)
    assert done.returncode != 0
    assert done.stderr.splitlines() == [
        "Python 3.11 or newer is needed and was not found; PYTHON=/path/to/python names one"
    ]


@pytest.mark.parametrize("script", ["up", "test"])
def test_missing_venv_is_told_in_one_line(clone: Path, script: str) -> None:
    """Debian's Python has no venv until its package is installed."""
    _program(clone / "tools/python3", 'case "$2" in *ensurepip*) exit 1;; esac')
    done = _run(clone, script)
    assert done.returncode != 0
    assert len(done.stderr.splitlines()) == 1
    assert "apt-get install python3-venv" in done.stderr


def test_second_run_installs_nothing(clone: Path) -> None:
    """What is installed stays, until pyproject.toml or the place of the clone changes."""
    _install_fakes(clone)
    _program(clone / "tools/python3", "exit 0")
    for _ in range(2):
        done = _run(clone, "up")
        assert done.stdout == "rtm up argument\n", done.stderr
    assert (clone / "installed").read_text().count("pip install") == 1
    (clone / "pyproject.toml").write_text("# another one\n")
    _run(clone, "up")
    assert (clone / "installed").read_text().count("pip install") == 2


def test_environment_for_tests_serves_up_too(clone: Path) -> None:
    """Whoever ran the tests first need not install again."""
    _install_fakes(clone)
    _program(clone / "tools/python3", "exit 0")
    assert _run(clone, "test").returncode == 0
    assert _run(clone, "up").returncode == 0
    assert (clone / "installed").read_text().count("pip install") == 1
    assert ".[up,dev]" in (clone / "installed").read_text()


@pytest.mark.parametrize(
    ("broken", "pytest_code", "expected"),
    [(None, 0, 0), ("mypy", 0, 1), (None, 5, 5), ("ruff", 5, 5)],
)
def test_tests_always_run_and_their_exit_code_counts(
    clone: Path, broken: str | None, pytest_code: int, expected: int
) -> None:
    """A failed check fails the run, but the tests still run and their code wins."""
    _install_fakes(clone)
    _program(clone / "tools/python3", "exit 0")
    if broken:
        _program(clone / ".venv/bin" / broken, "exit 1")
    _program(clone / ".venv/bin/pytest", f'echo pytest "$@"; exit {pytest_code}')
    done = _run(clone, "test")
    assert done.returncode == expected
    options = "--numprocesses 3 --dist loadfile --no-loadscope-reorder"
    assert done.stdout.splitlines()[-1] == f"pytest {options} argument"
    assert ("FAILED before the tests" in done.stdout) == bool(broken)


def test_scripts_are_posix_shell(clone: Path) -> None:
    """No bash is needed: a strict POSIX shell parses each."""
    shell = shutil.which("dash") or shutil.which("sh")
    assert shell is not None
    for script in (PROJECT / "scripts").iterdir():
        if script.is_file() and script.read_bytes().startswith((b"#!/bin/sh", b"# Sourced")):
            subprocess.run([shell, "-n", str(script)], check=True)


def test_clone_may_stand_anywhere(tmp_path: Path) -> None:
    """A folder with blanks in its name works as well."""
    clone = tmp_path / "my clone"
    shutil.copytree(PROJECT / "scripts", clone / "scripts")
    shutil.copy(PROJECT / "pyproject.toml", clone)
    _install_fakes(clone)
    environment = {"PATH": os.environ["PATH"], "PYTHON": sys.executable}
    done = subprocess.run(
        [str(clone / "scripts/up"), "--no-browser"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == "rtm up --no-browser\n", done.stderr
