"""The command reference, the commands and the design agree; parsing loads nothing that serves."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from realtime_message.cli.application import application
from realtime_message.cli.reference import markdown_reference

PROJECT = Path(__file__).parents[3]

#: The names are fixed; options may grow.
COMMANDS = {
    "up",
    "callback",
    "worker",
    "gateway",
    "centrifugo config",
    "centrifugo check",
    "centrifugo install",
    "centrifugo run",
    "token",
    "publish",
    "subscribe",
    "partitions list",
    "partitions of",
    "partitions resize",
    "workers",
    "leases list",
    "leases release",
    "dead-letters list",
    "dead-letters show",
    "dead-letters replay",
    "dead-letters purge",
    "channels parked",
    "channels resume",
    "config show",
    "config check",
    "config sample",
    "console",
    "doctor",
    "monitor",
}
#: Commands that print no data: they serve, or print text that is data already.
SERVING = {"up", "callback", "worker", "gateway", "console", "centrifugo run"}
WITHOUT_JSON = SERVING | {"centrifugo config"}
WITHOUT_SETTINGS = {"config sample", "centrifugo install"}


def _commands(command: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if not hasattr(command, "commands"):
        yield path.strip(), command
        return
    for name, inner in command.commands.items():
        yield from _commands(inner, f"{path} {name}")


LEAVES = dict(_commands(typer.main.get_command(application)))


def test_commands_are_the_documented_ones() -> None:
    """No command appears or goes without the list above."""
    assert set(LEAVES) == COMMANDS


def test_reference_page_is_the_generated_one() -> None:
    """docs/reference/cli.md is what scripts/reference writes now."""
    page = PROJECT / "docs/reference/cli.md"
    assert page.read_text("utf-8") == markdown_reference(), "run ./scripts/reference"


@pytest.mark.parametrize("path", sorted(COMMANDS))
def test_command_has_help_and_the_shared_options(path: str) -> None:
    """Every parameter is explained; settings and JSON are there where they mean something."""
    command = LEAVES[path]
    assert command.help
    flags = {flag for parameter in command.params for flag in parameter.opts}
    assert not [p.name for p in command.params if not p.help and p.name != "help"]
    if path not in WITHOUT_SETTINGS:
        assert "--set" in flags
        assert "--config" in flags
    if path not in WITHOUT_JSON | {"config sample"}:
        assert "--json" in flags


@pytest.mark.parametrize("path", sorted(COMMANDS))
def test_summary_is_not_cut_off(path: str) -> None:
    """At 80 columns `rtm --help` has 60 characters for each command."""
    assert 0 < len(LEAVES[path].get_short_help_str(1000)) <= 60


def _loaded_by(program: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{program}\nprint(' '.join(sys.modules))"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split())


def test_parsing_loads_no_part() -> None:
    """`rtm --help` must be quick: no Redis client, no server, no cryptography, no tables."""
    loaded = _loaded_by("import realtime_message.cli.application")
    parts = {"redis", "uvicorn", "jwt", "websockets", "starlette", "rich.console", "textual"}
    assert not loaded & parts


@pytest.mark.parametrize(
    "module",
    ["callback.service", "worker.run", "gateway.server", "stack.page_run"],
)
def test_serving_process_loads_no_command_line(module: str) -> None:
    """A part does not pay for typer and rich."""
    loaded = _loaded_by(f"import realtime_message.stack.part\nimport realtime_message.{module}")
    assert not loaded & {"typer", "rich.console", "textual", "realtime_message.cli"}
    # By us: redis-py loads OpenTelemetry itself, wherever it is installed.
    assert "realtime_message.telemetry.tracing" not in loaded
