"""Odd arguments and odd places for the output: a sentence or an escape, never a traceback."""

import subprocess
import sys
from pathlib import Path

import pytest

from support.up_stack import RTM, clean_environment, free_ports

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.skipif(sys.platform != "linux", reason="writes to /dev/full"),
]

_KEY = "k" * 32


def _run(
    command: str, *arguments: str | bytes, folder: Path, **environment: str
) -> "subprocess.CompletedProcess[str]":
    """Run `rtm` by a shell command that has it as "$@"."""
    return subprocess.run(
        ["sh", "-c", command, "sh", *RTM, *arguments],
        cwd=folder,
        env=clean_environment(CENTRIFUGO_TOKEN_HMAC_SECRET_KEY=_KEY, **environment),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_argument_that_is_no_text_is_code_2(tmp_path: Path) -> None:
    """Bytes of another encoding are not sent on."""
    done = _run('"$@"', "publish", "room:a", b"caf\xe9", folder=tmp_path)
    assert (done.returncode, done.stderr) == (2, "rtm: an argument is not valid UTF-8\n")


def test_encoding_that_lacks_characters_gets_escapes(tmp_path: Path) -> None:
    """A log collector may read ASCII."""
    options = {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    done = _run(
        '"$@"', "config", "show", "--set", "worker.receipts_channel=é", folder=tmp_path, **options
    )
    assert done.returncode == 0, done.stderr
    assert "\\xe9" in done.stdout


@pytest.mark.parametrize("arguments", [["config", "show"], ["--help"], ["token", "ada"]])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_full_disk_is_told(arguments: list[str], unbuffered: str, tmp_path: Path) -> None:
    """What could not be written is a failure, also when it was small enough to wait in a buffer."""
    done = _run('"$@" > /dev/full', *arguments, folder=tmp_path, PYTHONUNBUFFERED=unbuffered)
    assert done.stderr == "rtm: cannot write to stdout: No space left on device\n"
    assert done.returncode == 1


def test_up_ends_when_its_log_cannot_be_written(tmp_path: Path) -> None:
    """Nobody would see what it says."""
    command = '"$@" > /dev/full'
    done = _run(command, "up", "--no-browser", *free_ports(), folder=tmp_path)
    assert done.stderr == "rtm: cannot write to stdout: No space left on device\n"
    assert done.returncode == 1


@pytest.mark.parametrize("arguments", [["config", "show"], ["token", "ada"]])
def test_closed_output_is_no_fault(arguments: list[str], tmp_path: Path) -> None:
    """Whoever closes stdout wants to see nothing."""
    done = _run('"$@" <&- >&-', *arguments, folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


def test_closed_stderr_puts_nothing_on_stdout(tmp_path: Path) -> None:
    """Python prints to stdout what goes to a stderr that is not there."""
    done = _run('"$@" 2>&-', "config", "show", "--config", "none.toml", folder=tmp_path)
    assert (done.returncode, done.stdout) == (3, "")


def test_what_was_made_before_goes_on_writing() -> None:
    """An exporter of spans holds the stdout that Python began with: its words come out, too."""
    program = (
        "import sys\n"
        "before = sys.stdout\n"
        "from realtime_message.stack.terminal import prepare_output\n"
        "prepare_output()\n"
        "for text in ('one', 'two'):\n"
        "    print(text, file=before, flush=True)\n"
        "    print(text.upper(), flush=True)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("one\nONE\ntwo\nTWO\n", "")
