"""`rtm centrifugo` as a user runs it."""

import hashlib
import json
import signal
import subprocess
import tarfile
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from realtime_message.stack.centrifugo_release import DEFAULT_VERSION, find_release
from support.background import Background
from support.centrifugo import find_centrifugo
from support.ports import free_port
from support.up_stack import RTM, clean_environment, run_rtm

pytestmark = pytest.mark.timeout(120)

KEY = "k" * 32
BINARY = find_centrifugo()
needs_centrifugo = pytest.mark.skipif(
    BINARY is None, reason="Centrifugo not found: set RTM_CENTRIFUGO_BIN or put it on PATH"
)

#: Stands in for Centrifugo: it tells what it was started with.
STAND_IN = """#!/bin/sh
echo "arguments: $*"
env | grep '^CENTRIFUGO_' | sort
exit 7
"""


def _stand_in(folder: Path) -> Path:
    program = folder / "centrifugo"
    program.write_text(STAND_IN)
    program.chmod(0o755)
    return program


def test_check_of_our_own_configuration_fits(tmp_path: Path) -> None:
    """Exit code 0, and a sentence; the same for the file that `config` writes."""
    done = run_rtm("centrifugo", "check", folder=tmp_path)
    assert (done.returncode, done.stdout) == (0, "the configuration fits the settings\n")
    assert run_rtm("centrifugo", "config", "--output", "c.json", folder=tmp_path).returncode == 0
    done = run_rtm("centrifugo", "check", "c.json", "--json", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"ok": True, "findings": []}


def test_check_names_mistakes_with_their_fix(tmp_path: Path) -> None:
    """A user's own file, here TOML: exit code 1, each finding with its place and what to write."""
    (tmp_path / "c.toml").write_text(
        'proxy_publish_endpoint = "http://x"\n[client]\nconcurrency = 4\nallowed_origins = ["*"]\n'
    )
    done = run_rtm(
        "centrifugo", "check", "c.toml", folder=tmp_path, CENTRIFUGO_API_KEY="an-old-name"
    )
    assert done.returncode == 1
    assert "error: proxy_publish_endpoint: is a name of Centrifugo before v6" in done.stdout
    assert "error: CENTRIFUGO_API_KEY (environment)" in done.stdout
    assert "fix: set CENTRIFUGO_HTTP_API_KEY instead" in done.stdout
    assert "error: client.concurrency" in done.stdout
    assert "warning: client.allowed_origins" in done.stdout
    findings = json.loads(
        run_rtm("centrifugo", "check", "c.toml", "--json", folder=tmp_path).stdout
    )["findings"]
    assert {"severity", "where", "what", "fix"} == set(findings[0])


def test_warnings_alone_are_code_0(tmp_path: Path) -> None:
    """They may be meant."""
    run_rtm("centrifugo", "config", "--output", "c.json", folder=tmp_path)
    file = tmp_path / "c.json"
    document = json.loads(file.read_text())
    document["client"]["allowed_origins"] = ["*"]
    file.write_text(json.dumps(document))
    done = run_rtm("centrifugo", "check", "c.json", folder=tmp_path)
    assert done.returncode == 0
    assert done.stdout.startswith("warning: client.allowed_origins")


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("c.json", None, "cannot be read"),
        ("c.json", b"{", "is not JSON"),
        ("c.json", b"[]", "must hold an object"),
        ("c.json", b"\xff", "is not UTF-8"),
        ("c.json", b"[" * 100_000, "nested too deeply"),
        ("c.toml", b"a = ", "is not TOML"),
        ("c.yaml", b"a: 1", "give the same configuration as JSON or TOML"),
    ],
)
def test_file_that_cannot_be_checked_is_code_3(
    tmp_path: Path, name: str, content: bytes | None, expected: str
) -> None:
    """One sentence with the file's name."""
    if content is not None:
        (tmp_path / name).write_bytes(content)
    done = run_rtm("centrifugo", "check", name, folder=tmp_path)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith(f"rtm: {name}: ")
    assert expected in done.stderr


@needs_centrifugo
def test_centrifugo_checks_as_well(tmp_path: Path) -> None:
    """It passes what we generate, and knows every option's name."""
    asked = ["centrifugo", "check", "--with-centrifugo"]
    environment = {"RTM_CENTRIFUGO_BIN": str(BINARY), "CENTRIFUGO_VAR_CALLBACK_SECRET": "s" * 20}
    done = run_rtm(*asked, folder=tmp_path, **environment)
    assert (done.returncode, done.stdout) == (0, "the configuration fits the settings\n")
    run_rtm("centrifugo", "config", "--output", "c.json", folder=tmp_path, **environment)
    file = tmp_path / "c.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "no_such_option": 1}))
    done = run_rtm(*asked, "c.json", folder=tmp_path, **environment)
    assert done.returncode == 1
    assert "no_such_option" in done.stdout


