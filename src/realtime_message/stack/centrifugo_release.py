"""Fetching an official release of Centrifugo: the right archive, verified, only its program kept.

File names and the checksum file are those of Centrifugo's releases on GitHub. The program is never
run here.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import sys
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple

import httpx
import msgspec

from realtime_message.errors import RealtimeMessageError
from realtime_message.stack.install_folder import PROGRAM

#: The version that this package is tested with.
DEFAULT_VERSION = "6.9.1"
OFFICIAL_RELEASES = "https://github.com/centrifugal/centrifugo/releases/download"

#: By what the operating system calls itself: the systems and machines that have archives.
_SYSTEMS = {"linux": "linux", "darwin": "darwin", "freebsd": "freebsd"}
_MACHINES = {
    "x86_64": "amd64",
    "amd64": "amd64",
    "aarch64": "arm64",
    "arm64": "arm64",
    "armv6l": "armv6",
    "armv7l": "armv6",
}
_ARCHIVES = {"linux_amd64", "linux_arm64", "linux_armv6", "darwin_amd64", "darwin_arm64"} | {
    "freebsd_amd64"
}
_TIMEOUT_SECONDS = 30.0
_PIECE_BYTES = 1 << 16
# An archive has some 20 MB, its program some 60 MB; a mirror gone wrong must not fill the disk.
_MAX_ARCHIVE_BYTES = 200 << 20
_MAX_PROGRAM_BYTES = 500 << 20
_MAX_CHECKSUMS_BYTES = 1 << 20


class InstallError(RealtimeMessageError):
    """Centrifugo could not be installed; what stood there before is untouched."""


class Release(NamedTuple):
    """One archive of one version.

    Attributes:
        version: without a `v`, such as `6.9.1`.
        platform: such as `linux_amd64`.
        mirror: the URL under which versions stand.
    """

    version: str
    platform: str
    mirror: str

    @property
    def archive(self) -> str:
        """The archive's file name."""
        return f"centrifugo_{self.version}_{self.platform}.tar.gz"

    @property
    def archive_url(self) -> str:
        """Where the archive is."""
        return f"{self._folder}/{self.archive}"

    @property
    def checksums_url(self) -> str:
        """Where the release's own checksum file is."""
        return f"{self._folder}/centrifugo_{self.version}_checksums.txt"

    @property
    def _folder(self) -> str:
        return f"{self.mirror.rstrip('/')}/v{self.version}"


class Installed(msgspec.Struct, frozen=True):
    """What was installed.

    Attributes:
        path: the program.
        version: the release's.
        sha256: of the archive.
        verified_by: `given checksum`, or `checksum file of the release`.
    """

    path: str
    version: str
    sha256: str
    verified_by: Literal["given checksum", "checksum file of the release"]


def find_release(
    version: str = DEFAULT_VERSION,
    mirror: str = OFFICIAL_RELEASES,
    *,
    system: str = sys.platform,
    machine: str = "",
) -> Release:
    """Return the release for this machine.

    Args:
        version: such as `6.9.1`; a leading `v` is ignored.
        mirror: the URL under which `v6.9.1/centrifugo_6.9.1_linux_amd64.tar.gz` stands.
        system: as `sys.platform` has it.
        machine: as `platform.machine()` has it, which is the default.

    Raises:
        InstallError: there is none, or the version is no v6.
    """
    number = version.removeprefix("v")
    if not re.fullmatch(r"6\.\d+\.\d+", number):
        raise InstallError(f"{version} is no version of Centrifugo 6, such as {DEFAULT_VERSION}")
    machine = (machine or platform.machine()).lower()
    found = next((ours for name, ours in _SYSTEMS.items() if system.startswith(name)), system)
    name = f"{found}_{_MACHINES.get(machine, machine)}"
    if name not in _ARCHIVES:
        raise InstallError(
            f"there is no release of Centrifugo that can be installed on {found} {machine}; use "
            "its container image, or the embedded gateway"
        )
    return Release(number, name, mirror)


