"""Every Lua file says what it needs, and touches only what it was given."""

import re
from pathlib import Path

import pytest

import realtime_message.streams
from realtime_message.streams.scripts import load_script

FOLDER = Path(realtime_message.streams.__file__).parent / "lua"
SCRIPTS = sorted(FOLDER.glob("*.lua"))


FLAGS = "#!lua flags=allow-oom\n"

#: What brings messages in, or only an operator asks for.
REFUSED_WHEN_FULL = {"entry_append", "dead_letter_replay", "replay_append", "layout_store"}

#: Commands that a server refuses while it is over its maxmemory.
DENIED_WHEN_FULL = {"XADD", "SET", "HSET", "HSETNX", "ZADD", "XSETID", "XGROUP', 'CREATE"}


def _header(text: str) -> str:
    return text.removeprefix(FLAGS).partition("\n\n")[0]


def _body(text: str) -> str:
    """The code without comments."""
    return re.sub(r"--.*", "", text)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
class TestScript:
    """One script."""

    def test_is_named_noun_verb_and_loads_as_package_data(self, path: Path) -> None:
        """The file's name is the script's name, and the package finds it."""
        assert re.fullmatch(r"[a-z]+(_[a-z]+)+", path.stem)
        assert load_script(path.stem).text == path.read_text("utf-8")

    def test_header_names_purpose_reply_and_errors(self, path: Path) -> None:
        """A reader learns from the header what the script is for and what it answers."""
        header = _header(path.read_text("utf-8"))
        assert all(line.startswith("--") for line in header.splitlines())
        assert re.match(r"-- [A-Z].+[.;:,]\n", header)
        assert re.search(r"^-- Reply: .+", header, re.MULTILINE)
        assert re.search(r"^-- Errors: .+", header, re.MULTILINE)

    @pytest.mark.parametrize("kind", ["KEYS", "ARGV"])
    def test_header_names_every_key_and_argument(self, path: Path, kind: str) -> None:
        """Each KEYS and ARGV that the code uses is in the header, numbered without a gap."""
        text = path.read_text("utf-8")
        used = {int(number) for number in re.findall(rf"{kind}\[(\d+)\]", _body(text))}
        named = re.findall(rf"^-- {kind}\[(\d+)…?\] +\S+", _header(text), re.MULTILINE)
        assert [int(number) for number in named] == list(range(1, len(named) + 1))
        assert used <= {int(number) for number in named}
        assert used, f"{path.stem} uses no {kind}"

    def test_arguments_have_a_type(self, path: Path) -> None:
        """Each argument's line says what it is; a time also says its unit."""
        header = _header(path.read_text("utf-8"))
        lines = re.findall(r"^-- ARGV\[\d+…?\] +(.+)$", header, re.MULTILINE)
        for line in lines:
            assert re.search(r"\b(integer|text|bytes|entry id|ids of entries)\b", line), line
            if "_ms" in line:
                assert "milliseconds" in line, line

    def test_no_key_is_built_in_the_script(self, path: Path) -> None:
        """The first key of each command is a name that was taken from KEYS, never made up."""
        body = _body(path.read_text("utf-8"))
        keys = re.search(r"^local ([a-z_, ]+) = (KEYS\[.+)$", body, re.MULTILINE)
        assert keys is not None, "the first line gives names to the keys"
        names = {name.strip() for name in keys.group(1).split(",")}
        without_key = {"TIME"}
        places = {"XINFO": 1, "XGROUP": 1, "XREADGROUP": 6}
        for command, rest in re.findall(r"redis\.p?call\('([A-Z]+)'([^)]*)", body):
            if command in without_key:
                continue
            words = [word.strip() for word in rest.split(",") if word.strip()]
            key = words[places.get(command, 0)]
            assert key in names, f"{command} touches {key}, which is not one of {sorted(names)}"
        assert not re.search(
            rf"\b({'|'.join(names)})\b\s*\.\.|\.\.\s*\b({'|'.join(names)})\b", body
        )

    def test_worker_goes_on_when_redis_is_full(self, path: Path) -> None:
        """What workers do runs beyond maxmemory, or nothing would be handled and trimmed."""
        text = path.read_text("utf-8")
        writes = any(f"call('{command}'" in text for command in DENIED_WHEN_FULL)
        assert text.startswith(FLAGS) == (writes and path.stem not in REFUSED_WHEN_FULL)
        assert text.startswith(FLAGS) == (writes and "OOM" not in _header(text))


def test_scripts_are_found() -> None:
    """The folder is where the tests look."""
    assert len(SCRIPTS) >= 10
