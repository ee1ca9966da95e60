"""Settings and the environment: which variables set which setting, and the way back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from realtime_message.settings.declarations import ENVIRONMENT_PREFIX, all_settings, nearest

#: Variables of ours that are no settings: they say where settings come from, or how to run.
OTHER_VARIABLES = {
    "RTM_CONFIG": "the settings file, in place of rtm.toml in the working directory",
    "RTM_DATA_DIR": "the data folder of `rtm up`, in place of .rtm",
    "RTM_DEBUG": "1 shows the traceback behind an error's sentence",
    "RTM_GATEWAY": "what the container image runs as gateway: `centrifugo` (default) or `embedded`",
    "RTM_CENTRIFUGO_BIN": "the Centrifugo program, in place of the one on PATH",
}

# Kubernetes describes every service to every container: a service called rtm-callback gives
# RTM_CALLBACK_SERVICE_HOST, RTM_CALLBACK_PORT=tcp://… and so on, which are not meant for us.
_KUBERNETES_NAME = re.compile(r"_SERVICE_(HOST|PORT)(_\w+)?$|_PORT_\d+_(TCP|UDP|SCTP)(_\w+)?$")
_KUBERNETES_VALUE = re.compile(r"^(tcp|udp|sctp)://")


def read_environment(
    environment: Mapping[str, str], problems: list[str]
) -> dict[str, tuple[Any, str]]:
    """Return the values that the environment sets, by setting, each with its variable.

    An empty variable counts as unset, as in Centrifugo: Compose files pass empty ones along. Of
    two names of one setting, `RTM_SECTION__NAME` wins over the well-known one.

    Args:
        environment: names and values.
        problems: what is wrong is appended here.
    """
    found: dict[str, tuple[Any, str]] = {}
    for setting in all_settings().values():
        for name in (setting.environment_name, setting.alias):
            text = environment.get(name, "")
            if text:
                found[setting.path] = (text, name)
                break
    problems.extend(_unknown_names(environment))
    return found


def environment_with(environment: Mapping[str, str], values: Mapping[str, Any]) -> dict[str, str]:
    """Return an environment from which a child process reads exactly these settings.

    Args:
        environment: what else the child gets; variables that set settings are left out of it.
        values: values by setting, as converted.
    """
    settings = all_settings()
    ours = {s.environment_name for s in settings.values()} | {s.alias for s in settings.values()}
    kept = {name: text for name, text in environment.items() if name not in ours}
    kept.pop("RTM_CONFIG", None)
    for path, value in values.items():
        text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
        kept[settings[path].environment_name] = text
    return kept


def _unknown_names(environment: Mapping[str, str]) -> list[str]:
    known = [setting.environment_name for setting in all_settings().values()]
    unknown = [
        name
        for name in environment
        if name.startswith(ENVIRONMENT_PREFIX)
        and name not in known
        and name not in OTHER_VARIABLES
        and not _is_from_kubernetes(name, environment[name])
    ]
    return [
        f"environment variable {name} is no setting{nearest(name, [*known, *OTHER_VARIABLES])}"
        for name in sorted(unknown)
    ]


def _is_from_kubernetes(name: str, value: str) -> bool:
    return bool(_KUBERNETES_NAME.search(name) or _KUBERNETES_VALUE.match(value))
