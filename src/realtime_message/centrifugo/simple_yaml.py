"""Writing a configuration as YAML: what JSON can say, in block style.

A library for it would be one more in every process; what is written here is plain, and every text
in it stands as in JSON, which YAML reads as it is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any


def yaml_lines(value: Mapping[str, Any], indent: str = "") -> Iterator[str]:
    """Yield the lines of an object in YAML."""
    for name, item in value.items():
        key = name if name.isidentifier() else json.dumps(name)
        if _is_object(item):
            yield f"{indent}{key}:"
            yield from yaml_lines(item, indent + "  ")
        elif isinstance(item, list) and item and all(map(_is_object, item)):
            yield f"{indent}{key}:"
            for one in item:
                first, *rest = yaml_lines(one)
                yield f"{indent}  - {first}"
                yield from (f"{indent}    {line}" for line in rest)
        else:
            yield f"{indent}{key}: {json.dumps(item, ensure_ascii=False)}"


def _is_object(value: Any) -> bool:
    """Whether it is an object with something in it; an empty one stands as in JSON."""
    return isinstance(value, Mapping) and bool(value)
