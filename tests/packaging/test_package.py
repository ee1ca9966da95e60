"""What is released: a wheel and a source archive, built as the release builds them, and used."""

from __future__ import annotations

import email
import re
import signal
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

from support.background import Background
from support.clean_environment import build_with, clean_environment, run_clean
from support.readme_commands import PROJECT, copy_project
from support.up_stack import clean_environment as clean_variables
from support.up_stack import free_ports

pytestmark = pytest.mark.timeout(400)

VERSION = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
PACKAGE = PROJECT / "src/realtime_message"
TYPED = """
from realtime_message import App, Message

app = App()


@app.on_message("room:*")
async def handle(message: Message) -> None:
    reveal_type(message.text)
    message.no_such_field
"""


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the source archive, and the wheel that was built from it."""
    source = copy_project(tmp_path_factory.mktemp("source"))
    done = build_with(source)
    assert done.returncode == 0, done.stdout + done.stderr
    return source / "dist"


@pytest.fixture(scope="module")
def wheel(distributions: Path) -> Path:
    """The wheel."""
    (found,) = distributions.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment that has the wheel and what it needs."""
    return clean_environment(tmp_path_factory.mktemp("clean") / "venv", f"{wheel}[up]")


def test_version_is_one_everywhere() -> None:
    """Package, changelog, image and chart; a tag must say the same."""
    check = PROJECT / "scripts/check-version"
    done = subprocess.run([check], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, VERSION), done.stderr
    done = subprocess.run([check, "v9.9.9"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "9.9.9" in done.stderr


def test_wheel_holds_every_file_of_the_package_and_nothing_else(wheel: Path) -> None:
    """Scripts for Redis, the chat page, supervisord's file, the mark that there are types."""
    archive = zipfile.ZipFile(wheel)
    packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    files = {
        str(path.relative_to(PACKAGE.parent))
        for path in PACKAGE.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert packed == files | {"pytest_realtime_message.py", "realtime_message_rtm.py"}
    for part in ("streams/lua/entry_append.lua", "stack/page/index.html", "py.typed"):
        assert f"realtime_message/{part}" in packed
    (metadata,) = [name for name in archive.namelist() if name.endswith("/METADATA")]
    described = email.message_from_bytes(archive.read(metadata))
    assert described["Version"] == VERSION
    assert described["License-Expression"] == "MIT"
    assert {"up", "container"} <= set(described.get_all("Provides-Extra") or [])


def test_source_archive_holds_tests_and_no_leftovers(distributions: Path) -> None:
    """Whoever packages it can run the tests; nothing of a developer's machine is in it."""
    (path,) = distributions.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    for part in ("tests/conftest.py", "docs/howto/README.md", "LICENSE", "Dockerfile"):
        assert part in names
    unwanted = (".venv", ".work", ".rtm", ".env", ".git", "dist")
    assert not [name for name in names if name.split("/")[0] in unwanted]


def test_command_of_an_installed_wheel(python: Path) -> None:
    """`rtm` is on the path of the environment and knows its version."""
    done = subprocess.run(
        [python.parent / "rtm", "--version"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout.strip()) == (0, f"rtm {VERSION}"), done.stderr
    code = "import realtime_message; print(realtime_message.__file__)"
    assert str(python.parent.parent) in run_clean(python, "-c", code).stdout


def test_types_of_an_installed_wheel_are_found(python: Path, tmp_path: Path) -> None:
    """A type checker reads them: it knows a message's text and misses what is not there."""
    file = tmp_path / "app.py"
    file.write_text(TYPED, "utf-8")
    command = [sys.executable, "-m", "mypy", "--strict", "--python-executable", str(python)]
    done = subprocess.run(
        [*command, str(file)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert re.search(r'Revealed type is "(builtins\.)?str"', done.stdout), done
    assert '"Message" has no attribute "no_such_field"' in done.stdout


def test_system_of_an_installed_wheel_runs(python: Path, tmp_path: Path) -> None:
    """`rtm up` without anything else: a message goes all the way, Ctrl-C ends it."""
    rtm = str(python.parent / "rtm")
    variables = clean_variables()
    up = Background([rtm, "up", "--no-browser", *free_ports()], tmp_path, variables)
    try:
        up.wait_for("Ready", timeout_seconds=60)
        done = subprocess.run(
            [rtm, "publish", "room:lobby", "hello"],
            cwd=tmp_path,
            env=variables,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.stdout.startswith("1 of 1 acknowledged"), done.stderr
        up.wait_for("message.handled", timeout_seconds=60)
        up.send(signal.SIGINT)
        assert up.wait(60) == 130
    finally:
        up.kill()
