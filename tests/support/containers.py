"""Podman for tests: its own storage and networks below the work folder, and nothing left behind.

The commands of the documentation run unchanged: what differs stands in files that the environment
names. What a machine needs beyond Podman's defaults is found by trying, and told in the report.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from support.deploy_files import PROJECT
from support.remarks import remark

WORK = PROJECT / ".work" / "deploy-tests"

_PLAIN = """
[network]
network_config_dir = "{folder}/networks"
[engine]
tmp_dir = "{folder}/tmp"
"""
# For machines whose root may not raise limits, or whose control groups crun does not know.
_CAREFUL = """
[containers]
default_ulimits = ["nofile={files}:{files}", "nproc=10000:10000"]
[network]
network_backend = "netavark"
network_config_dir = "{folder}/networks"
[engine]
runtime = "runc"
tmp_dir = "{folder}/tmp"
"""
_STORAGE = """
[storage]
driver = "overlay"
graphroot = "{folder}/storage"
runroot = "{folder}/run"
"""


def why_no_podman() -> str:
    """Return why these tests cannot run here; empty if they can."""
    if shutil.which("podman") is None:
        return "podman is not installed"
    if os.geteuid() != 0:
        return "not root: stand-ins for base images cannot be made"
    return ""


class CommandFailedError(AssertionError):
    """A command did not end with 0; the text holds its output."""


class Podman:
    """Runs podman.

    Args:
        folder: for storage, networks and settings; it is deleted by `close`.
    """

    def __init__(self, folder: Path = WORK / "podman") -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        storage, settings = folder / "storage.conf", folder / "containers.conf"
        storage.write_text(_STORAGE.format(folder=folder), "utf-8")
        settings.write_text(_PLAIN.format(folder=folder), "utf-8")
        self.environment: Mapping[str, str] = {
            **os.environ,
            "CONTAINERS_STORAGE_CONF": str(storage),
            "CONTAINERS_CONF": str(settings),
        }

    def try_out(self, image: str) -> None:
        """Run a container; where that fails, go on with settings for such machines."""
        if self.result("run", "--rm", "--pull=never", image, "true").returncode == 0:
            return
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        settings = self.folder / "containers.conf"
        settings.write_text(_CAREFUL.format(folder=self.folder, files=files), "utf-8")
        self.run("run", "--rm", "--pull=never", image, "true")
        remark("podman: runs with runc, netavark and lowered limits; its defaults failed here")

    def result(
        self,
        *words: str,
        cwd: Path | None = None,
        timeout_seconds: float = 120.0,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command of podman; return how it ended."""
        return subprocess.run(
            ["podman", *words],
            cwd=cwd,
            env=dict(self.environment),
            capture_output=True,
            text=True,
            timeout=timeout_seconds,
            check=False,
        )

    def run(self, *words: str, cwd: Path | None = None, timeout_seconds: float = 120.0) -> str:
        """Run a command of podman and return what it printed.

        Raises:
            CommandFailedError: it did not end with 0.
        """
        done = self.result(*words, cwd=cwd, timeout_seconds=timeout_seconds)
        if done.returncode != 0:
            raise CommandFailedError(
                f"podman {' '.join(words)} ended with {done.returncode}:\n"
                f"{done.stdout}{done.stderr}"
            )
        return done.stdout.strip()

    def shell(self, command: str, cwd: Path, timeout_seconds: float = 600.0) -> str:
        """Run a line of the documentation in a shell.

        Raises:
            CommandFailedError: it did not end with 0.
        """
        done = subprocess.run(
            command,
            shell=True,
            cwd=cwd,
            env=dict(self.environment),
            capture_output=True,
            text=True,
            timeout=timeout_seconds,
            check=False,
        )
        if done.returncode != 0:
            raise CommandFailedError(f"{command}:\n{done.stdout}{done.stderr}")
        return done.stdout.strip()

    def has_image(self, image: str) -> bool:
        """Whether an image is in the storage."""
        return self.result("image", "exists", image).returncode == 0

    def logs(self, name: str) -> str:
        """Return what a container wrote."""
        done = self.result("logs", name)
        return done.stdout + done.stderr

    def wait(self, name: str, timeout_seconds: float = 120.0) -> int:
        """Wait for a container's end; return its exit code."""
        return int(self.run("wait", name, timeout_seconds=timeout_seconds))

    def remove(self, names: Sequence[str]) -> None:
        """Remove containers, whatever their state."""
        if names:
            self.result("rm", "--force", "--time", "0", "--volumes", *names)

    def close(self) -> None:
        """Remove every container, network and image of this storage, and the storage."""
        self.result("rm", "--all", "--force", "--time", "0", "--volumes")
        self.result("network", "prune", "--force")
        self.result("system", "reset", "--force", timeout_seconds=300)
        shutil.rmtree(self.folder, ignore_errors=True)
