"""A Docker engine and Compose v2 for tests: an engine of our own, in a folder that is deleted."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from support.background import Background
from support.containers import WORK, CommandFailedError, Podman
from support.deploy_tests import centrifugo
from support.ports import free_port
from support.remarks import remark
from support.worker_process import wait_until

_PACKAGE_SUITE = "trixie"
_PLUGIN = "usr/libexec/docker/cli-plugins/docker-compose"


def why_no_docker() -> str:
    """Return why a Docker engine of our own cannot run here; empty if it can."""
    for program in ("dockerd", "docker"):
        if shutil.which(program) is None:
            return f"{program} is not installed"
    if os.geteuid() != 0:
        return "not root: a Docker engine cannot be started"
    if Path("/var/run/docker.sock").exists() or Path("/var/run/docker.pid").exists():
        return "a Docker engine runs here already"
    return ""


def provide_compose(plugins: Path) -> None:
    """Have Compose v2 where the docker command finds its plug-ins, or skip with the reason."""
    plugins.mkdir(parents=True, exist_ok=True)
    known = [os.environ.get("TESTS_COMPOSE_BIN", ""), shutil.which("docker-compose") or ""]
    known += [f"/{_PLUGIN}", "/usr/lib/docker/cli-plugins/docker-compose"]
    found = next((path for path in known if path and _is_compose_2(path)), None)
    (plugins / "docker-compose").symlink_to(found or _unpack_compose())


def _is_compose_2(program: str) -> bool:
    if not os.access(program, os.X_OK):
        return False
    done = subprocess.run([program, "version"], capture_output=True, text=True, check=False)
    return done.returncode == 0 and "v1." not in done.stdout and "version 1." not in done.stdout


def _unpack_compose() -> Path:
    """Fetch Debian's package into the work folder; nothing is installed."""
    folder = WORK / "compose"
    program = folder / "package" / _PLUGIN
    if program.exists():
        return program
    keyring = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
    if shutil.which("apt-get") is None or not keyring.exists():
        pytest.skip("there is no Compose v2: install it, or name its program in TESTS_COMPOSE_BIN")
    (folder / "lists/partial").mkdir(parents=True, exist_ok=True)
    words = ["apt-get", "indextargets", "--format", "$(REPO_URI)"]
    mirror = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()[0]
    (folder / "sources.list").write_text(
        f"deb [signed-by={keyring}] {mirror} {_PACKAGE_SUITE} main\n", "utf-8"
    )
    options = {
        "Dir::Etc::SourceList": folder / "sources.list",
        "Dir::Etc::SourceParts": "-",
        "Dir::State::Lists": folder / "lists",
    }
    apt = ["apt-get", "--quiet", *(f"-o{name}={value}" for name, value in options.items())]
    for line in ([*apt, "update"], [*apt, "download", "docker-compose"]):
        subprocess.run(line, cwd=folder, capture_output=True, check=True, timeout=300)
    (package,) = folder.glob("docker-compose_*.deb")
    subprocess.run(["dpkg", "-x", str(package), str(folder / "package")], check=True)
    package.unlink()
    shutil.rmtree(folder / "lists")
    remark(f"compose: unpacked from Debian's package {package.name}")
    return program


