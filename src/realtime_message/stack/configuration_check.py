"""Reading a user's Centrifugo configuration and holding it against the settings."""

from __future__ import annotations

import json
import os
import subprocess
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from realtime_message.centrifugo.configuration_review import (
    Expectations,
    Finding,
    review_configuration,
)
from realtime_message.errors import ConfigurationError, StartupError
from realtime_message.settings import LoadedSettings
from realtime_message.stack.gateway_launch import gateway_environment
from realtime_message.telemetry.trace_context import TRACE_PARENT, TRACE_STATE

_CHECKCONFIG_TIMEOUT_SECONDS = 30.0


def check_document(
    document: Mapping[str, Any], loaded: LoadedSettings, environment: Mapping[str, str]
) -> list[Finding]:
    """Return what does not fit between a configuration and our settings, errors first.

    Args:
        document: the configuration.
        loaded: our settings.
        environment: of this process; what `rtm centrifugo run` would add is added.
    """
    return review_configuration(
        document, gateway_environment(loaded.settings, environment), _expectations(loaded)
    )


def read_document(path: Path) -> dict[str, Any]:
    """Read a configuration file: TOML if its name ends so, else JSON.

    Raises:
        ConfigurationError: it cannot be read, or is neither.
    """
    if path.suffix in {".yaml", ".yml"}:
        raise ConfigurationError(
            f"{path}: YAML is not read here; give the same configuration as JSON or TOML, both of "
            "which Centrifugo reads too"
        )
    try:
        text = path.read_text("utf-8")
        document = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except OSError as failure:
        raise ConfigurationError(f"{path}: cannot be read ({failure.strerror})") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path}: is not UTF-8 text") from None
    except (tomllib.TOMLDecodeError, json.JSONDecodeError) as failure:
        kind = "TOML" if path.suffix == ".toml" else "JSON"
        raise ConfigurationError(f"{path}: is not {kind} ({failure})") from None
    except RecursionError:
        raise ConfigurationError(f"{path}: is nested too deeply") from None
    if not isinstance(document, dict):
        raise ConfigurationError(f"{path}: must hold an object with Centrifugo's sections")
    return document


def readable_file(path: Path) -> Path:
    """Return a configuration file that Centrifugo can be started with.

    Centrifugo itself starts without its file if that is missing, with defaults and a warning.

    Raises:
        ConfigurationError: it is missing or may not be read.
    """
    if not path.is_file() or not os.access(path, os.R_OK):
        raise ConfigurationError(f"{path}: there is no such file, or it may not be read")
    return path


def ask_centrifugo(
    program: Path, file: Path, loaded: LoadedSettings, environment: Mapping[str, str]
) -> list[Finding]:
    """Return what Centrifugo's own strict check says; it also knows every option's name.

    Raises:
        StartupError: Centrifugo could not be run.
    """
    try:
        done = subprocess.run(  # noqa: S603 - the program that the user chose
            [str(program), "checkconfig", "--strict", "--config", str(file.resolve())],
            env=gateway_environment(loaded.settings, environment),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_CHECKCONFIG_TIMEOUT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as failure:
        raise StartupError(f"{program} checkconfig could not be run: {failure}") from None
    if done.returncode == 0:
        return []
    said = (done.stderr + done.stdout).strip().splitlines()
    return [
        Finding(
            "error",
            "(Centrifugo's checkconfig)",
            said[-1] if said else f"ended with code {done.returncode}",
            "see what it says",
        )
    ]


def _expectations(loaded: LoadedSettings) -> Expectations:
    settings = loaded.settings
    callback = settings.callback
    patterns: list[tuple[str, str]] = []
    if loaded.is_set("callback.channels"):
        patterns += [("callback.channels", rule.pattern) for rule in callback.channels]
    return Expectations(
        callback_url=settings.gateway.callback_url,
        deadline_seconds=callback.deadline_seconds,
        callback_secrets=tuple(
            secret for secret in (callback.secret, callback.previous_secret) if secret
        ),
        token_secrets=tuple(
            secret for secret in (callback.token_secret, callback.previous_token_secret) if secret
        ),
        tokens=msgspec.structs.asdict(settings.tokens),
        stream_prefix=settings.redis.prefix,
        channel_patterns=tuple(patterns),
        gateway_port=settings.gateway.port,
        publish_headers=(TRACE_PARENT, TRACE_STATE) if settings.telemetry.tracing else (),
    )
