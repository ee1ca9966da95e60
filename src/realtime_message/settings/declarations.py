"""The declared settings as a list, for loading, the command line and the reference page."""

from __future__ import annotations

import difflib
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from realtime_message.settings.options import Section, Settings

ENVIRONMENT_PREFIX = "RTM_"


@dataclass(frozen=True, slots=True)
class Setting:
    """One declared setting.

    Attributes:
        section: the table it stands in, such as `callback`.
        name: its name there, such as `port`.
        type: its type with msgspec's constraints.
        default: its value when nobody sets it.
        help: what it does, what it costs, when it is wrong.
        unit: what a number counts, such as `seconds`; empty if nothing.
        alias: the environment name that other systems know it by; empty if none.
        is_secret: whether its value must never be shown.
    """

    section: str
    name: str
    type: Any
    default: Any
    help: str
    unit: str
    alias: str
    is_secret: bool

    @property
    def path(self) -> str:
        """Its full name, such as `callback.port`."""
        return f"{self.section}.{self.name}"

    @property
    def environment_name(self) -> str:
        """The environment variable that sets it, such as `RTM_CALLBACK__PORT`."""
        return f"{ENVIRONMENT_PREFIX}{self.section.upper()}__{self.name.upper()}"

    @property
    def item_section(self) -> type[Section] | None:
        """For a list of tables, what each table holds."""
        plain = _plain(self.type)
        if typing.get_origin(plain) is not list:
            return None
        (item,) = typing.get_args(plain)
        return item if isinstance(item, type) and issubclass(item, Section) else None

    @property
    def is_list(self) -> bool:
        """Whether it takes a list: JSON in the environment and on the command line."""
        return typing.get_origin(_plain(self.type)) is list

    @property
    def fits(self) -> str:
        """What values fit, in words, such as `a whole number from 0 to 65535`."""
        words = (_meta(self.type).extra or {}).get("fits", "")
        return words or _fits(self.type, self.unit)


@cache
def all_settings() -> Mapping[str, Setting]:
    """Return every setting by its path, in the order of the declarations."""
    found = {}
    for section in msgspec.structs.fields(Settings):
        for setting in settings_of(section.type, section.name):
            found[setting.path] = setting
    return types.MappingProxyType(found)


def settings_of(section: type[Section], name: str) -> list[Setting]:
    """Return the settings that one section declares."""
    found = []
    for field in msgspec.structs.fields(section):
        meta = _meta(field.type)
        extra = meta.extra or {}
        is_required = field.required
        default = None if is_required else _default(field)
        found.append(
            Setting(
                section=name,
                name=field.name,
                type=field.type,
                default=default,
                help=meta.description or "",
                unit=extra.get("unit", ""),
                alias=extra.get("environment", ""),
                is_secret=extra.get("secret", False),
            )
        )
    return found


def nearest(name: str, known: Iterable[str]) -> str:
    """Return `; did you mean …?` for a misspelt name, or nothing if no known name is near."""
    matches = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"; did you mean {matches[0]}?" if matches else ""


def _default(field: msgspec.structs.FieldInfo) -> Any:
    if field.default_factory is not msgspec.NODEFAULT:
        return field.default_factory()
    return field.default


def _meta(annotated: Any) -> Meta:
    metas = [item for item in getattr(annotated, "__metadata__", ()) if isinstance(item, Meta)]
    return metas[0] if metas else Meta()


def _plain(annotated: Any) -> Any:
    is_annotated = typing.get_origin(annotated) is Annotated
    return typing.get_args(annotated)[0] if is_annotated else annotated


def _fits(annotated: Any, unit: str) -> str:
    plain, meta = _plain(annotated), _meta(annotated)
    if typing.get_origin(plain) is Literal:
        return "one of " + ", ".join(typing.get_args(plain))
    if plain is bool:
        return "true or false"
    if plain in (int, float):
        number = "a whole number" if plain is int else "a number"
        return number + (f" of {unit}" if unit else "") + _limits(meta)
    if typing.get_origin(plain) is list:
        (item,) = typing.get_args(plain)
        is_table = isinstance(item, type) and issubclass(item, Section)
        return "a list of tables" if is_table else "a list of texts"
    return "text, not empty" if meta.min_length else "text"


def _limits(meta: Meta) -> str:
    if meta.ge is not None and meta.le is not None:
        return f" from {meta.ge} to {meta.le}"
    if meta.ge is not None:
        return f", at least {meta.ge}"
    if meta.gt is not None:
        return f" above {meta.gt}"
    return ""
