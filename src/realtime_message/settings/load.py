"""Effective settings, and where each value came from.

Defaults < what `rtm up` keeps for its parts < the TOML file < the environment < the command line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec

from realtime_message.errors import ConfigurationError
from realtime_message.settings.conversion import UnfitValueError, convert
from realtime_message.settings.declarations import Setting, all_settings, nearest
from realtime_message.settings.environment import read_environment
from realtime_message.settings.options import Settings
from realtime_message.settings.toml_file import DEFAULT_NAME, read_file

DEFAULT = "default"
DERIVED = "follows from other settings"
COMMAND_LINE = "command line"

_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Layer:
    """Values by setting that stand between the defaults and the settings file.

    Attributes:
        origin: where they come from, in words.
        values: by setting, such as `redis.url`.
    """

    origin: str
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class LoadedSettings:
    """Settings, and where each value came from.

    Attributes:
        settings: the values.
        origins: by setting: `default`, `file rtm.toml`, `environment variable PORT`, `command
            line`, `follows from other settings`.
    """

    settings: Settings
    origins: Mapping[str, str]

    def value(self, path: str) -> Any:
        """Return the value of a setting by its path, such as `callback.port`."""
        section, _, name = path.partition(".")
        return getattr(getattr(self.settings, section), name)

    def is_set(self, path: str) -> bool:
        """Whether someone chose the value; false for a default."""
        return self.origins[path] not in (DEFAULT, DERIVED)

    def chosen(self) -> dict[str, Any]:
        """Return the values that differ from what nobody chose, by setting."""
        return {path: self.value(path) for path in all_settings() if self.is_set(path)}

    def with_values(self, values: Mapping[str, Any], origin: str) -> LoadedSettings:
        """Return settings in which some values are replaced; what follows from them follows."""
        chosen = {path: (self.value(path), self.origins[path]) for path in self.chosen()}
        chosen.update({path: (value, origin) for path, value in values.items()})
        return _assemble(chosen)


def load_settings(
    environment: Mapping[str, str],
    *,
    file: Path | None = None,
    flags: Mapping[str, Any] = _NOTHING,
    beneath: Layer | None = None,
    search_file: bool = True,
) -> LoadedSettings:
    """Load the settings.

    Args:
        environment: names and values, such as `os.environ`.
        file: the settings file. None: the one that RTM_CONFIG names, else `rtm.toml` in the
            working directory if there is one.
        flags: values by setting from the command line; None values are passed over.
        beneath: values that stand between the defaults and the file.
        search_file: false reads no file unless one is given.

    Raises:
        ConfigurationError: everything that is wrong, each with its setting, where it came from,
            its value (a secret's never) and what fits.
    """
    problems: list[str] = []
    written: dict[str, tuple[Any, str]] = {}
    if beneath is not None:
        written.update({path: (v, beneath.origin) for path, v in beneath.values.items()})
    path = _find_file(environment, file) if search_file or file else None
    if path is not None:
        values = read_file(path, problems)
        written.update({setting: (value, f"file {path}") for setting, value in values.items()})
    for setting, (text, name) in read_environment(environment, problems).items():
        written[setting] = (text, f"environment variable {name}")
    for setting, value in flags.items():
        if value is None:
            continue
        if setting in all_settings():
            written[setting] = (value, COMMAND_LINE)
        else:
            problems.append(
                f"command line: {setting} is no setting{nearest(setting, all_settings())}"
            )
    converted = {
        setting: (_convert(all_settings()[setting], value, origin, problems), origin)
        for setting, (value, origin) in written.items()
    }
    if problems:
        raise ConfigurationError(tell(problems))
    return _assemble(converted)


def tell(problems: list[str]) -> str:
    """Return one text for everything that is wrong."""
    if len(problems) == 1:
        return problems[0]
    return f"{len(problems)} settings are wrong:" + "".join(f"\n  - {text}" for text in problems)


def _find_file(environment: Mapping[str, str], file: Path | None) -> Path | None:
    if file is not None:
        return file
    if environment.get("RTM_CONFIG"):
        return Path(environment["RTM_CONFIG"])
    path = Path(DEFAULT_NAME)
    return path if path.exists() else None


def _convert(setting: Setting, value: Any, origin: str, problems: list[str]) -> Any:
    is_text = not origin.startswith("file ")
    try:
        return convert(setting, value, is_text=is_text)
    except UnfitValueError as error:
        problems.append(f"{origin}: {error}")
        return None


def _assemble(values: Mapping[str, tuple[Any, str]]) -> LoadedSettings:
    """Build the settings and fill in what follows from others unless it was chosen."""
    sections: dict[str, dict[str, Any]] = {}
    origins = dict.fromkeys(all_settings(), DEFAULT)
    for path, (value, origin) in values.items():
        section, _, name = path.partition(".")
        sections.setdefault(section, {})[name] = value
        origins[path] = origin
    for path, value in _derive(_build(sections)).items():
        section, _, name = path.partition(".")
        if origins[path] == DEFAULT and value != all_settings()[path].default:
            sections.setdefault(section, {})[name] = value
            origins[path] = DERIVED
    return LoadedSettings(_build(sections), MappingProxyType(origins))


def _build(sections: Mapping[str, Mapping[str, Any]]) -> Settings:
    types = {field.name: field.type for field in msgspec.structs.fields(Settings)}
    return Settings(**{name: types[name](**values) for name, values in sections.items()})


def _derive(settings: Settings) -> dict[str, str]:
    """Return the addresses by which the parts on one machine reach each other."""
    callback, gateway = settings.callback, settings.gateway
    scheme = "https" if callback.tls_certificate else "http"
    return {
        "gateway.callback_url": f"{scheme}://{reachable(callback.host)}:{callback.port}",
        "gateway.api_url": f"http://{reachable(gateway.host)}:{gateway.port}/api",
    }


def reachable(host: str) -> str:
    """Return an address by which a listener on this machine is reached from it."""
    if host in ("", "0.0.0.0"):  # noqa: S104 - compared, not bound
        return "127.0.0.1"
    if host == "::":
        return "[::1]"
    return f"[{host}]" if ":" in host else host
