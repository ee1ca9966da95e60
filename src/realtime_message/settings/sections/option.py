"""How a setting is declared.

`option` gives each field its help, its unit, the environment name that other systems know it by
(beside `RTM_SECTION__NAME`, which every setting has), whether it is a secret, and where the type
and its limits do not say it well enough, what fits in words.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Meta

from realtime_message.settings.masking import mask


def option(
    help_text: str,
    *,
    unit: str = "",
    environment: str = "",
    secret: bool = False,
    fits: str = "",
    **limits: Any,
) -> Meta:
    """Describe a setting; `limits` are msgspec's constraints, such as ge and max_length."""
    extra = {"unit": unit, "environment": environment, "secret": secret, "fits": fits}
    return Meta(description=help_text, extra=extra, **limits)


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A group of settings: a table in the TOML file. Its `repr` shows no secret."""

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [
            (field.name, mask(value) if _is_secret(field.type) else value)
            for field in msgspec.structs.fields(type(self))
            for value in (getattr(self, field.name),)
        ]

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self.__rich_repr__())
        return f"{type(self).__name__}({shown})"


def _is_secret(annotated: Any) -> bool:
    metas = getattr(annotated, "__metadata__", ())
    return any((meta.extra or {}).get("secret", False) for meta in metas)
