"""From what a file or a person wrote to a typed value, or a sentence that says what fits."""

from __future__ import annotations

import math
from typing import Any

import msgspec

from realtime_message.settings.declarations import Setting, nearest, settings_of
from realtime_message.settings.masking import MASK, mask

_MAX_SHOWN_CHARACTERS = 60


class UnfitValueError(ValueError):
    """A value does not fit its setting; the text names the place in it and what fits."""


def convert(setting: Setting, value: Any, *, is_text: bool) -> Any:
    """Return a setting's value in its type.

    Args:
        setting: the declaration.
        value: what was written.
        is_text: whether it came as text, from the environment or the command line: lists are
            JSON there.

    Raises:
        UnfitValueError: it does not fit.
    """
    if setting.is_list and is_text and isinstance(value, str):
        value = _decode_list(setting, value)
    if setting.item_section is not None and isinstance(value, list):
        return [_convert_table(setting, index, item) for index, item in enumerate(value)]
    return _convert_value(setting, setting.path, value)


def show(setting: Setting, value: Any) -> str:
    """Return a value as a message may show it: shortened, and never a secret."""
    if setting.is_secret:
        return mask(value) if isinstance(value, str) else MASK
    text = value if isinstance(value, str) else msgspec.json.encode(value, enc_hook=str).decode()
    if len(text) > _MAX_SHOWN_CHARACTERS:
        text = text[: _MAX_SHOWN_CHARACTERS - 1] + "…"
    return f'"{text}"' if isinstance(value, str) else text


def _decode_list(setting: Setting, text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError):
        example = '[{"pattern": "news", "publish": "nobody"}]' if setting.item_section else '["a"]'
        raise UnfitValueError(
            f"{setting.path} = {show(setting, text)}: expected JSON here, such as {example}"
        ) from None


def _convert_table(setting: Setting, index: int, table: Any) -> Any:
    section = setting.item_section
    assert section is not None  # noqa: S101 - the caller looked
    place = f"{setting.path}[{index}]"
    if isinstance(table, section):
        return table
    if not isinstance(table, dict):
        raise UnfitValueError(f"{place} = {show(setting, table)}: expected a table")
    known = {inner.name: inner for inner in settings_of(section, place)}
    unknown = [name for name in table if name not in known]
    if unknown:
        raise UnfitValueError(
            f"{place}.{unknown[0]} is no setting{nearest(str(unknown[0]), known)}"
        )
    values = {
        name: _convert_value(known[name], f"{place}.{name}", value) for name, value in table.items()
    }
    try:
        return section(**values)
    except TypeError:
        missing = [name for name, inner in known.items() if inner.default is None]
        absent = [name for name in missing if name not in table]
        raise UnfitValueError(f"{place}: {', '.join(absent)} is missing") from None


def _convert_value(setting: Setting, place: str, value: Any) -> Any:
    try:
        converted = msgspec.convert(value, setting.type, strict=False)
    except msgspec.ValidationError:
        raise UnfitValueError(
            f"{place} = {show(setting, value)}: expected {setting.fits}"
        ) from None
    if isinstance(converted, float) and not math.isfinite(converted):
        raise UnfitValueError(f"{place} = {show(setting, value)}: expected {setting.fits}")
    return converted
