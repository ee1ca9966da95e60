"""The command reference, made from the commands themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer

from realtime_message.cli.application import application

# Named once above all commands.
_SHARED = {
    "--config": "Settings file; rtm.toml if there is one.",
    "--set": "Set any setting; may be given several times.",
    "--json": "Print JSON, for scripts.",
}

_INTRODUCTION = """\
# Commands

`rtm` has these commands; `python -m realtime_message` is the same. `APP` is `module:attribute`,
such as `examples.worker:app`, found from the working directory.

Every command that reads settings takes `--config FILE` (a settings file; `rtm.toml` in the working
directory if there is one) and `--set SECTION.NAME=VALUE`, which sets any setting and may be given
several times. Every command that prints data takes `--json`. Data goes to stdout, everything else
to stderr. While `rtm up` runs, commands in the same directory find its addresses and keys by
themselves.

| exit code | means |
|---|---|
| 0 | done |
| 1 | failed; a sentence on stderr says why |
| 2 | the command line is wrong |
| 3 | could not start: a setting, an app, a port or a server has to be fixed first |
| 130 | interrupted by Ctrl-C |

`RTM_DEBUG=1` shows the traceback behind a sentence.

This page is made from the commands by `scripts/reference`.
"""


def markdown_reference() -> str:
    """Return the reference page."""
    root: Any = typer.main.get_command(application)
    lines = [_INTRODUCTION]
    for path, command in _leaves(root, "rtm"):
        lines += _section(path, command)
    return "\n".join(lines).rstrip() + "\n"


def _leaves(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    commands = getattr(command, "commands", None)
    if commands is None:
        yield path, command
        return
    for name, inner in commands.items():
        yield from _leaves(inner, f"{path} {name}")


def _section(path: str, command: Any) -> Iterator[str]:
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    options = [p for p in command.params if p.param_type_name == "option" and not _is_shared(p)]
    usage = " ".join([path, *(_argument(argument) for argument in arguments)])
    yield f"## {path}"
    yield ""
    yield f"`{usage}`"
    yield ""
    yield "\n".join(line.strip() for line in (command.help or "").strip().splitlines())
    yield ""
    rows = [(_argument(a).replace("[", "").replace("]", ""), a) for a in arguments]
    rows += [(_option(o), o) for o in options]
    if rows:
        yield "| | meaning | default |"
        yield "|---|---|---|"
        for name, parameter in rows:
            yield f"| `{name}` | {_cell(parameter.help or '')} | {_default(parameter)} |"
        yield ""


def _is_shared(option: Any) -> bool:
    return option.name == "help" or bool(_SHARED.get(option.opts[0]) == option.help)


def _argument(parameter: Any) -> str:
    name = parameter.metavar or parameter.name.upper()
    name = name if parameter.required else f"[{name}]"
    return f"{name}..." if parameter.nargs == -1 else name


def _option(parameter: Any) -> str:
    name = max(parameter.opts, key=len)
    if parameter.is_flag:
        return str(name)
    return f"{name} {parameter.metavar or parameter.name.upper()}"


def _default(parameter: Any) -> str:
    default = parameter.default
    if parameter.param_type_name == "argument" and parameter.required:
        return "required"
    return "" if default in (None, False, "", ()) else f"`{default}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