def test_install_from_a_mirror_is_then_found(tmp_path: Path) -> None:
    """Downloaded, verified, put where `run` looks; what it was verified by is said."""
    mirror = tmp_path / "mirror"
    release = find_release()
    folder = mirror / f"v{DEFAULT_VERSION}"
    folder.mkdir(parents=True)
    with tarfile.open(folder / release.archive, "w:gz") as archive:
        archive.add(_stand_in(tmp_path), arcname="centrifugo")
    checksum = hashlib.sha256((folder / release.archive).read_bytes()).hexdigest()
    (folder / f"centrifugo_{DEFAULT_VERSION}_checksums.txt").write_text(
        f"{checksum}  {release.archive}\n"
    )
    environment = {"XDG_DATA_HOME": str(tmp_path / "data"), "CENTRIFUGO_TOKEN_HMAC_SECRET_KEY": KEY}
    handler = partial(SimpleHTTPRequestHandler, directory=str(mirror))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        done = run_rtm(
            "centrifugo", "install", "--mirror", url, "--json", folder=tmp_path, **environment
        )
        missing = run_rtm(
            "centrifugo", "install", "--mirror", url, "--version", "6.0.0", folder=tmp_path
        )
        server.shutdown()
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "path": str(tmp_path / "data/centrifuge-realtime-message/bin/centrifugo"),
        "version": DEFAULT_VERSION,
        "sha256": checksum,
        "verified_by": "checksum file of the release",
    }
    assert missing.returncode == 1
    assert "does not exist (404)" in missing.stderr
    assert "Traceback" not in missing.stderr
    ran = run_rtm("centrifugo", "run", folder=tmp_path, **environment)
    assert ran.returncode == 7
    assert "arguments: -c .rtm/centrifugo.json" in ran.stdout


def test_run_maps_the_secrets(tmp_path: Path) -> None:
    """A file of the user's own is taken as it is; Centrifugo's names carry the keys."""
    (tmp_path / "mine.json").write_text("{}")
    done = run_rtm(
        "centrifugo",
        "run",
        "mine.json",
        folder=tmp_path,
        RTM_CENTRIFUGO_BIN=str(_stand_in(tmp_path)),
        CENTRIFUGO_TOKEN_HMAC_SECRET_KEY=KEY,
        CENTRIFUGO_HTTP_API_KEY="a" * 20,
        CENTRIFUGO_VAR_CALLBACK_SECRET="c" * 20,
    )
    assert done.stdout.splitlines() == [
        "arguments: -c mine.json",
        f"CENTRIFUGO_CLIENT_TOKEN_HMAC_SECRET_KEY={KEY}",
        f"CENTRIFUGO_HTTP_API_KEY={'a' * 20}",
        f"CENTRIFUGO_VAR_CALLBACK_SECRET={'c' * 20}",
    ]
    assert done.returncode == 7


def test_run_without_its_file_is_code_3(tmp_path: Path) -> None:
    """Centrifugo itself would start with defaults, under which nothing reaches the callback."""
    done = run_rtm(
        "centrifugo",
        "run",
        "none.json",
        folder=tmp_path,
        RTM_CENTRIFUGO_BIN=str(_stand_in(tmp_path)),
        CENTRIFUGO_TOKEN_HMAC_SECRET_KEY=KEY,
    )
    assert (done.returncode, done.stdout) == (3, "")
    assert "none.json: there is no such file" in done.stderr


@needs_centrifugo
def test_real_centrifugo_runs_and_stops(tmp_path: Path) -> None:
    """It takes this process's place, so SIGTERM reaches it."""
    process = Background(
        [*RTM, "centrifugo", "run", "--set", f"gateway.port={free_port()}"],
        cwd=tmp_path,
        environment=clean_environment(
            RTM_CENTRIFUGO_BIN=str(BINARY), CENTRIFUGO_TOKEN_HMAC_SECRET_KEY=KEY
        ),
    )
    try:
        process.wait_for("serving websocket", timeout_seconds=30)
        assert Path(f"/proc/{process.process.pid}/exe").readlink().name == "centrifugo"
        process.send(signal.SIGTERM)
        # It says that it serves shortly before it listens to signals.
        assert process.wait(timeout_seconds=30) in {0, -signal.SIGTERM}
        assert "unknown var in environment" not in process.output
    finally:
        process.kill()


def test_install_help_does_not_load_the_client() -> None:
    """The HTTP client is loaded only when something is fetched."""
    done = subprocess.run(
        [
            RTM[0],
            "-c",
            "import sys, realtime_message.cli.application\nprint('httpx' in sys.modules)",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "False\n"
