"""Podman for tests: its own storage and networks below the work folder, and nothing left behind.

The commands of the documentation run unchanged: what differs stands in files that the environment
names. What a machine needs beyond Podman's defaults is found by trying, and told in the report.
"""

from __future__ import annotations

import os
import pwd
import resource
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from support.deploy_files import PROJECT
from support.remarks import remark

WORK = PROJECT / ".work" / "deploy-tests"

_PLAIN = """
[network]
network_config_dir = "{folder}/networks"
[engine]
{engine}tmp_dir = "{folder}/tmp"
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
{engine}tmp_dir = "{folder}/tmp"
"""
_STORAGE = """
[storage]
driver = "overlay"
graphroot = "{folder}/storage"
runroot = "{folder}/run"
"""


# Where systemd has opened no session for the user.
_ROOTLESS = 'cgroup_manager = "cgroupfs"\n'


def why_no_podman() -> str:
    """Return why these tests cannot run here; empty if they can."""
    if shutil.which("podman") is None:
        return "podman is not installed"
    if os.geteuid() != 0:
        return "not root: stand-ins for base images cannot be made"
    return ""


def rootless_user() -> str:
    """Return a user who may have containers of his own; empty if none is named, or known."""
    user = os.environ.get("TESTS_ROOTLESS_USER") or os.environ.get("SUDO_USER", "")
    ids = Path("/etc/subuid")
    listed = ids.read_text("utf-8").splitlines() if ids.exists() else []
    return user if any(line.startswith(f"{user}:") for line in listed) else ""


class CommandFailedError(AssertionError):
    """A command did not end with 0; the text holds its output."""


class Podman:
    """Runs podman.

    Args:
        user: who runs it, without root's rights; empty for root.

    Attributes:
        folder: for storage, networks and settings; `close` deletes it.
    """

    def __init__(self, user: str = "") -> None:
        # What is below the project's folder may be closed to another user.
        folder = Path(tempfile.mkdtemp(prefix="rtm-podman-")) if user else WORK / "podman"
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._engine = _ROOTLESS if user else ""
        self._words = ["runuser", "-u", user, "--"] if user else []
        storage, self._settings = folder / "storage.conf", folder / "containers.conf"
        storage.write_text(_STORAGE.format(folder=folder), "utf-8")
        self._write(_PLAIN)
        self.environment = {
            **os.environ,
            "CONTAINERS_STORAGE_CONF": str(storage),
            "CONTAINERS_CONF": str(self._settings),
        }
        if user:
            self.environment |= {"HOME": str(folder), "XDG_RUNTIME_DIR": str(folder)}
            os.chown(folder, pwd.getpwnam(user).pw_uid, -1)
            remark(f"podman: rootless, as the user {user}")

    def try_out(self, image: str) -> None:
        """Run a container; where that fails, go on with settings for such machines."""
        if self.result("run", "--rm", "--pull=never", image, "true").returncode == 0:
            return
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        self._write(_CAREFUL, files=files)
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
            [*self._words, "podman", *words],
            cwd=cwd or self.folder,
            env=self.environment,
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
            [*self._words, "sh", "-c", command],
            cwd=cwd,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout_seconds,
            check=False,
        )
        if done.returncode != 0:
            raise CommandFailedError(f"{command}:\n{done.stdout}{done.stderr}")
        return done.stdout.strip()

    def lend(self, file: Path) -> Path:
        """Return a file that podman may read: itself, or a copy for another user."""
        return Path(shutil.copy(file, self.folder)) if self._words else file

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

    def _write(self, settings: str, **values: object) -> None:
        text = settings.format(folder=self.folder, engine=self._engine, **values)
        self._settings.write_text(text, "utf-8")
