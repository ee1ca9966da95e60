"""Reading a Centrifugo configuration for the embedded gateway.

The rules are Centrifugo's: the environment wins over the file, an empty variable counts as unset,
a zero value in the file falls back to the default, `${CENTRIFUGO_VAR_X}` is expanded in static
headers. One rule is ours: an option that the embedded gateway does not implement is refused by
name, unless its value asks for nothing; Centrifugo would only warn about a name it does not know.
"""

from __future__ import annotations

import difflib
import json
import re
import typing
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, get_args, get_origin

import msgspec

from realtime_message.centrifugo.configuration_checks import check_configuration
from realtime_message.centrifugo.durations import Seconds, parse_duration
from realtime_message.centrifugo.gateway_configuration import GatewayConfiguration
from realtime_message.errors import ConfigurationError

ENVIRONMENT_PREFIX = "CENTRIFUGO_"
_VARIABLE_PREFIX = "CENTRIFUGO_VAR_"
_VARIABLE = re.compile(r"\$\{(CENTRIFUGO_VAR_[^}]+)\}")

#: Options that change nothing a client or the server API could see.
_WITHOUT_EFFECT = (
    "log.",
    "usage_stats.",
    "node.info_metrics_aggregate_interval",
    "websocket.read_buffer_size",
    "websocket.write_buffer_size",
    "websocket.use_write_buffer_pool",
    # These speak about features whose own switch is refused when it is on.
    "engine.redis.",
    "map_broker.",
    "emulation.",
    "websocket.compression_level",
)


def read_configuration(path: Path, environ: Mapping[str, str]) -> GatewayConfiguration:
    """Read a configuration file as Centrifugo would, for the embedded gateway.

    Args:
        path: a JSON file.
        environ: the environment; its CENTRIFUGO_* variables override the file.

    Raises:
        ConfigurationError: the file cannot be read, a value is wrong, or it asks for something
            that the embedded gateway does not do. The text names the option by its path.
    """
    document = _load(path)
    try:
        return _interpret(document, environ)
    except ValueError as error:
        raise ConfigurationError(f"{path}: {error}") from None


def unused_variables(environ: Mapping[str, str]) -> list[str]:
    """Return the CENTRIFUGO_* variables that no option of the embedded gateway reads.

    They are often names of an earlier Centrifugo, such as CENTRIFUGO_API_KEY.
    """
    known = {name for name, _ in _variables(GatewayConfiguration, ENVIRONMENT_PREFIX)}
    lists = tuple(
        name + "_"
        for name, kind in _variables(GatewayConfiguration, ENVIRONMENT_PREFIX)
        if _item_struct(kind)
    )
    return sorted(
        name
        for name in environ
        if name.startswith(ENVIRONMENT_PREFIX)
        and not name.startswith((_VARIABLE_PREFIX, *lists))
        and name not in known
    )


def _load(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(
            f"{path}: cannot be read ({error.strerror}); `rtm centrifugo config` writes such a file"
        ) from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path}: is not UTF-8 text") from None
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise ConfigurationError(
            f"{path}: is not JSON (line {error.lineno}: {error.msg}); the embedded gateway reads "
            "JSON only"
        ) from None
    if not isinstance(document, dict):
        raise ConfigurationError(f"{path}: must hold a JSON object")
    return document


def _interpret(document: dict[str, Any], environ: Mapping[str, str]) -> GatewayConfiguration:
    refused: list[str] = []
    options = _implemented(document, GatewayConfiguration, "", refused)
    if refused:
        typos = [path for path in refused if path.endswith("?")]
        missing = ", ".join(path for path in refused if path not in typos)
        if missing:
            typos.append(
                f"the embedded gateway does not implement {missing}; leave that out, or run "
                "Centrifugo itself (rtm centrifugo run)"
            )
        raise ValueError("; ".join(typos))
    _apply_environment(options, GatewayConfiguration, ENVIRONMENT_PREFIX, environ)
    _expand_static_headers(options, "", environ)
    try:
        configuration = msgspec.convert(
            options, GatewayConfiguration, strict=False, dec_hook=_decode_custom
        )
    except msgspec.ValidationError as error:
        raise ValueError(_with_path(error)) from None
    check_configuration(configuration)
    return configuration


def _implemented(
    value: dict[str, Any], struct: type, path: str, refused: list[str]
) -> dict[str, Any]:
    """Return the options that the struct has; add to `refused` those it lacks.

    Each by its path; one that is a slip of the pen by a sentence that ends in a question mark.
    """
    fields = {field.encode_name: field.type for field in msgspec.structs.fields(struct)}
    kept: dict[str, Any] = {}
    for name, item in value.items():
        here = path + name
        if name not in fields:
            wanted = list(_wanted(item, here))
            near = _misspelt(name, fields)
            if wanted and near:
                wanted = [f"{here} is no option that we know; did you mean {path}{near}?"]
            refused.extend(wanted)
        elif _is_struct(fields[name]) and isinstance(item, dict):
            kept[name] = _implemented(item, fields[name], here + ".", refused)
        elif (element := _item_struct(fields[name])) and isinstance(item, list):
            kept[name] = [
                _implemented(one, element, f"{here}[{index}].", refused)
                if isinstance(one, dict)
                else one
                for index, one in enumerate(item)
            ]
        elif not _is_zero(item):
            kept[name] = str(item) if name == "internal_port" else item
    return kept


