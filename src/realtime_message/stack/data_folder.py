"""The data folder of `rtm up`: one owner at a time, secrets made once, addresses while it runs."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import time
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from realtime_message.errors import ConfigurationError, StartupError
from realtime_message.settings import Layer

DEFAULT_FOLDER = ".rtm"

#: What is made at the first start, by the name of its setting.
SECRET_SETTINGS = ("callback.token_secret", "callback.secret", "gateway.api_key")

# Beside the settings in the file of what runs now.
_APP = "up.app"

# Another command may look at the lock for a moment while we start.
_LOCK_PATIENCE_SECONDS = 0.5


class DataFolder:
    """Where `rtm up` keeps data and secrets.

    Args:
        path: the folder; it is made when it is entered.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.valkey = path / "valkey"
        self.gateway_configuration = path / "centrifugo.json"
        self._secrets = path / "secrets.toml"
        self._running = path / "running.toml"
        self._lock = path / "lock"

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Own the folder, which is made if it is not there.

        Raises:
            StartupError: another `rtm up` owns it, or it cannot be written.
        """
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.valkey.mkdir(mode=0o700, exist_ok=True)
            # Secrets must not end up in a repository that the folder happens to stand in.
            (self.path / ".gitignore").write_text("*\n", "utf-8")
            descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise StartupError(
                f"the data folder {self.path} cannot be used: {error.strerror}; choose another "
                "with --data-dir"
            ) from None
        try:
            self._take(descriptor)
            try:
                yield
            finally:
                # Only the owner's to remove: whoever was refused leaves what the owner published.
                self._running.unlink(missing_ok=True)
        finally:
            os.close(descriptor)

    def secrets(self) -> Layer:
        """Return the secrets; they are made at the first start.

        Raises:
            ConfigurationError: the file cannot be read.
        """
        found = {} if not self._secrets.exists() else _read(self._secrets)
        missing = [path for path in SECRET_SETTINGS if not found.get(path)]
        if missing:
            found |= {path: secrets.token_hex(32) for path in missing}
            _write(
                self._secrets, found, "Made by `rtm up` at its first start. Keep it to yourself."
            )
        self._secrets.chmod(0o600)
        return Layer(f"file {self._secrets}", found)

    def publish(self, values: Mapping[str, Any], app: str = "") -> None:
        """Let commands in other terminals find the running system.

        Args:
            values: by setting; they hold secrets.
            app: what its workers run.
        """
        told = {**values, _APP: app}
        _write(self._running, told, "Where the `rtm up` that runs now is reached.")

    def running(self) -> Layer | None:
        """Return what the `rtm up` that owns the folder published; None if none runs."""
        values = self._published()
        if values is None:
            return None
        values.pop(_APP, None)
        return Layer(f"the running rtm up ({self._running})", values)

    def running_app(self) -> str:
        """Return the app whose workers the `rtm up` that owns the folder runs; empty if none."""
        return str((self._published() or {}).get(_APP, ""))

    def _published(self) -> dict[str, Any] | None:
        try:
            descriptor = os.open(self._lock, os.O_RDONLY)
        except OSError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            pass  # owned, so what is published is true
        else:
            return None
        finally:
            os.close(descriptor)
        try:
            return _read(self._running)
        except (ConfigurationError, FileNotFoundError):
            return None

    def _take(self, descriptor: int) -> None:
        deadline = time.monotonic() + _LOCK_PATIENCE_SECONDS
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise StartupError(self._taken(descriptor)) from None
                time.sleep(0.02)
            else:
                os.ftruncate(descriptor, 0)
                os.write(descriptor, f"{os.getpid()}\n".encode())
                return

    def _taken(self, descriptor: int) -> str:
        pid = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
        return (
            f"another rtm up (process {pid or 'unknown'}) uses the data folder {self.path}; end "
            "it, or choose another folder with --data-dir"
        )


def _read(file: Path) -> dict[str, Any]:
    try:
        tables = tomllib.loads(file.read_text("utf-8"))
        return {
            f"{section}.{name}": value
            for section, table in tables.items()
            for name, value in table.items()
        }
    except (OSError, ValueError, AttributeError) as error:
        raise ConfigurationError(
            f"{file} cannot be read ({error}); restore it, or delete it to get new secrets"
        ) from None


def _write(file: Path, values: Mapping[str, Any], purpose: str) -> None:
    """Write values as TOML, readable by the owner alone; a reader never sees half of it."""
    sections: dict[str, list[str]] = {}
    for path, value in values.items():
        section, _, name = path.partition(".")
        sections.setdefault(section, []).append(f"{name} = {msgspec.json.encode(value).decode()}")
    lines = [f"# {purpose}"]
    for section, entries in sections.items():
        lines += ["", f"[{section}]", *entries]
    temporary = file.with_suffix(".new")
    with contextlib.suppress(FileNotFoundError):
        temporary.unlink()
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write("\n".join(lines) + "\n")
    temporary.replace(file)
