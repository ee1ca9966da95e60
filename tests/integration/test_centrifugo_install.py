"""Installing from a mirror: what arrives is verified, and a failure leaves what was there."""

import hashlib
import io
import os
import stat
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from realtime_message.stack import centrifugo_release
from realtime_message.stack.centrifugo_release import (
    DEFAULT_VERSION,
    InstallError,
    Release,
    find_release,
    install,
)
from support.ports import free_port

PROGRAM = b"#!/bin/sh\necho ran > ran-by-mistake\n"
OLD = b"what was there"
FILE = f"centrifugo_{DEFAULT_VERSION}_linux_amd64.tar.gz"
SUMS = f"centrifugo_{DEFAULT_VERSION}_checksums.txt"


def _archive(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def _sum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class Mirror:
    """A local HTTP server with files by name; it notes what was asked for."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.statuses: dict[str, int] = {}
        self.cut_short: set[str] = set()
        self.asked: list[str] = []
        mirror = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                mirror.answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.01,), daemon=True
        )
        self._thread.start()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        self.asked.append(handler.path)
        name = handler.path.rpartition("/")[2]
        moved = handler.path.startswith("/moved/")
        content = self.files.get(name, b"")
        handler.send_response(302 if moved else self.statuses.get(name, 200 if content else 404))
        if moved:
            handler.send_header("Location", handler.path.replace("/moved/", "/"))
        handler.send_header("Content-Length", str(0 if moved else len(content)))
        handler.end_headers()
        if not moved:
            handler.wfile.write(content[: len(content) // 2 if name in self.cut_short else None])
            handler.close_connection = True

    def publish(self, archive: bytes, checksum: str = "") -> None:
        self.files = {
            FILE: archive,
            SUMS: f"{'0' * 64}  other.tar.gz\n{checksum or _sum(archive)}  {FILE}\n".encode(),
        }

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def release(self) -> Release:
        return find_release(mirror=self.url, system="linux", machine="x86_64")

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    mirror = Mirror()
    mirror.publish(_archive(LICENSE=b"text", centrifugo=PROGRAM))
    yield mirror
    mirror.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "centrifugo").write_bytes(OLD)
    return folder


def test_program_is_installed_and_not_run(mirror: Mirror, folder: Path) -> None:
    """Only the program is kept, it may be run, and it was not."""
    installed = install(mirror.release, folder)
    program = folder / "centrifugo"
    assert program.read_bytes() == PROGRAM
    assert stat.S_IMODE(program.stat().st_mode) == 0o755
    assert [path.name for path in folder.iterdir()] == ["centrifugo"]
    assert not Path("ran-by-mistake").exists()
    assert installed.path == str(program)
    assert installed.verified_by == "checksum file of the release"
    assert mirror.asked == [f"/v{DEFAULT_VERSION}/{SUMS}", f"/v{DEFAULT_VERSION}/{FILE}"]


def test_given_checksum_needs_no_checksum_file(mirror: Mirror, folder: Path) -> None:
    """What the user pins is what counts."""
    del mirror.files[SUMS]
    installed = install(mirror.release, folder, sha256=_sum(mirror.files[FILE]).upper())
    assert installed.verified_by == "given checksum"
    with pytest.raises(InstallError, match="expected " + "0" * 64):
        install(mirror.release, folder, sha256="0" * 64)


def test_missing_folder_is_made_and_redirects_are_followed(mirror: Mirror, tmp_path: Path) -> None:
    """GitHub redirects to where its files are."""
    release = mirror.release._replace(mirror=f"{mirror.url}/moved")
    install(release, tmp_path / "a/b")
    assert (tmp_path / "a/b/centrifugo").read_bytes() == PROGRAM


def _break_checksum(mirror: Mirror) -> None:
    mirror.publish(mirror.files[FILE], "a" * 64)


def _drop_archive(mirror: Mirror) -> None:
    del mirror.files[FILE]


def _drop_checksums(mirror: Mirror) -> None:
    del mirror.files[SUMS]


def _drop_line(mirror: Mirror) -> None:
    mirror.files[SUMS] = b"\xff nonsense\n"


def _fail(mirror: Mirror) -> None:
    mirror.statuses[FILE] = 503


def _cut(mirror: Mirror) -> None:
    mirror.cut_short = {FILE}


def _no_program(mirror: Mirror) -> None:
    mirror.publish(_archive(README=b"text", **{"deep/centrifugo": b"x"}))


def _no_archive(mirror: Mirror) -> None:
    mirror.publish(b"<html>Sign in to the network</html>")


def _cut_archive(mirror: Mirror) -> None:
    mirror.publish(_archive(centrifugo=os.urandom(100_000))[:50_000])


def _link(mirror: Mirror) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        member = tarfile.TarInfo("centrifugo")
        member.type, member.linkname = tarfile.SYMTYPE, "/bin/sh"
        archive.addfile(member)
    mirror.publish(buffer.getvalue())


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (_break_checksum, "nothing was installed"),
        (_drop_archive, "404"),
        (_drop_checksums, "404"),
        (_drop_line, "has no SHA-256 of"),
        (_fail, "status 503"),
        (_cut, "cannot be reached"),
        (_no_program, "holds no centrifugo"),
        (_no_archive, "the archive is broken"),
        (_cut_archive, "the archive is broken"),
        (_link, "holds no centrifugo"),
    ],
)
def test_failure_leaves_what_was_there(mirror: Mirror, folder: Path, damage, expected) -> None:
    """The sentence says what it was; the folder is as before."""
    damage(mirror)
    with pytest.raises(InstallError, match=expected):
        install(mirror.release, folder)
    assert (folder / "centrifugo").read_bytes() == OLD
    assert [path.name for path in folder.iterdir()] == ["centrifugo"]


def test_endless_archive_is_given_up(mirror: Mirror, folder: Path, monkeypatch) -> None:
    """A mirror gone wrong must not fill the disk."""
    monkeypatch.setattr(centrifugo_release, "_MAX_ARCHIVE_BYTES", 10)
    with pytest.raises(InstallError, match="larger than 10 bytes"):
        install(mirror.release, folder)
    monkeypatch.undo()
    monkeypatch.setattr(centrifugo_release, "_MAX_PROGRAM_BYTES", 10)
    with pytest.raises(InstallError, match="too large"):
        install(mirror.release, folder)


def test_without_the_network(folder: Path) -> None:
    """Nobody answers: what else can be done is said."""
    release = find_release(
        mirror=f"http://127.0.0.1:{free_port()}", system="linux", machine="arm64"
    )
    with pytest.raises(InstallError, match=r"cannot be reached .*RTM_CENTRIFUGO_BIN"):
        install(release, folder)
    with pytest.raises(InstallError, match="cannot be reached"):
        install(release._replace(mirror="no-url"), folder)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_disk_without_room(mirror: Mirror, folder: Path, monkeypatch) -> None:
    """The operating system's own words are told."""

    def full(*_: object) -> None:
        with Path("/dev/full").open("wb", buffering=0) as file:
            file.write(b"x")

    monkeypatch.setattr(centrifugo_release, "_extract_program", full)
    with pytest.raises(InstallError, match="No space left on device"):
        install(mirror.release, folder)
    assert (folder / "centrifugo").read_bytes() == OLD


def test_folder_that_is_a_file(mirror: Mirror, tmp_path: Path) -> None:
    """Nothing is downloaded for a place that cannot take it."""
    place = tmp_path / "file"
    place.write_text("x")
    with pytest.raises(InstallError, match="cannot take the program"):
        install(mirror.release, place)
    assert mirror.asked == []


@pytest.mark.parametrize(
    ("system", "machine", "expected"),
    [
        ("linux", "x86_64", "linux_amd64"),
        ("linux", "aarch64", "linux_arm64"),
        ("linux", "armv7l", "linux_armv6"),
        ("darwin", "arm64", "darwin_arm64"),
        ("darwin", "x86_64", "darwin_amd64"),
        ("freebsd14", "amd64", "freebsd_amd64"),
    ],
)
def test_platform_has_its_archive(system: str, machine: str, expected: str) -> None:
    """The names are those of Centrifugo's releases."""
    release = find_release("v6.3.1", "https://m/", system=system, machine=machine)
    assert release.archive_url == f"https://m/v6.3.1/centrifugo_6.3.1_{expected}.tar.gz"
    assert release.checksums_url == "https://m/v6.3.1/centrifugo_6.3.1_checksums.txt"


@pytest.mark.parametrize(
    ("system", "machine"),
    [("win32", "AMD64"), ("linux", "riscv64"), ("freebsd14", "arm64"), ("sunos5", "sparc")],
)
def test_platform_without_a_release(system: str, machine: str) -> None:
    """What else can be used is said."""
    with pytest.raises(InstallError, match="embedded gateway"):
        find_release(system=system, machine=machine)


@pytest.mark.parametrize("version", ["5.4.9", "latest", "6.9", "6.9.1/../x", ""])
def test_version_of_another_kind(version: str) -> None:
    """Only versions of Centrifugo 6 are understood."""
    with pytest.raises(InstallError, match=r"no version of Centrifugo 6"):
        find_release(version)
