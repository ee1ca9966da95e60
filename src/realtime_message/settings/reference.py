"""The reference page and the sample file, made from the declarations."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Any

import msgspec

from realtime_message.settings.declarations import Setting, settings_of
from realtime_message.settings.environment import OTHER_VARIABLES
from realtime_message.settings.options import ChannelRule, Settings

_WIDTH = 96

_INTRODUCTION = """\
# Settings

A value is taken from the first of these that has one: the command line (`--set section.name=value`,
or the command's own flag), the environment, the settings file, the default. The file is TOML with
one table per section: `rtm.toml` in the working directory, or the one that `--config` or
`RTM_CONFIG` names. While `rtm up` runs, commands in the same directory find its addresses and keys
by themselves, beneath the file.

In the environment every setting is `RTM_SECTION__NAME`, and some have a well-known name beside it;
an empty variable counts as unset. Lists are JSON there. A name that is no setting is an error.

`rtm config show` prints what is in force and where each value came from, `rtm config check` tells
what does not fit, `rtm config sample` prints a file to start from. Secrets are never printed.

This page is made from the declarations by `scripts/reference`.
"""


def markdown_reference() -> str:
    """Return the reference page."""
    return "\n".join(_reference_lines()).rstrip() + "\n"


def sample_file() -> str:
    """Return a TOML file that sets nothing yet and shows every setting with its default."""
    lines = [
        "# Settings of centrifuge-realtime-message. Every line shows the default: remove the # to",
        "# change a value. Secrets are better kept in the environment.",
    ]
    for section in msgspec.structs.fields(Settings):
        lines += ["", f"# {_sentence(section.type)}", f"[{section.name}]"]
        for setting in settings_of(section.type, section.name):
            lines += _sample_of(setting)
    return "\n".join(lines) + "\n"


def _reference_lines() -> Iterator[str]:
    yield _INTRODUCTION
    for section in msgspec.structs.fields(Settings):
        yield f"## {section.name}"
        yield ""
        yield _sentence(section.type)
        yield ""
        yield from _table(settings_of(section.type, section.name))
        yield ""
    yield "### Channel rules"
    yield ""
    yield _sentence(ChannelRule) + " Each is a table `[[callback.channels]]`."
    yield ""
    yield from _rule_table()
    yield ""
    yield "## Other environment variables"
    yield ""
    yield "| variable | meaning |"
    yield "|---|---|"
    for name, meaning in OTHER_VARIABLES.items():
        yield f"| `{name}` | {meaning} |"


def _table(settings: list[Setting]) -> Iterator[str]:
    yield "| setting | environment | default | fits | meaning |"
    yield "|---|---|---|---|---|"
    for setting in settings:
        names = [setting.environment_name, *([setting.alias] if setting.alias else [])]
        environment = "<br>".join(f"`{name}`" for name in names)
        yield (
            f"| `{setting.path}` | {environment} | {_default_cell(setting)} | "
            f"{_cell(setting.fits)} | {_cell(setting.help)} |"
        )


def _rule_table() -> Iterator[str]:
    yield "| key | default | fits | meaning |"
    yield "|---|---|---|---|"
    for key in settings_of(ChannelRule, "callback.channels"):
        default = "required" if key.default is None else _default_cell(key)
        yield f"| `{key.name}` | {default} | {_cell(key.fits)} | {_cell(key.help)} |"


def _default_cell(setting: Setting) -> str:
    return "none" if setting.default in ("", []) else f"`{_cell(_toml(setting.default))}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _sample_of(setting: Setting) -> list[str]:
    notes = f"{setting.help} {setting.fits[0].upper()}{setting.fits[1:]}."
    if setting.alias:
        notes += f" Environment: {setting.alias}."
    lines = ["", *(f"# {line}" for line in textwrap.wrap(notes, _WIDTH))]
    return [*lines, f"#{setting.name} = {_toml(setting.default)}"]


def _sentence(section: type[Any]) -> str:
    return (section.__doc__ or "").strip()


def _toml(value: Any) -> str:
    """Return a default as TOML writes it: JSON, but tables in a list have `=`."""
    if isinstance(value, list) and value and isinstance(value[0], msgspec.Struct):
        tables = [
            ", ".join(f"{name} = {_toml(item)}" for name, item in msgspec.to_builtins(rule).items())
            for rule in value
        ]
        return "[" + ", ".join(f"{{ {table} }}" for table in tables) + "]"
    return msgspec.json.encode(value).decode()
