"""The data folder: secrets made once, one owner, and what other terminals learn from it."""

import subprocess
import sys
from pathlib import Path

import pytest

from realtime_message.errors import ConfigurationError, StartupError
from realtime_message.stack.data_folder import SECRET_SETTINGS, DataFolder

_OWNER = """
import sys
from pathlib import Path
from realtime_message.stack.data_folder import DataFolder
folder = DataFolder(Path(sys.argv[1]))
with folder.locked():
    folder.publish({"callback.port": 4000, "redis.url": "redis://127.0.0.1:1"}, "shop:app")
    print("owned", flush=True)
    sys.stdin.readline()
"""


def _owner(path: Path) -> "subprocess.Popen[str]":
    """Start another process that owns the folder until its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", _OWNER, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "owned\n"
    return process


def test_secrets_are_made_once_and_kept(tmp_path: Path) -> None:
    """The second start has the keys of the first, so tokens stay valid."""
    folder = DataFolder(tmp_path / "data")
    with folder.locked():
        first = folder.secrets()
    with folder.locked():
        assert folder.secrets() == first
    assert set(first.values) == set(SECRET_SETTINGS)
    assert all(len(value) == 64 for value in first.values.values())
    assert len(set(first.values.values())) == len(SECRET_SETTINGS)


def test_secrets_are_readable_by_the_owner_alone(tmp_path: Path) -> None:
    """Mode 0600 in a folder of mode 0700, also if someone had opened them up."""
    folder = DataFolder(tmp_path / "data")
    with folder.locked():
        folder.secrets()
        file = folder.path / "secrets.toml"
        assert file.stat().st_mode & 0o777 == 0o600
        file.chmod(0o644)
        folder.secrets()
        assert file.stat().st_mode & 0o777 == 0o600
        folder.publish({"callback.secret": "x"})
        assert (folder.path / "running.toml").stat().st_mode & 0o777 == 0o600
    assert folder.path.stat().st_mode & 0o777 == 0o700
    assert (folder.path / ".gitignore").read_text() == "*\n"


def test_unreadable_secrets_are_told(tmp_path: Path) -> None:
    """A broken file is not replaced behind the user's back."""
    folder = DataFolder(tmp_path)
    (tmp_path / "secrets.toml").write_text("token_secret = ")
    with folder.locked(), pytest.raises(ConfigurationError, match="delete it to get new secrets"):
        folder.secrets()


def test_second_owner_is_told_about_the_first(tmp_path: Path) -> None:
    """Two at once would run two servers on one set of files; other terminals keep the first."""
    owner = _owner(tmp_path)
    with (
        pytest.raises(StartupError, match=rf"another rtm up \(process {owner.pid}\)"),
        DataFolder(tmp_path).locked(),
    ):
        pass
    assert (tmp_path / "running.toml").exists()
    assert DataFolder(tmp_path).running() is not None
    owner.communicate("\n", timeout=10)
    with DataFolder(tmp_path).locked():
        pass


def test_lock_of_a_killed_owner_is_free(tmp_path: Path) -> None:
    """After SIGKILL nothing must be cleaned up by hand, and nothing stale is believed."""
    owner = _owner(tmp_path)
    owner.kill()
    owner.communicate(timeout=10)
    assert (tmp_path / "running.toml").exists()
    assert DataFolder(tmp_path).running() is None
    with DataFolder(tmp_path).locked():
        pass


def test_other_terminals_find_what_runs(tmp_path: Path) -> None:
    """While the folder is owned its addresses can be read, afterwards not."""
    assert DataFolder(tmp_path / "none").running() is None
    owner = _owner(tmp_path)
    layer = DataFolder(tmp_path).running()
    assert layer is not None
    assert layer.values == {"callback.port": 4000, "redis.url": "redis://127.0.0.1:1"}
    assert DataFolder(tmp_path).running_app() == "shop:app"
    owner.communicate("\n", timeout=10)
    assert DataFolder(tmp_path).running() is None
    assert DataFolder(tmp_path).running_app() == ""
    assert not (tmp_path / "running.toml").exists()


def test_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """A file in the way is named, and the flag that goes around it."""
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(StartupError, match=r"cannot be used.*--data-dir"),
        DataFolder(tmp_path / "file").locked(),
    ):
        pass