def _misspelt(name: str, known: Collection[str]) -> str | None:
    """Return the option that a name is nearly; Centrifugo has others that are merely alike."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.85)
    return near[0] if near and abs(len(near[0]) - len(name)) <= 1 else None


def _wanted(value: Any, path: str) -> Iterator[str]:
    """Yield the paths at which an option that is not implemented asks for something."""
    if (path + ".").startswith(_WITHOUT_EFFECT) or path.startswith(_WITHOUT_EFFECT):
        return
    if not isinstance(value, dict):
        # A handler's path or a proxy's name asks for nothing until its switch is on.
        if not _is_zero(value) and not path.endswith(("handler_prefix", "proxy_name")):
            yield path
    elif "enabled" in value or "endpoint" in value:
        switch = "enabled" if "enabled" in value else "endpoint"
        if value[switch]:
            yield f"{path}.{switch}"
    else:
        for name, item in value.items():
            yield from _wanted(item, f"{path}.{name}")


def _apply_environment(
    options: dict[str, Any], struct: type, prefix: str, environ: Mapping[str, str]
) -> None:
    for field in msgspec.structs.fields(struct):
        name = field.encode_name
        variable = prefix + name.upper()
        text = environ.get(variable, "")
        if _is_struct(field.type):
            inner = options.setdefault(name, {})
            if isinstance(inner, dict):
                _apply_environment(inner, field.type, variable + "_", environ)
            continue
        if text:
            options[name] = _parse_variable(text, field.type, variable)
        if (element := _item_struct(field.type)) and isinstance(options.get(name), list):
            for item in options[name]:
                if isinstance(item, dict):
                    own = re.sub(r"[.-]", "_", str(item.get("name", ""))).upper()
                    _apply_environment(item, element, f"{variable}_{own}_", environ)


def _parse_variable(text: str, kind: Any, variable: str) -> Any:
    is_list, is_map = get_origin(kind) is list, get_origin(kind) is dict
    if is_map or (is_list and text.startswith("[")):
        try:
            return json.loads(text)
        except json.JSONDecodeError as error:
            raise ValueError(f"{variable} in the environment is not JSON ({error.msg})") from None
    if is_list:
        words = text.split()
        return [{"name": word} for word in words] if _item_struct(kind) else words
    return text


def _expand_static_headers(value: Any, path: str, environ: Mapping[str, str]) -> None:
    if isinstance(value, list):
        for index, item in enumerate(value):
            _expand_static_headers(item, f"{path[:-1]}[{index}].", environ)
    elif isinstance(value, dict):
        for name, item in value.items():
            if name == "static_headers":
                value[name] = _expanded(item, path + name, environ)
            else:
                _expand_static_headers(item, f"{path}{name}.", environ)


def _expanded(headers: Any, path: str, environ: Mapping[str, str]) -> Any:
    if isinstance(headers, list):
        # The other form that Centrifugo reads: [{"key": …, "value": …}], which keeps upper case.
        headers = {one.get("key"): one.get("value") for one in headers if isinstance(one, dict)}
    if not isinstance(headers, dict):
        return headers

    def replace(match: re.Match[str]) -> str:
        if match[1] not in environ:
            raise ValueError(f"{path} needs the environment variable {match[1]}, which is not set")
        return environ[match[1]]

    return {
        name: _VARIABLE.sub(replace, text) if isinstance(text, str) else text
        for name, text in headers.items()
    }


def _decode_custom(kind: type, value: Any) -> Any:
    if kind is Seconds:
        return parse_duration(value)
    raise NotImplementedError(kind)


def _with_path(error: msgspec.ValidationError) -> str:
    """Return msgspec's message with the option's path at its front."""
    message, _, path = str(error).rpartition(" - at `$.")
    if not message:
        return str(error)
    return f"{path.rstrip('`')}: {message[:1].lower()}{message[1:]}"


def _variables(struct: type, prefix: str) -> Iterator[tuple[str, Any]]:
    for field in msgspec.structs.fields(struct):
        variable = prefix + field.encode_name.upper()
        if _is_struct(field.type):
            yield from _variables(field.type, variable + "_")
        else:
            yield variable, field.type


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _item_struct(kind: Any) -> Any:
    """Return the struct that a list holds, or None."""
    if get_origin(kind) is list and _is_struct(typing.cast("Any", get_args(kind)[0])):
        return get_args(kind)[0]
    return None


def _is_zero(value: Any) -> bool:
    return value in (None, False, 0, "", "0s", [], {})
