"""The quadlet files are accepted by Podman's own generator."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from support.deploy_files import QUADLETS

_PLACES = ("/usr/libexec/podman/quadlet", "/usr/lib/podman/quadlet")


def _generator() -> str:
    """Return Podman's generator, or skip: it is part of Podman since 4.4."""
    named = os.environ.get("TESTS_QUADLET_BIN", "")
    found = next((path for path in (named, *_PLACES) if path and os.access(path, os.X_OK)), None)
    if found is None:
        pytest.skip(
            "there is no quadlet generator: Podman 5 has it, or name it in TESTS_QUADLET_BIN"
        )
    return found


def _generate(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [_generator(), "--dryrun"],
        env={"QUADLET_UNIT_DIRS": str(folder), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_generator_accepts_every_file() -> None:
    """A unit for each file, and no complaint."""
    done = _generate(QUADLETS)
    assert done.returncode == 0, done.stderr
    for unit in ("instance", "worker@", "redis", "redis-volume"):
        assert f"---realtime-{unit}.service---" in done.stdout
    assert "unsupported" not in done.stderr


def test_generator_is_strict(tmp_path: Path) -> None:
    """A typing error in a file would be found by the test above."""
    shutil.copytree(QUADLETS, tmp_path / "units")
    file = tmp_path / "units/realtime-instance.container"
    file.write_text(file.read_text("utf-8").replace("PublishPort=", "PublishPrt="), "utf-8")
    assert _generate(tmp_path / "units").returncode != 0


def test_generated_commands_hold_what_the_container_needs() -> None:
    """Ports, hardening, grace and health check arrive in the command line of podman run."""
    units = _generate(QUADLETS).stdout.split("---")
    texts = dict(zip(units[1::2], units[2::2], strict=True))
    lines = texts["realtime-instance.service"].splitlines()
    (command,) = [line.partition("=")[2] for line in lines if line.startswith("ExecStart=")]
    words = shlex.split(command)
    for expected in (
        ["--stop-timeout", "30"],
        ["--cap-drop", "all"],
        ["--publish", "8000:8000"],
        ["--publish", "127.0.0.1:3000:3000"],
        ["--health-cmd", "python -I /usr/local/lib/rtm-healthcheck.py"],
    ):
        assert any(words[i : i + 2] == expected for i in range(len(words))), expected
    assert "--read-only" in words
    assert "--security-opt=no-new-privileges" in words
