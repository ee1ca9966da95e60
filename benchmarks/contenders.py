"""The callback services that are compared, and how each is installed and started."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from machine import WORK, need

HERE = Path(__file__).parent
SECRET = "the-secret-that-the-load-generator-sends"


@dataclass(frozen=True)
class Contender:
    """A service.

    Attributes:
        name: in the tables.
        command: what starts it.
        environment: of all processes of it, without the ports.
        with_ids: whether each message carries an id of the client's, which is remembered.
    """

    name: str
    command: tuple[str, ...]
    environment: tuple[tuple[str, str], ...] = ()
    with_ids: bool = False

    def start(self, port: int, redis_port: int, processes: int) -> tuple[list[str], dict[str, str]]:
        """Return command and environment for so many processes on a port."""
        values = {"port": str(port), "processes": str(processes)}
        environment = {
            **dict(self.environment),
            "PORT": str(port),
            "REDIS_PORT": str(redis_port),
            "REDIS_URL": f"redis://127.0.0.1:{redis_port}",
            "WORKERS": str(processes),
        }
        return [part.format(**values) for part in self.command], environment


def ours(*, with_ids: bool = False) -> Contender:
    """Return this project's service: secret, rate limits, metrics and log all on.

    Installed as users install it: what developers need beside it would be loaded, too.
    """
    python = python_with("ours", str(HERE.parent))
    return Contender(
        "this project, with message ids" if with_ids else "this project",
        (
            *(python, "-P", "-m", "realtime_message.stack.part", "callback"),
            *("--processes", "{processes}"),
        ),
        (
            ("CENTRIFUGO_TOKEN_HMAC_SECRET_KEY", "a-token-secret-for-the-benchmark"),
            ("RTM_CALLBACK__SECRET", SECRET),
            ("RTM_CALLBACK__USER_RATE_PER_SECOND", "1000000"),
            ("RTM_CALLBACK__USER_BURST", "1000000"),
            ("RTM_CALLBACK__CONNECTION_RATE_PER_SECOND", "1000000"),
            ("RTM_CALLBACK__CONNECTION_BURST", "1000000"),
            ("RTM_REDIS__MAX_BACKLOG_ENTRIES", "0"),
            ("RTM_LOG__LEVEL", "info"),
        ),
        with_ids,
    )


def express() -> Contender:
    """Return Express 4 with ioredis; installs them at the first use."""
    return Contender("Express 4 + ioredis", ioredis("express_peer.js"))


def ioredis(script: str) -> tuple[str, str]:
    """Return the command that runs a peer's script with ioredis; installs it at the first use."""
    node, npm = need("node", "nodejs"), need("npm", "npm")
    folder = WORK / "express"
    if not (folder / "node_modules").exists():
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(HERE / "peers" / "package.json", folder)
        subprocess.run([npm, "install", "--no-audit", "--no-fund"], cwd=folder, check=True)
    shutil.copy(HERE / "peers" / script, folder)
    return node, str(folder / script)


def fastapi() -> Contender:
    """Return FastAPI with redis-py; installs them at the first use."""
    python = python_with("fastapi", "fastapi", "redis[hiredis]", "uvicorn", "uvloop", "httptools")
    return Contender(
        "FastAPI + redis-py",
        (
            *(python, "-m", "uvicorn", "--app-dir", str(HERE / "peers"), "fastapi_peer:app"),
            *("--port", "{port}", "--workers", "{processes}", "--no-access-log"),
        ),
    )


@cache
def python_with(name: str, *packages: str) -> str:
    """Return the Python of an environment of its own, with some packages."""
    folder = WORK / name
    python = str(folder / "bin" / "python")
    if not folder.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *packages], check=True)
    if str(HERE.parent) in packages:  # its source may have changed since
        command = [python, "-m", "pip", "install", "-q", "--force-reinstall", "--no-deps"]
        subprocess.run([*command, *packages], check=True)
    return python