class Docker:
    """A Docker engine; made by `start`.

    Args:
        folder: for everything it keeps; it is deleted by `close`.
    """

    def __init__(self, folder: Path = WORK / "docker") -> None:
        self.folder = folder
        self._engine: Background | None = None
        self.environment: Mapping[str, str] = {
            **os.environ,
            "DOCKER_HOST": f"unix://{folder}/engine.sock",
            "DOCKER_CONFIG": str(folder / "config"),
            "DOCKER_BUILDKIT": "0",
        }

    def start(self) -> Docker:
        """Start the engine, and wait until it answers."""
        # An earlier engine may have left what could not be removed: a name of a network space.
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True, exist_ok=True)
        words = ["dockerd", "--data-root", f"{self.folder}/data", "--exec-root"]
        words += [f"{self.folder}/exec", "--host", self.environment["DOCKER_HOST"]]
        words += ["--pidfile", f"{self.folder}/engine.pid"]
        # It changes nothing of this machine's network: Compose makes networks of its own, and
        # ports are published by a process.
        words += ["--bridge=none", "--iptables=false", "--ip6tables=false"]
        self._engine = Background(words, self.folder, self.environment)
        wait_until(lambda: self._call("docker", "info").returncode == 0, 60, self._output)
        provide_compose(self.folder / "config/cli-plugins")
        return self

    def take_image(self, podman: Podman, image: str) -> None:
        """Copy an image from Podman's storage."""
        archive = self.folder / "image.tar"
        podman.run("save", "--quiet", "--output", str(archive), image, timeout_seconds=300)
        self.shell(f"docker load --quiet --input {archive}", self.folder)
        archive.unlink()

    def shell(
        self,
        command: str,
        cwd: Path,
        environment: Mapping[str, str] | None = None,
        timeout_seconds: float = 600.0,
    ) -> str:
        """Run a line of the documentation in a shell; return what it printed.

        Raises:
            CommandFailedError: it did not end with 0; the text holds its output.
        """
        done = subprocess.run(
            command,
            shell=True,
            cwd=cwd,
            env={**self.environment, **(environment or {})},
            capture_output=True,
            text=True,
            timeout=timeout_seconds,
            check=False,
        )
        if done.returncode != 0:
            raise CommandFailedError(f"{command}:\n{done.stdout}{done.stderr}")
        return done.stdout.strip()

    def close(self) -> None:
        """Remove containers and networks, end the engine, delete what it kept."""
        if self._engine is None:
            return
        for listing, removal in (
            ("ps -aq", "rm -f -v"),
            ("network ls -q -f type=custom", "network rm"),
        ):
            self._call("sh", "-c", f"docker {listing} | xargs -r docker {removal}")
        self._engine.process.terminate()
        self._engine.wait(60)
        self._engine.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _call(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            words,
            env=dict(self.environment),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def _output(self) -> str:
        return "" if self._engine is None else self._engine.output


class Project:
    """The Compose project in a copy of the source, on ports of its own.

    Args:
        docker: the engine.
        folder: the copy.
    """

    def __init__(self, docker: Docker, folder: Path) -> None:
        self.docker = docker
        self.folder = folder
        self.gateway_port, self.callback_port, self.http_port = (free_port() for _ in range(3))
        self._environment = {
            "COMPOSE_PROJECT_NAME": f"rtm{os.getpid()}",
            "GATEWAY_ADDRESS": "127.0.0.1",
            "GATEWAY_PORT": str(self.gateway_port),
            "CALLBACK_PORT": str(self.callback_port),
            "HTTP_PORT": f"127.0.0.1:{self.http_port}",
            "RTM_GATEWAY": "centrifugo" if centrifugo() else "embedded",
        }

    def shell(self, command: str, timeout_seconds: float = 600.0) -> str:
        """Run a line of the documentation in the project's folder."""
        return self.docker.shell(command, self.folder, self._environment, timeout_seconds)

    def secret(self, name: str) -> str:
        """Return a value of .env."""
        lines = (self.folder / ".env").read_text("utf-8").splitlines()
        return next(line.partition("=")[2] for line in lines if line.startswith(f"{name}="))

    @property
    def url(self) -> str:
        """Where clients reach the instance itself."""
        return f"ws://127.0.0.1:{self.gateway_port}/connection/websocket"

    @property
    def door_url(self) -> str:
        """Where clients reach the instances through Nginx."""
        return f"ws://127.0.0.1:{self.http_port}/connection/websocket"

    def close(self) -> None:
        """Remove everything, the data too."""
        self.shell(
            "docker compose --profile nginx --profile cluster down --volumes --timeout 5 || true"
        )