def install(release: Release, folder: Path, *, sha256: str = "") -> Installed:
    """Download a release, verify it and put its program into a folder, in one step at the end.

    Args:
        release: which.
        folder: made if it is missing.
        sha256: what the archive must have; empty: what the release's checksum file says.

    Raises:
        InstallError: it could not be had, is not what it should be, or cannot be stored.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".centrifugo-", dir=folder) as room:
            archive = Path(room) / "archive.tar.gz"
            with httpx.Client(
                timeout=_TIMEOUT_SECONDS, follow_redirects=True, headers={"User-Agent": "rtm"}
            ) as http:
                expected = sha256.lower() or _published_checksum(http, release)
                actual = _download(http, release.archive_url, archive)
            if actual != expected:
                raise InstallError(
                    f"{release.archive_url} has the SHA-256 {actual}, expected {expected}: "
                    "nothing was installed"
                )
            program = Path(room) / PROGRAM
            _extract_program(archive, program)
            program.replace(folder / PROGRAM)
    except OSError as error:
        raise InstallError(f"{folder} cannot take the program: {error.strerror or error}") from None
    return Installed(
        path=str(folder / PROGRAM),
        version=release.version,
        sha256=actual,
        verified_by="given checksum" if sha256 else "checksum file of the release",
    )


def _published_checksum(http: httpx.Client, release: Release) -> str:
    with tempfile.TemporaryFile() as file:
        _fetch(http, release.checksums_url, file, _MAX_CHECKSUMS_BYTES)
        file.seek(0)
        text = file.read().decode("utf-8", "replace")
    sums: Mapping[str, str] = {
        words[1].removeprefix("*"): words[0]
        for words in (line.split() for line in text.splitlines())
        if len(words) == 2  # noqa: PLR2004 - checksum and name
    }
    found = sums.get(release.archive, "").lower()
    if not re.fullmatch(r"[0-9a-f]{64}", found):
        raise InstallError(f"{release.checksums_url} has no SHA-256 of {release.archive}")
    return found


def _download(http: httpx.Client, url: str, path: Path) -> str:
    """Store what a URL holds; return its SHA-256."""
    with path.open("w+b") as file:
        _fetch(http, url, file, _MAX_ARCHIVE_BYTES)
        file.seek(0)
        return hashlib.file_digest(file, "sha256").hexdigest()


def _fetch(http: httpx.Client, url: str, file: BinaryIO, limit_bytes: int) -> None:
    try:
        with http.stream("GET", url) as answer:
            if answer.status_code == httpx.codes.NOT_FOUND:
                raise InstallError(f"{url} does not exist (404): is there such a version?")
            if answer.status_code != httpx.codes.OK:
                raise InstallError(f"{url} answered with status {answer.status_code}")
            for piece in answer.iter_raw(_PIECE_BYTES):
                file.write(piece)
                if file.tell() > limit_bytes:
                    raise InstallError(f"{url} is larger than {limit_bytes} bytes: not a release")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise InstallError(
            f"{url} cannot be reached ({error or type(error).__name__}); without the network, put "
            "a Centrifugo 6 on PATH or name it in RTM_CENTRIFUGO_BIN"
        ) from None


def _extract_program(archive: Path, target: Path) -> None:
    """Take only the program out of an archive, whatever else is in it."""
    try:
        with tarfile.open(archive, "r:gz") as files:
            for member in files:
                if member.isreg() and member.name.removeprefix("./") == PROGRAM:
                    break
            else:
                raise InstallError(f"{archive.name} holds no {PROGRAM}")
            if member.size > _MAX_PROGRAM_BYTES:
                raise InstallError(f"{archive.name}: {PROGRAM} is too large to be the program")
            content = files.extractfile(member)
            if content is None:
                raise InstallError(f"{archive.name}: {PROGRAM} cannot be read")
            with target.open("wb") as file:
                shutil.copyfileobj(content, file, _PIECE_BYTES)
                file.flush()
                os.fsync(file.fileno())
    except (tarfile.TarError, EOFError) as error:
        raise InstallError(f"the archive is broken: {error}") from None
    target.chmod(0o755)
