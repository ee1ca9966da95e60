"""HTML made of elements. Whatever is no element is text: escaped, and unable to steer anything."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape
from typing import TypeAlias

from realtime_message.visible_text import many_lines, one_line

_VOID = frozenset({"br", "input", "link", "meta"})


class Html(str):
    """Text that is HTML already. Only `element` makes it."""

    __slots__ = ()


Child: TypeAlias = "Html | str | int | Iterable[Child] | None"
Attribute: TypeAlias = str | int | float | bool | None


def element(name: str, /, *children: Child, **attributes: Attribute) -> Html:
    """Return an element.

    Args:
        name: of the element.
        children: elements, texts, numbers, and lists of them; None is nothing.
        attributes: `class_` is class, `data_x` is data-x; True stands for a bare attribute, None
            and False for none.
    """
    shown = "".join(_attribute(key, value) for key, value in attributes.items())
    if name in _VOID:
        return Html(f"<{name}{shown}>")
    return Html(f"<{name}{shown}>{''.join(_texts(children))}</{name}>")


def page(*children: Child) -> str:
    """Return a document in English."""
    return f"<!doctype html>\n{element('html', *children, lang='en')}\n"


def _attribute(key: str, value: Attribute) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{escape(one_line(str(value)))}"'


def _texts(children: Iterable[Child]) -> Iterator[str]:
    for child in children:
        if isinstance(child, Html):
            yield child
        elif isinstance(child, str | int):
            yield escape(many_lines(str(child)))
        elif child is not None:
            yield from _texts(child)
