"""Settings from a TOML file: one table per section."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from realtime_message.errors import ConfigurationError
from realtime_message.settings.declarations import all_settings, nearest

#: Read from the working directory when no other file is named.
DEFAULT_NAME = "rtm.toml"


def read_file(path: Path, problems: list[str]) -> dict[str, Any]:
    """Return the values that a file sets, by setting.

    Args:
        path: the file.
        problems: what is wrong in it is appended here.

    Raises:
        ConfigurationError: there is no such file, or it cannot be read or is not TOML.
    """
    known = all_settings()
    sections = list(dict.fromkeys(setting.section for setting in known.values()))
    found: dict[str, Any] = {}
    for section, table in _parse(path).items():
        if section not in sections:
            problems.append(
                f"file {path}: there is no section [{section}]{nearest(section, sections)}"
            )
        elif not isinstance(table, dict):
            problems.append(
                f"file {path}: {section} is a section; write [{section}] above its settings"
            )
        else:
            for name, value in table.items():
                setting = f"{section}.{name}"
                if setting in known:
                    found[setting] = value
                else:
                    problems.append(
                        f"file {path}: {setting} is no setting{nearest(setting, known)}"
                    )
    return found


def _parse(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except FileNotFoundError:
        raise ConfigurationError(
            f"there is no settings file {path}; `rtm config sample > {path}` makes one"
        ) from None
    except OSError as error:
        raise ConfigurationError(
            f"the settings file {path} cannot be read: {error.strerror}"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"the settings file {path} is not TOML: {error}") from None
